"""The entry point of ``validate``, which is also ``python -m validation``."""

from reference.common.entry_point import start


def main() -> None:
    """Run the command and exit."""
    start("validation.cli", "validate")


if __name__ == "__main__":
    main()
