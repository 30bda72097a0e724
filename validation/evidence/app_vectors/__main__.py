"""``python -m validation.evidence.app_vectors``."""

from reference.common.entry_point import start


def main() -> None:
    """Run the command and exit."""
    start("validation.evidence.app_vectors.cli", "app_vectors")


if __name__ == "__main__":
    main()
