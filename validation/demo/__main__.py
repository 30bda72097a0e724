"""``python -m validation.demo``."""

from reference.entry_point import start


def main() -> None:
    """Run the command and exit."""
    start("validation.demo.cli", "demo")


if __name__ == "__main__":
    main()
