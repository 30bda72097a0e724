"""A loaded pipeline: models that run one after the other, and pass on their outputs by name.

The rules for what fits together come from the checks of pipelines that coremltools publishes
(``mlmodel/src/Validation/PipelineValidator.cpp``, ``mlmodel/src/Comparison.cpp``).
"""

from collections.abc import Collection, Mapping

from PIL import Image

from validation.mil_runtime.errors import InputError, MilRuntimeError, ModelError
from validation.mil_runtime.execution import Observer
from validation.mil_runtime.feature_values import read_inputs
from validation.mil_runtime.flexible_shapes import is_flexible
from validation.mil_runtime.model.feature_description import (
    ArrayFeature,
    Description,
    Feature,
    ImageFeature,
)
from validation.mil_runtime.numerics import Numerics
from validation.mil_runtime.program import Prediction, Program, State


class Pipeline:
    """A pipeline of ML Programs that is ready to run. ``load`` returns it.

    Attributes:
        stages: the models, in order; a model may be a pipeline itself.
        numerics: the name of the numerics that the models were loaded with.
    """

    def __init__(
        self,
        description: Description,
        stages: "tuple[Program | Pipeline, ...]",
        numerics: Numerics,
    ) -> None:
        """Join loaded models with the description of the whole pipeline."""
        self._description = description
        self.stages = stages
        self.numerics: str = numerics.name
        self._require_connected()

    @property
    def inputs(self) -> Mapping[str, Feature]:
        """The inputs of ``predict``, by name."""
        return self._description.inputs

    @property
    def outputs(self) -> Mapping[str, Feature]:
        """The outputs of ``predict``, by name."""
        return self._description.outputs

    def make_state(self) -> State:
        """Return an empty state, because the models of a pipeline have none."""
        return State({})

    def value_names(self) -> frozenset[str]:
        """The names of all values that ``predict`` can return as intermediates."""
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
            data: the inputs, as for ``Program.predict``.
            state: None, or an empty state.
            intermediates: names of values, as for ``Program.predict``. If several models have a name,
                the last model's value is returned.
            observer: a function as for ``Program.predict``, which is called for every model.

        Returns:
            The pipeline's outputs, as ``Program.predict`` returns those of a model.

        Raises:
            InputError: the inputs do not fit the pipeline, or an output of a model does not fit a later
                model, for example in size.
            OperationError: an operation cannot be computed on the inputs.
        """
        values = {
            **read_inputs(data, self._description),
            **data,
        }  # includes defaults of missing inputs
        unknown = set(intermediates) - self.value_names()
        if unknown:
            raise InputError(
                f"the pipeline has no value named {', '.join(sorted(unknown))}: expected names that "
                "value_names() returns"
            )
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
        """Require that every input of a model, and every output of the pipeline, exists as described."""
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
            f"{what}, which is neither an input of the pipeline nor an output of an earlier model: "
            "convert the models again with matching names"
        )
    if not _is_same(feature, other):
        raise ModelError(
            f"{what} as {feature}, but it was described as {other} before: Core ML requires the same "
            "type and shape; convert the models again, and make the pipeline again"
        )


def _is_same(feature: Feature, other: Feature) -> bool:
    """Compare two features as Core ML does: of flexible shapes, only the rank counts."""
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
    """Convert a model's output to an input: pictures have an alpha channel as outputs, but not as inputs."""
    if isinstance(value, Image.Image) and value.mode == "RGBA":
        return value.convert("RGB")
    return value
