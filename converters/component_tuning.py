"""Tuning the components of an artifact before they are written."""

import contextlib
import copy
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from converters.format import Component
from converters.manifest import to_json
from converters.quantization.weight_formats import WeightFormat
from converters.tuning.lessons import Lessons
from converters.tuning.tuner import Tuner
from reference.common.cache import cache_folder
from reference.common.progress import OnStep


@contextlib.contextmanager
def tuned(
    components: Sequence[Component],
    plan: Mapping[str, Mapping[str, WeightFormat]],
    entries: Mapping[str, Any],
    steps: int,
    on_step: OnStep,
) -> Iterator[list[Component]]:
    """Yield the components with what they learned. Their large weights are floats, as they were.

    The state of the tuning is kept in the cache until the block ends without an error. The same conversion goes on from
    it.

    Args:
        components: the image encoder and the mask decoder, whose floats are those of the reference.
        plan: component → path of a layer → how its weight will be stored.
        entries: what the manifest says about the conversion. It identifies the state.
        steps: the number of steps.
        on_step: called with the name of each step when it begins.

    Raises:
        ConversionError: the state in the cache cannot be read.
        OutputError: the cache cannot be written.
    """
    on_step("rounding")
    rounded = {
        component.spec.name: component.calibration.round_weights(
            component.calibration.module, plan[component.spec.name]
        )
        for component in components
    }
    modules = {component.spec.name: component.calibration.module for component in components}
    targets = {component.spec.name: copy.deepcopy(component.module) for component in components}
    encoder, decoder = components
    coords, _, mask_input, _ = decoder.calibration.inputs[0][1:]
    frames = [frame for (frame,) in encoder.calibration.inputs]
    lessons = Lessons(frames, mask_input.shape[-1], coords.shape[1])
    state_file = _state_file(plan, entries)
    Tuner(modules, rounded, targets, lessons, state_file).tune(steps, on_step)
    yield [replace(component, module=targets[component.spec.name]) for component in components]
    state_file.unlink(missing_ok=True)


def _state_file(plan: Mapping[str, Mapping[str, WeightFormat]], entries: Mapping[str, Any]) -> Path:
    formats = {
        name: {path: str(of) for path, of in layers.items()} for name, layers in plan.items()
    }
    identity = to_json({"entries": entries, "formats": formats})
    digest = hashlib.sha256(identity.encode()).hexdigest()
    return cache_folder() / "tuning" / f"{digest[:32]}.pt"
