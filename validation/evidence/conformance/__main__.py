"""``python -m validation.evidence.conformance``."""

from reference.common.entry_point import start


def main() -> None:
    """Run the command and exit."""
    start("validation.evidence.conformance.cli", "conformance")


if __name__ == "__main__":
    main()
