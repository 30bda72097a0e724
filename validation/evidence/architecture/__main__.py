"""``python -m validation.evidence.architecture``."""

from reference.common.entry_point import start

if __name__ == "__main__":
    start("validation.evidence.architecture.cli", "architecture")
