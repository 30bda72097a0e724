"""A loaded pipeline: models that run one after the other, and hand on what they give by name.

What has to fit together is from the checks that coremltools publishes of Core ML's pipelines
(``mlmodel/src/Validation/PipelineValidator.cpp``, ``mlmodel/src/Comparison.cpp``).
"""

from collections.abc import Collection, Mapping

from PIL import Image

from validation.mil_runtime.errors import InputError, MilRuntimeError, ModelError
from validation.mil_runtime.feature_values import read_inputs
from validation.mil_runtime.flexible_shapes import is_flexible
from validation.mil_runtime.interpreter import Observer
from validation.mil_runtime.model.feature_description import (
    ArrayFeature,
    Description,
    Feature,
    ImageFeature,
)
from validation.mil_runtime.numerics import Numerics
from validation.mil_runtime.program import Prediction, Program, State


class Pipeline:
    """A pipeline of ML Programs, ready to run; see ``load``.

    Attributes:
        stages: its models, in order; one may be a pipeline again.
        numerics: name of the numerics that they were loaded with.
    """

    def __init__(
        self,
        description: Description,
        stages: "tuple[Program | Pipeline, ...]",
        numerics: Numerics,
    ) -> None:
        """Join loaded models with the description of what the whole takes; see ``load``."""
        self._description = description
        self.stages = stages
        self.numerics: str = numerics.name
        self._require_connected()

    @property
    def inputs(self) -> Mapping[str, Feature]:
        """What ``predict`` takes, by name."""
        return self._description.inputs

    @property
    def outputs(self) -> Mapping[str, Feature]:
        """What ``predict`` gives, by name."""
        return self._description.outputs

    def make_state(self) -> State:
        """An empty state: the models of a pipeline have none."""
        return State({})

    def value_names(self) -> frozenset[str]:
        """Every value that ``predict`` can give as an intermediate."""
        return frozenset().union(*(stage.value_names() for stage in self.stages))

    def predict(
        self,
        data: Mapping[str, object],
        state: State | None = None,
        *,
        intermediates: Collection[str] = (),
        observer: Observer | None = None,
    ) -> Prediction:
        """Run the models once, in order.

        Args:
            data: as for ``Program.predict``.
            state: none, or an empty one.
            intermediates: as for ``Program.predict``; of a name that several models have, the value
                of the last.
            observer: as for ``Program.predict``, for every model.

        Returns:
            the pipeline's outputs, as ``Program.predict`` gives a model's.

        Raises:
            InputError: the data are not what the pipeline takes, or one of its models gives
                something that a later one does not take, such as another size.
            OperationError: an operation cannot be computed on them.
        """
        values = {**read_inputs(data, self._description), **data}  # defaults of those left out, too
        unknown = set(intermediates) - self.value_names()
        if unknown:
            raise InputError(f"the pipeline has no value named {', '.join(sorted(unknown))}")
        kept: dict[str, object] = {}
        for number, stage in enumerate(self.stages, 1):
            given = {name: _as_input(values[name]) for name in stage.inputs if name in values}
            wanted = stage.value_names().intersection(intermediates)
            try:
                outputs = stage.predict(given, state, intermediates=wanted, observer=observer)
            except MilRuntimeError as error:
                raise type(error)(f"stage {number} of the pipeline: {error}") from error
            values.update(outputs)
            kept.update(outputs.intermediates)
        return Prediction({name: values[name] for name in self.outputs}, self.numerics, kept)

    def _require_connected(self) -> None:
        """Every model must find its inputs, and the pipeline its outputs, as they are described."""
        if not self.stages:
            raise ModelError("the pipeline has no models: make it again")
        known: dict[str, Feature] = dict(self.inputs)
        for number, stage in enumerate(self.stages, 1):
            if stage.make_state().cells:
                raise ModelError(
                    f"stage {number} of the pipeline has a state, which pipelines do not keep: run "
                    "its models one by one, as docs/mil_runtime.md shows"
                )
            for name, feature in stage.inputs.items():
                _require_same(f"stage {number} of the pipeline takes '{name}'", feature, known)
            known.update(stage.outputs)
        for name, feature in self.outputs.items():
            _require_same(f"the pipeline gives '{name}'", feature, known)


def _require_same(what: str, feature: Feature, known: Mapping[str, Feature]) -> None:
    other = known.get(feature.name)
    if other is None:
        raise ModelError(
            f"{what}, which is neither an input of the pipeline nor an output of a model before: "
            "convert the models again with names that meet"
        )
    if not _is_same(feature, other):
        raise ModelError(
            f"{what} as {feature}, and it is described as {other} before: Core ML wants the same "
            "type and shape; convert the models again with these, and make the pipeline again"
        )


def _is_same(feature: Feature, other: Feature) -> bool:
    """Core ML's own notion: of shapes that are flexible, only the rank counts."""
    if isinstance(feature, ArrayFeature) and isinstance(other, ArrayFeature):
        same_shape = (
            is_flexible(feature.shapes)
            or is_flexible(other.shapes)
            or feature.shapes == other.shapes
        )
        return (feature.dtype, feature.rank) == (other.dtype, other.rank) and same_shape
    if isinstance(feature, ImageFeature) and isinstance(other, ImageFeature):
        same_color = (feature.mode, feature.reversed) == (other.mode, other.reversed)
        return same_color and feature.default_shape == other.default_shape
    return type(feature) is type(other)


def _as_input(value: object) -> object:
    """What a model gave as another takes it: pictures come out with an alpha channel, and go in without."""
    if isinstance(value, Image.Image) and value.mode == "RGBA":
        return value.convert("RGB")
    return value
