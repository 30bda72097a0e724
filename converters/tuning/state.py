"""The state of a tuning between two runs of ``convert``."""

import io
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.optim import Optimizer

from reference.common.cache import CACHE_VARIABLE
from reference.common.errors import ConversionError, OutputError
from reference.common.output_files import replacing, require_writable


class TuningState:
    """A file with the steps that were taken, what was learned, and the state of the optimizer."""

    def __init__(self, path: Path) -> None:
        """Take the path of the file, which may not exist yet."""
        self._path = path

    def restore(self, changes: Mapping[str, Tensor], optimizer: Optimizer) -> int:
        """Set the changes and the optimizer to what was saved last, and return the number of steps taken.

        Raises:
            ConversionError: the file cannot be read.
            OutputError: the file could not be written later.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"cannot keep the state of the tuning in '{self._path.parent}' ({error.strerror or error}): "
                f"set {CACHE_VARIABLE} to another folder"
            ) from error
        require_writable(self._path)
        if not self._path.exists():
            return 0
        try:
            state = torch.load(self._path, map_location="cpu", weights_only=True)
            with torch.no_grad():
                for name, change in changes.items():
                    change.copy_(state["changes"][name])
            optimizer.load_state_dict(state["optimizer"])
            return int(state["steps"])
        except Exception as error:  # the reader raises almost any error on a damaged file
            raise ConversionError(
                f"'{self._path}' cannot be read ({type(error).__name__}): remove it to tune from the first step"
            ) from error

    def save(self, steps: int, changes: Mapping[str, Tensor], optimizer: Optimizer) -> None:
        """Write the state, after ``steps`` steps.

        Raises:
            OutputError: the file cannot be written.
        """
        state = {
            "steps": steps,
            "changes": {name: change.detach() for name, change in changes.items()},
            "optimizer": optimizer.state_dict(),
        }
        data = io.BytesIO()  # torch's file writer raises no OSError on a full disk
        torch.save(state, data)
        with replacing(self._path) as draft:
            draft.write_bytes(data.getbuffer())
