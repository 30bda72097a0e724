"""The entry point of ``segment``, which is also ``python -m reference``."""

from reference.common.entry_point import start


def main() -> None:
    """Run the command and exit."""
    start("reference.cli", "segment")


if __name__ == "__main__":
    main()
