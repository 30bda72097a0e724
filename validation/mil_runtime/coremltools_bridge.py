"""Lets coremltools' ``MLModel``, and everything built on it, predict on systems other than macOS."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType

import coremltools.models._compiled_model as compiled_model_module
import coremltools.models.model as model_module
import numpy as np

from validation.mil_runtime.errors import InstallError, MilRuntimeError, OperationError
from validation.mil_runtime.loading import load
from validation.mil_runtime.model.package import NEWEST_SPECIFICATION
from validation.mil_runtime.program import State

# coremltools allows state only from this macOS version on, which has all of specification 9.
_MACOS = (15, 0)


@dataclass
class _Installation:
    """The attributes that were replaced, so that they can be restored."""

    replaced: list[tuple[ModuleType, str, object]] = field(default_factory=list)


_installation: _Installation | None = None


def install(numerics: str = "declared", *, force: bool = False) -> None:
    """Make coremltools' ``MLModel.predict`` run in this runtime, until ``uninstall``.

    It affects models that are made or loaded afterwards. coremltools' Inspector, Comparator, Validator,
    Benchmarker and ``linear_quantize_activations`` then work as well.

    Args:
        numerics: the numerics, as for ``load``.
        force: whether to install on a Mac too, where Core ML itself is available.

    Raises:
        InstallError: Core ML is available, or the runtime is already installed.
    """
    global _installation
    if _installation is not None:
        raise InstallError("the runtime is already installed: call uninstall() first")
    if model_module._MLModelProxy is not None and not force:
        raise InstallError(
            "coremltools can use Core ML itself on this system: use Core ML, or install the runtime with "
            "force=True"
        )
    _installation = _Installation()
    proxy = _proxy_class(numerics)
    _replace(model_module, "_MLModelProxy", proxy)
    _replace(compiled_model_module, "_MLModelProxy", proxy)
    # ``make_state`` checks the system first. The rest of coremltools still sees the real system.
    _replace(model_module, "_is_macos", lambda: True)
    _replace(model_module, "_macos_version", lambda: _MACOS)


def uninstall() -> None:
    """Undo ``install``.

    Raises:
        InstallError: the runtime is not installed.
    """
    global _installation
    if _installation is None:
        raise InstallError("the runtime is not installed: call install() before uninstall()")
    for module, name, original in reversed(_installation.replaced):
        setattr(module, name, original)
    _installation = None


def _replace(module: ModuleType, name: str, value: object) -> None:
    assert _installation is not None
    _installation.replaced.append((module, name, getattr(module, name)))
    setattr(module, name, value)


def _proxy_class(numerics: str) -> type:
    """Return a class with the interface of coremltools' own binding to Core ML."""

    class MilRuntimeProxy(_Proxy):
        def __init__(self, path: str, units: str, function: str, hints: dict, asset: object):
            super().__init__(path, function, asset, numerics)

    return MilRuntimeProxy


class _Proxy:
    """Replaces coremltools' binding to Core ML. Its errors are RuntimeErrors, as there."""

    def __init__(self, path: str, function: str, asset: object, numerics: str) -> None:
        if asset is not None:
            raise RuntimeError(
                "the runtime runs packages, not compiled models in memory: load an .mlpackage"
            )
        started = time.perf_counter_ns()
        self._path = path
        self._program = _translating(lambda: load(path, numerics, function or None))
        self._load_duration = time.perf_counter_ns() - started
        self._predict_duration: int | None = None

    @staticmethod
    def maximum_supported_specification_version() -> int:
        return NEWEST_SPECIFICATION

    def predict(self, data: dict, state: "_StateProxy | None" = None) -> dict:
        started = time.perf_counter_ns()
        held = None if state is None else state.state
        outputs = dict(_translating(lambda: self._program.predict(data, held)))
        self._predict_duration = time.perf_counter_ns() - started
        return outputs

    def batchPredict(self, batch: list[dict]) -> list[dict]:  # the name that coremltools calls
        return [self.predict(data) for data in batch]

    def newState(self) -> "_StateProxy":  # the name that coremltools calls
        return _StateProxy(self._program.make_state())

    def get_compiled_model_path(self) -> str:
        return self._path

    def get_load_duration_in_nano_seconds(self) -> int:
        return self._load_duration

    def get_last_predict_duration_in_nano_seconds(self) -> int | None:
        return self._predict_duration


class _StateProxy:
    """A state with the interface that coremltools' ``MLState`` expects."""

    def __init__(self, state: State) -> None:
        self.state = state

    def read_state(self, name: str) -> np.ndarray:
        return _translating(lambda: self.state.read(name))

    def write_state(self, name: str, value: np.ndarray) -> None:
        _translating(lambda: self.state.write(name, value))


def _translating(compute: Callable) -> object:
    """Return the result of ``compute``. Raise the runtime's errors as the RuntimeErrors of Core ML."""
    try:
        return compute()
    except OperationError as error:  # Core ML's words, which callers may look for
        raise RuntimeError(f"Unable to compute the prediction using ML Program: {error}") from error
    except MilRuntimeError as error:
        raise RuntimeError(str(error)) from error
