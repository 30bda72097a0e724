"""Recurrent layers: ``rnn``, ``gru`` and ``lstm``.

Semantics: coremltools' ``ops/defs/iOS15/recurrent.py``, ``iOS17`` and ``iOS18``. Where the formulas leave a
choice open, the operators' tests decide:

- ``gru`` resets the state before the multiplication.
- ``lstm`` clips the cell state.
- A ``reverse`` layer returns its states in the order of computation, so that the last input comes first.
  A ``bidirectional`` layer returns them in the order of the input.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.model.program_structure import Opset
from validation.mil_runtime.registry import operator

Activation = Callable[[Tensor], Tensor]

# Activations with parameters use the usual values, because the operators have none for them.
_ACTIVATIONS: dict[str, Activation] = {
    "hard_sigmoid": lambda x: (0.2 * x + 0.5).clamp(0, 1),
    "linear": lambda x: x,
    "relu": torch.relu,
    "scaled_tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "sigmoid_hard": lambda x: (0.2 * x + 0.5).clamp(0, 1),
    "tanh": torch.tanh,
}


@operator("rnn")
def rnn(
    x: Tensor,
    initial_h: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor | None = None,
    direction: str = "forward",
    output_sequence: bool = False,
    activation: str = "tanh",
) -> tuple[Tensor, Tensor]:
    _require_shapes(x, weight_ih, weight_hh, gates=1)
    activate = _find_activation(activation)
    h, states = _for_batch(initial_h, x), []
    for projected in _in_order(F.linear(x, weight_ih, bias), _is_reverse(direction)):
        h = activate(torch.addmm(projected, h, weight_hh.mT))
        states.append(h)
    return _sequence(states, output_sequence), h


@operator("gru", without=["reset_after", "input_bias"])
@operator("gru", since=Opset.iOS18)
def gru(
    x: Tensor,
    initial_h: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor | None = None,
    direction: str = "forward",
    output_sequence: bool = False,
    recurrent_activation: str = "sigmoid",
    activation: str = "tanh",
    reset_after: bool = False,
    input_bias: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    _require_shapes(x, weight_ih, weight_hh, gates=3)
    gate, activate = _find_activation(recurrent_activation), _find_activation(activation)
    size = weight_hh.shape[1]
    # The rows of weights and biases are: reset gate, new state, update gate.
    from_reset, from_new, from_update = weight_hh.split(size)
    bias_reset, bias_new, bias_update = _bias_or_zeros(bias, weight_hh).split(size)
    h, states = _for_batch(initial_h, x), []
    for projected in _in_order(F.linear(x, weight_ih, input_bias), _is_reverse(direction)):
        reset, new, update = projected.split(size, -1)
        reset = gate(reset + F.linear(h, from_reset, bias_reset))
        update = gate(update + F.linear(h, from_update, bias_update))
        if reset_after:
            new = activate(new + reset * F.linear(h, from_new, bias_new))
        else:
            new = activate(new + F.linear(reset * h, from_new, bias_new))
        h = torch.lerp(new, h, update)
        states.append(h)
    return _sequence(states, output_sequence), h


@dataclass(frozen=True)
class _LstmWeights:
    """The weights of one direction. Rows: input gate, forget gate, output gate, cell.

    A peephole has no rows for the cell.
    """

    input: Tensor
    hidden: Tensor
    bias: Tensor | None
    peephole: Tensor | None


@dataclass(frozen=True)
class _LstmFunctions:
    gate: Activation
    cell: Activation
    output: Activation
    clip: float | None


@operator("lstm")
def lstm(
    x: Tensor,
    initial_h: Tensor,
    initial_c: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor | None = None,
    peephole: Tensor | None = None,
    weight_ih_back: Tensor | None = None,
    weight_hh_back: Tensor | None = None,
    bias_back: Tensor | None = None,
    peephole_back: Tensor | None = None,
    direction: str = "forward",
    output_sequence: bool = False,
    recurrent_activation: str = "sigmoid",
    cell_activation: str = "tanh",
    activation: str = "tanh",
    clip: float | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    functions = _LstmFunctions(
        _find_activation(recurrent_activation),
        _find_activation(cell_activation),
        _find_activation(activation),
        clip,
    )
    weights = _LstmWeights(weight_ih, weight_hh, bias, peephole)
    initial_h, initial_c = _for_batch(initial_h, x), _for_batch(initial_c, x)
    if direction != "bidirectional":
        states, h, c = _run_lstm(
            x, initial_h, initial_c, weights, functions, _is_reverse(direction, "bidirectional")
        )
        return _sequence(states, output_sequence), h, c
    if weight_ih_back is None or weight_hh_back is None:
        raise OperationError("direction 'bidirectional': expected weight_ih_back, weight_hh_back")
    weights_back = _LstmWeights(weight_ih_back, weight_hh_back, bias_back, peephole_back)
    h, h_back = initial_h.chunk(2, -1)
    c, c_back = initial_c.chunk(2, -1)
    states, h, c = _run_lstm(x, h, c, weights, functions, reverse=False)
    states_back, h_back, c_back = _run_lstm(x, h_back, c_back, weights_back, functions, True)
    if output_sequence:
        states_back.reverse()
    sequences = [_sequence(item, output_sequence) for item in (states, states_back)]
    return torch.cat(sequences, -1), torch.cat((h, h_back), -1), torch.cat((c, c_back), -1)


def _run_lstm(
    x: Tensor,
    h: Tensor,
    c: Tensor,
    weights: _LstmWeights,
    functions: _LstmFunctions,
    reverse: bool,
) -> tuple[list[Tensor], Tensor, Tensor]:
    """Return the hidden states in the order of computation, the last one, and the cell state."""
    _require_shapes(x, weights.input, weights.hidden, gates=4)
    size = weights.hidden.shape[1]
    peep_i, peep_f, peep_o = (
        (None,) * 3 if weights.peephole is None else weights.peephole.split(size)
    )
    states = []
    for projected in _in_order(F.linear(x, weights.input, weights.bias), reverse):
        i, f, o, z = torch.addmm(projected, h, weights.hidden.mT).split(size, -1)
        i, f = functions.gate(_peep(i, c, peep_i)), functions.gate(_peep(f, c, peep_f))
        c = f * c + i * functions.cell(z)
        if functions.clip is not None:
            c = c.clamp(-functions.clip, functions.clip)
        h = functions.gate(_peep(o, c, peep_o)) * functions.output(c)
        states.append(h)
    return states, h, c


def _peep(gate: Tensor, c: Tensor, weights: Tensor | None) -> Tensor:
    return gate if weights is None else gate + c * weights


def _find_activation(name: str) -> Activation:
    if name.lower() not in _ACTIVATIONS:
        raise OperationError(f"activation '{name}': expected one of {', '.join(_ACTIVATIONS)}")
    return _ACTIVATIONS[name.lower()]


def _is_reverse(direction: str, *others: str) -> bool:
    known = ("forward", "reverse", *others)
    if direction not in known:
        raise OperationError(f"direction '{direction}': expected one of {', '.join(known)}")
    return direction == "reverse"


def _require_shapes(x: Tensor, weight_ih: Tensor, weight_hh: Tensor, gates: int) -> None:
    """Require weights of ``gates`` gates for a sequence ``x``, since others would be split wrongly."""
    if x.dim() != 3 or len(x) == 0:
        raise OperationError(f"x of shape {list(x.shape)}: expected [steps, batch, features]")
    size = weight_hh.shape[-1]
    expected = [[gates * size, x.shape[2]], [gates * size, size]]
    given = [list(weight_ih.shape), list(weight_hh.shape)]
    if given != expected:
        raise OperationError(f"weights of shapes {given}: expected {expected}")


def _for_batch(state: Tensor, x: Tensor) -> Tensor:
    """Return an initial state with a row for each sequence of ``x``.

    For a packed sequence, coremltools' converter makes a zero row per step of the longest sequence. The
    surplus rows do not matter, because all rows are equal.
    """
    batch = x.shape[1]
    if state.dim() != 2 or len(state) != batch and (len(state) == 0 or (state != state[0]).any()):
        raise OperationError(
            f"initial state of shape {list(state.shape)}: expected one row for each of {batch} "
            "sequences"
        )
    return state if len(state) == batch else state[:1].expand(batch, -1)


def _bias_or_zeros(bias: Tensor | None, weight: Tensor) -> Tensor:
    return weight.new_zeros(len(weight)) if bias is None else bias


def _in_order(steps: Tensor, reverse: bool) -> Sequence[Tensor]:
    return steps.flip(0).unbind() if reverse else steps.unbind()


def _sequence(states: list[Tensor], every: bool) -> Tensor:
    """Stack states to [steps, batch, size], or only the last one to [1, batch, size]."""
    return torch.stack(states if every else states[-1:])
