"""``python -m validation.evidence.peers``."""

from reference.common.entry_point import start


def main() -> None:
    """Run the command and exit."""
    start("validation.evidence.peers.cli", "peers")


if __name__ == "__main__":
    main()
