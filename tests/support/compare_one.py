"""Comparing a single artifact with a single engine."""

from validation import compare_artifacts


def compare_one(folder, engine=None, **options):
    """Return the comparison of one artifact. The options are those of ``compare_artifacts``."""
    (comparison,) = compare_artifacts(folder, engines=engine or (), **options)
    return comparison
