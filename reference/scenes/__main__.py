"""The entry point of ``python -m reference.scenes``."""

from reference.common.entry_point import start


def main() -> None:
    """Run the command and exit."""
    start("reference.scenes.cli", "scenes")


if __name__ == "__main__":
    main()
