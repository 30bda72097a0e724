"""``python -m validation.numbers``."""

from reference.entry_point import start


def main() -> None:
    """Run the command and exit."""
    start("validation.numbers.cli", "numbers")


if __name__ == "__main__":
    main()
