"""``python -m validation.evidence.harness``."""

from reference.common.entry_point import start


def main() -> None:
    """Run the command and exit."""
    start("validation.evidence.harness.cli", "harness")


if __name__ == "__main__":
    main()
