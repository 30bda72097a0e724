"""``python -m validation.evidence.picture``."""

from reference.common.entry_point import start


def main() -> None:
    """Run the command and exit."""
    start("validation.evidence.picture.cli", "picture")


if __name__ == "__main__":
    main()
