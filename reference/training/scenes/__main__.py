"""``python -m reference.training.scenes``."""

from reference.entry_point import start


def main() -> None:
    """Run the command and exit."""
    start("reference.training.scenes.cli", "scenes")


if __name__ == "__main__":
    main()
