"""``python -m validation.evidence.mutation``."""

from reference.common.entry_point import start


def main() -> None:
    """Run the command and exit."""
    start("validation.evidence.mutation.cli", "mutation")


if __name__ == "__main__":
    main()
