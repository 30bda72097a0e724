"""Core ML as on a macOS that is too old for compute plans; see ``fake_core_ml``."""

from tests.support import fake_core_ml
from tests.support.fake_core_ml import open_engine


def load_models(artifact, unit):
    """As ``fake_core_ml``'s, in a process that then has no plans."""
    models = fake_core_ml.load_models(artifact, unit)
    fake_core_ml.compute_plan._MLModelProxy = None
    return models


__all__ = ["load_models", "open_engine"]
