"""What the pages in docs/evidence state, measured."""
