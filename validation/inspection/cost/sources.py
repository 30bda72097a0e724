"""Finds the reference module that an operation of an artifact came from, by the weight that it takes."""

from collections.abc import Mapping, Sequence
from os.path import commonprefix

from torch import nn

from validation.inspection.origins import source_path

# The name that torch's parametrizations put between a layer and its weight.
_BETWEEN = ".parametrizations"
_WEIGHT = "_weight"


class ReferenceSources:
    """Translates the names that artifacts give to a component's layers into their paths in the reference.

    Attributes:
        component: "image_encoder" or "mask_decoder".
    """

    def __init__(self, component: str, module: nn.Module) -> None:
        """Take the component's export module, whose weights do not matter."""
        self.component = component
        self._by_flat_name = _flat_names(module)

    def layer_of_constant(self, name: str) -> str | None:
        """Path of the layer whose weight is this constant of a package, such as ``encoder_neck_0_weight_to_fp16``."""
        layer, weight, _ = name.partition(_WEIGHT)
        if not weight:
            return None
        return self._by_flat_name.get(layer)

    def attribute(self, layers: Sequence[str | None]) -> list[str]:
        """Path in ``Sam`` of every operation of a program, in order.

        An operation without a weight, such as a product inside attention, is attributed to the innermost module
        that its neighbors with weights have in common.

        Args:
            layers: for each operation, the path in the export module of the layer whose weight it takes; None if
                it takes no weight.
        """
        known = [None if path is None else source_path(self.component, path) for path in layers]
        before = _last_known(known)
        after = _last_known(known[::-1])[::-1]
        return [
            _common_parent(first, second) if path is None else path
            for path, first, second in zip(known, before, after, strict=True)
        ]


def layer_of_attribute(path: str) -> str:
    """Path of the layer that has this attribute of a TorchScript module, such as ``encoder.neck.0.weight``."""
    return path.partition(_BETWEEN)[0] if _BETWEEN in path else path.rpartition(".")[0]


def _flat_names(module: nn.Module) -> Mapping[str, str]:
    """Name in coremltools' constants → path, of every layer with a weight."""
    return {
        path.replace(".", "_"): path
        for path, layer in module.named_modules(remove_duplicate=False)
        if hasattr(layer, "weight")
    }


def _last_known(paths: Sequence[str | None]) -> list[str]:
    found, last = [], ""
    for path in paths:
        last = path or last
        found.append(last)
    return found


def _common_parent(first: str, second: str) -> str:
    return ".".join(commonprefix([first.split("."), second.split(".")]))
