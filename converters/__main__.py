"""The entry point of ``convert``, which is also ``python -m converters``."""

from reference.common.entry_point import start


def main() -> None:
    """Run the command and exit."""
    start("converters.cli", "convert")


if __name__ == "__main__":
    main()
