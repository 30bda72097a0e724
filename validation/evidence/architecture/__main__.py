"""``python -m validation.evidence.architecture``."""

from typing import NoReturn

from reference.common.entry_point import start


def main() -> NoReturn:
    """Run the command and exit; see ``reference.common.entry_point.start``."""
    start("validation.evidence.architecture.cli", "architecture")


if __name__ == "__main__":
    main()
