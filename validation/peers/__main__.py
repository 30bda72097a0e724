"""``python -m validation.peers``."""

from reference.entry_point import start


def main() -> None:
    """Run the command and exit."""
    start("validation.peers.cli", "peers")


if __name__ == "__main__":
    main()
