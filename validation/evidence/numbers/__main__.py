"""``python -m validation.evidence.numbers``."""

from reference.common.entry_point import start


def main() -> None:
    """Run the command and exit."""
    start("validation.evidence.numbers.cli", "numbers")


if __name__ == "__main__":
    main()
