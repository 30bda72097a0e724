"""Compare one artifact, with one engine."""

from validation import compare_artifacts


def compare_one(folder, engine=None, **options):
    """Its comparison; options are those of ``compare_artifacts``."""
    (comparison,) = compare_artifacts([folder], engines=[engine] if engine else (), **options)
    return comparison
