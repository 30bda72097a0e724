"""The folder of a training, with its options, state, log and weights.

options.json         the options of the training
state.pt             the state from which the training continues exactly
metrics.jsonl        one line per LOG_EVERY steps
weights.safetensors  the averaged weights in float16, under the official names
"""

import io
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import nn

from reference.common.errors import TrainingError
from reference.common.input_files import require_regular_file
from reference.common.output_files import replacing, require_writable
from reference.weights.checkpoint_file import first_non_finite
from reference.weights.official_names import official_name


class RunFolder:
    """The files of one training. Each file is complete or missing, even if the process is killed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._state = path / "state.pt"
        self._metrics = path / "metrics.jsonl"
        self.weights = path / "weights.safetensors"

    def begin(self, options: Mapping[str, object]) -> None:
        """Create the folder, or check that it holds a training with the same options.

        Args:
            options: option name → number or string.

        Raises:
            TrainingError: the folder holds another training, or its options are damaged.
            OutputError: the folder is not writable, or is an artifact.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        require_writable(self.weights)
        path = self.path / "options.json"
        if not _is_there(path):
            with replacing(path) as draft:
                draft.write_text(json.dumps(dict(options), indent=2) + "\n", encoding="utf-8")
            return
        try:
            begun = json.loads(path.read_bytes())
            other = [f"{name} {begun[name]}" for name in options if begun[name] != options[name]]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise TrainingError(f"{path}: is damaged; choose another --output") from None
        if other:
            raise TrainingError(
                f"{self.path}: holds a training with {', '.join(other)}: pass the same options, "
                "or choose another --output"
            )

    def read_state(self) -> dict | None:
        """Return the state that ``write_state`` wrote last, on the CPU; None if there is no state yet."""
        if not _is_there(self._state):
            return None
        try:
            return torch.load(self._state, map_location="cpu", weights_only=True)
        except Exception as error:  # the reader raises almost any error on a damaged file
            raise TrainingError(
                f"{self._state}: cannot be read ({type(error).__name__}); choose another --output"
            ) from error

    def write_state(self, state: Mapping[str, object]) -> None:
        """Write the state: tensors, numbers, and dicts and lists of them."""
        with replacing(self._state) as draft:
            data = io.BytesIO()  # torch's file writer raises no OSError on a full disk
            torch.save(dict(state), data)
            draft.write_bytes(data.getbuffer())

    def forget_after(self, step: int) -> None:
        """Drop log lines after ``step``, because the training logs them again."""
        if _is_there(self._metrics):
            lines = self._metrics.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [line for line in lines if line.endswith("\n") and _step_of(line) <= step]
            with replacing(self._metrics) as draft:
                draft.write_text("".join(kept), encoding="utf-8")

    def log(self, metrics: Mapping[str, float]) -> None:
        """Add a line to the log. ``metrics`` must have ``step``."""
        with self._metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(dict(metrics)) + "\n")

    def write_weights(self, sam: nn.Module) -> None:
        """Write the model as a checkpoint that every command accepts.

        Raises:
            TrainingError: a weight is not finite in float16.
        """
        tensors = {
            official_name(name): (tensor.half() if tensor.is_floating_point() else tensor)
            .contiguous()
            .cpu()
            for name, tensor in sam.state_dict().items()
        }
        overflowed = first_non_finite(tensors)
        if overflowed is not None:
            raise TrainingError(
                f"'{overflowed}' is not finite in float16: the training diverged; start again with a lower "
                "--learning-rate"
            )
        with replacing(self.weights) as draft:
            # The file writer of safetensors raises no OSError on a full disk either.
            draft.write_bytes(save(tensors))


def _is_there(path: Path) -> bool:
    """Return whether the folder has the file. Raise TrainingError if the path is not a regular file."""
    try:
        require_regular_file(path, TrainingError, "expected a file of a training")
    except FileNotFoundError:
        return False
    return True


def _step_of(line: str) -> int:
    return json.loads(line)["step"]
