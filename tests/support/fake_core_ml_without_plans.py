"""A stand-in for Core ML on a macOS that is too old for compute plans; see ``fake_core_ml``."""

from tests.support import fake_core_ml
from tests.support.fake_core_ml import open_engine


def load_models(artifact, unit):
    """Load models with ``fake_core_ml``, and take compute plans away from this process."""
    models = fake_core_ml.load_models(artifact, unit)
    fake_core_ml.compute_plan._MLModelProxy = None
    return models


__all__ = ["load_models", "open_engine"]
