"""Measures how well a model finds objects whose true masks are known.

``measure_accuracy(model, samples)`` scores any model that ``reference.Predictor`` can prompt. That is the
reference, during training or afterwards, or a converted artifact.
"""

from reference.common.lazy_names import lazy_names

_HOMES = {
    "Accuracy": "validation.accuracy.results",
    "HeldOutScenes": "validation.accuracy.scenes",
    "Instance": "validation.accuracy.samples",
    "Sample": "validation.accuracy.samples",
    "measure_accuracy": "validation.accuracy.protocol",
    "read_dataset": "validation.accuracy.dataset",
}
__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
