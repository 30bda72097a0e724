"""Functions that measure the cost of a small program."""

import io
from collections.abc import Callable

import numpy as np
import pytest
import torch

from tests.support.mil_programs import build_model
from validation.inspection.cost.component import ComponentCost
from validation.inspection.cost.core_ml import component_cost
from validation.inspection.cost.sources import ReferenceSources
from validation.inspection.cost.torchscript import Walk


@pytest.fixture(scope="session")
def no_sources() -> ReferenceSources:
    """Sources for programs whose layers come from no module of the reference."""
    return ReferenceSources("image_encoder", torch.nn.Identity())


@pytest.fixture
def mil_cost(no_sources) -> Callable[..., ComponentCost]:
    """Return the cost of the ML Program ``build(**inputs)``, whose inputs are given as name=shape."""

    def measure(build, precision="float32", opset="iOS18", **shapes):
        inputs = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        model = build_model(build, inputs, opset, precision)
        return component_cost(model, None, no_sources)

    return measure


@pytest.fixture
def script_cost(no_sources) -> Callable[..., ComponentCost]:
    """Trace and save a module, and return its cost on inputs of the given shapes."""

    def measure(module, *shapes):
        traced = torch.jit.trace(module.eval(), tuple(torch.zeros(shape) for shape in shapes))
        buffer = io.BytesIO()
        torch.jit.save(traced, buffer)
        buffer.seek(0)
        inputs = [torch.empty(shape, device="meta") for shape in shapes]
        return Walk(torch.jit.load(buffer), no_sources).cost(inputs)

    return measure
