"""How well does a model find objects whose true masks are known?

``measure_accuracy(model, samples)`` scores anything that ``reference.Predictor`` can prompt: the reference,
while it is trained or afterwards, or a converted artifact.
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
