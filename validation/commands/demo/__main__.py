"""``python -m validation.commands.demo``."""

from reference.common.entry_point import start


def main() -> None:
    """Run the command and exit."""
    start("validation.commands.demo.cli", "demo")


if __name__ == "__main__":
    main()
