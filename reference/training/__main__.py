"""The entry point of ``python -m reference.training``."""

from reference.common.entry_point import start


def main() -> None:
    """Run the command and exit."""
    start("reference.training.cli", "training")


if __name__ == "__main__":
    main()
