"""``python -m validation.evidence.architecture``."""

from reference.common.entry_point import start


def main() -> None:
    """Run the command and exit."""
    start("validation.evidence.architecture.cli", "architecture")


if __name__ == "__main__":
    main()
