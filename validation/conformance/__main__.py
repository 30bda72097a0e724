"""``python -m validation.conformance``."""

from reference.entry_point import start


def main() -> None:
    """Run the command and exit."""
    start("validation.conformance.cli", "conformance")


if __name__ == "__main__":
    main()
