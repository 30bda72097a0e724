"""``python -m validation.app_vectors``."""

from reference.entry_point import start


def main() -> None:
    """Run the command and exit."""
    start("validation.app_vectors.cli", "app_vectors")


if __name__ == "__main__":
    main()
