"""How well does a model find objects whose true masks are known?

``measure_accuracy(model, samples)`` scores anything that ``reference.Predictor`` can prompt: the reference,
while it is trained or afterwards, or a converted artefact.
"""

from importlib import import_module

_HOMES = {
    "Accuracy": "validation.accuracy.results",
    "HeldOutScenes": "validation.accuracy.scenes",
    "Instance": "validation.accuracy.samples",
    "Sample": "validation.accuracy.samples",
    "measure_accuracy": "validation.accuracy.protocol",
    "read_dataset": "validation.accuracy.dataset",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    # Not imported until it is asked for: the command line shall not wait for torch.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
