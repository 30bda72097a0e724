"""``python -m validation.mutation``."""

from reference.entry_point import start


def main() -> None:
    """Run the command and exit."""
    start("validation.mutation.cli", "mutation")


if __name__ == "__main__":
    main()
