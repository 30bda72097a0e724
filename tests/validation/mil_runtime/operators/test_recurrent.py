import numpy as np
import pytest
import torch
from coremltools.converters.mil.mil import Builder as mb
from coremltools.converters.mil.mil.types import nptype_from_builtin

from tests.support.mil_programs import check_operator
from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.operators.recurrent import gru, lstm, rnn

STEPS, BATCH, FEATURES, HIDDEN = 4, 2, 3, 2

FUNCTIONS = {
    "tanh": np.tanh,
    "scaled_tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "hard_sigmoid": lambda x: np.minimum(np.maximum(0.2 * x + 0.5, 0), 1),
    "relu": lambda x: np.maximum(x, 0),
    "linear": lambda x: x,
}
sigmoid = FUNCTIONS["sigmoid"]


def random(*shape, seed=0):
    """Return numbers that float16 holds exactly."""
    return np.random.default_rng(seed).integers(-32, 33, shape).astype(np.float32) / 16


def typed_as(x, given):
    """Return constants in the type of a variable, as these operators require."""
    dtype = nptype_from_builtin(x.dtype)
    return {name: value.astype(dtype) for name, value in given.items()}


def weights(gates, seed=1):
    return {
        "weight_ih": random(gates * HIDDEN, FEATURES, seed=seed),
        "weight_hh": random(gates * HIDDEN, HIDDEN, seed=seed + 1),
    }


def bias(gates, seed=5):
    return random(gates * HIDDEN, seed=seed)


def inputs(*states, width=HIDDEN):
    names = {name: random(BATCH, width, seed=7 + i) for i, name in enumerate(states)}
    return {"x": random(STEPS, BATCH, FEATURES)} | names


def parts(values, gates):
    return np.split(values.astype(np.float64), gates)


def run_steps(step, x, states, reverse=False):
    """Return the hidden states in the order of computation, and the state after the last step."""
    outputs = []
    for moment in x[::-1] if reverse else x:
        states = step(moment, *states)
        outputs.append(states[0])
    return np.stack(outputs), states


def as_tensors(sequence, states, every):
    return [torch.from_numpy(a.copy()) for a in (sequence if every else sequence[-1:], *states)]


@pytest.mark.parametrize("direction", ["forward", "reverse"])
@pytest.mark.parametrize(("every", "has_bias"), [(False, True), (True, False)])
def test_rnn_follows_its_equations(direction, every, has_bias):
    given = weights(1) | ({"bias": bias(1)} if has_bias else {})

    def expected(x, initial_h):
        def step(moment, h):
            total = moment @ given["weight_ih"].T.astype(float) + h @ given["weight_hh"].T
            return (np.tanh(total + given.get("bias", 0)),)

        sequence, states = run_steps(step, x.numpy(), [initial_h.numpy()], direction == "reverse")
        return as_tensors(sequence, states, every)

    check_operator(
        lambda x, initial_h: mb.rnn(
            x=x,
            initial_h=initial_h,
            direction=direction,
            output_sequence=every,
            **typed_as(x, given),
        ),
        inputs("initial_h"),
        expected,
    )


@pytest.mark.parametrize("activation", FUNCTIONS)
def test_rnn_takes_each_activation(activation):
    given = weights(1)

    def expected(x, initial_h):
        def step(moment, h):
            total = moment @ given["weight_ih"].T.astype(float) + h @ given["weight_hh"].T
            return (FUNCTIONS[activation](total),)

        return as_tensors(*run_steps(step, x.numpy(), [initial_h.numpy()]), every=False)

    check_operator(
        lambda x, initial_h: mb.rnn(
            x=x, initial_h=initial_h, activation=activation, **typed_as(x, given)
        ),
        inputs("initial_h"),
        expected,
    )


def gru_step(given, gate=sigmoid, new=np.tanh, reset_after=False):
    zeros = np.zeros(3 * HIDDEN)
    w_r, w_o, w_z = parts(given["weight_ih"], 3)
    u_r, u_o, u_z = parts(given["weight_hh"], 3)
    b_r, b_o, b_z = parts(given.get("bias", zeros), 3)
    c_r, c_o, c_z = parts(given.get("input_bias", zeros), 3)

    def step(x, h):
        r = gate(x @ w_r.T + c_r + h @ u_r.T + b_r)
        z = gate(x @ w_z.T + c_z + h @ u_z.T + b_z)
        recurrent = r * (h @ u_o.T + b_o) if reset_after else (r * h) @ u_o.T + b_o
        o = new(x @ w_o.T + c_o + recurrent)
        return ((1 - z) * o + z * h,)

    return step


def check_gru(given, opset="iOS18", reverse=False, every=False, **functions):
    def expected(x, initial_h):
        step = gru_step(given, **functions)
        return as_tensors(*run_steps(step, x.numpy(), [initial_h.numpy()], reverse), every)

    names = {value: name for name, value in FUNCTIONS.items() if name != "scaled_tanh"}
    options = {"direction": "reverse" if reverse else "forward", "output_sequence": every}
    if "gate" in functions:
        options["recurrent_activation"] = names[functions["gate"]]
    if "new" in functions:
        options["activation"] = names[functions["new"]]
    if "reset_after" in functions:
        options["reset_after"] = functions["reset_after"]
    check_operator(
        lambda x, initial_h: mb.gru(x=x, initial_h=initial_h, **options, **typed_as(x, given)),
        inputs("initial_h"),
        expected,
        opset,
    )


@pytest.mark.parametrize("opset", ["iOS17", "iOS18"])
@pytest.mark.parametrize("reverse", [False, True])
def test_gru_resets_the_state_before_it_is_multiplied(opset, reverse):
    check_gru(weights(3) | {"bias": bias(3)}, opset, reverse, every=True)


@pytest.mark.parametrize("reset_after", [False, True])
@pytest.mark.parametrize("biases", [(), ("bias", "input_bias")])
def test_gru_of_ios18_has_two_biases_and_may_reset_after(reset_after, biases):
    both = {"bias": bias(3, seed=5), "input_bias": bias(3, seed=6)}
    check_gru(weights(3) | {name: both[name] for name in biases}, reset_after=reset_after)


@pytest.mark.parametrize("name", ["tanh", "relu", "hard_sigmoid", "linear"])
def test_gru_takes_other_activations(name):
    check_gru(weights(3), "iOS17", gate=FUNCTIONS["hard_sigmoid"], new=FUNCTIONS[name])


def test_gru_that_resets_after_is_the_one_of_torch():
    given = weights(3) | {"bias": bias(3, seed=5), "input_bias": bias(3, seed=6)}

    def expected(x, initial_h):
        def in_order(name):  # torch: reset, update, new
            r, o, z = torch.tensor(given[name]).double().chunk(3)
            return torch.cat((r, z, o))

        layer = torch.nn.GRU(FEATURES, HIDDEN).double()
        values = [in_order(n) for n in ("weight_ih", "weight_hh", "input_bias", "bias")]
        layer.load_state_dict(dict(zip(layer.state_dict(), values, strict=True)))
        sequence, last = layer(x, initial_h[None])
        return sequence.detach(), last[0].detach()

    check_operator(
        lambda x, initial_h: mb.gru(
            x=x, initial_h=initial_h, reset_after=True, output_sequence=True, **typed_as(x, given)
        ),
        inputs("initial_h"),
        expected,
    )


def lstm_step(given, suffix="", gate=sigmoid, cell=np.tanh, output=np.tanh, clip=np.inf):
    w_i, w_f, w_o, w_z = parts(given["weight_ih" + suffix], 4)
    u_i, u_f, u_o, u_z = parts(given["weight_hh" + suffix], 4)
    b_i, b_f, b_o, b_z = parts(given.get("bias" + suffix, np.zeros(4 * HIDDEN)), 4)
    p_i, p_f, p_o = parts(given.get("peephole" + suffix, np.zeros(3 * HIDDEN)), 3)

    def step(x, h, c):
        i = gate(x @ w_i.T + h @ u_i.T + b_i + p_i * c)
        f = gate(x @ w_f.T + h @ u_f.T + b_f + p_f * c)
        c = np.clip(f * c + i * cell(x @ w_z.T + h @ u_z.T + b_z), -clip, clip)
        o = gate(x @ w_o.T + h @ u_o.T + b_o + p_o * c)
        return o * output(c), c

    return step


def check_lstm(given, options=None, opset="iOS18", every=False, reverse=False, **functions):
    def expected(x, initial_h, initial_c):
        states = [initial_h.numpy(), initial_c.numpy()]
        step = lstm_step(given, **functions)
        return as_tensors(*run_steps(step, x.numpy(), states, reverse), every)

    options = {"output_sequence": every} | (options or {})
    check_operator(
        lambda x, initial_h, initial_c: mb.lstm(
            x=x, initial_h=initial_h, initial_c=initial_c, **options, **typed_as(x, given)
        ),
        inputs("initial_h", "initial_c"),
        expected,
        opset,
    )


@pytest.mark.parametrize(("reverse", "every"), [(False, False), (True, True)])
def test_lstm_follows_its_equations(reverse, every):
    direction = {"direction": "reverse"} if reverse else {}
    check_lstm(weights(4) | {"bias": bias(4)}, direction, "iOS17", every, reverse)


def test_lstm_may_lack_a_bias():
    check_lstm(weights(4))


def test_lstm_peepholes_see_the_cell_before_and_after():
    check_lstm(weights(4) | {"bias": bias(4), "peephole": bias(3, seed=6)}, every=True)


def test_lstm_clips_its_cell_state():
    given = weights(4) | {"peephole": bias(3, seed=6), "clip": np.float32(0.25)}
    check_lstm(given, every=True, clip=0.25)


@pytest.mark.parametrize(
    ("gate", "cell", "output"),
    [
        ("hard_sigmoid", "relu", "linear"),
        ("sigmoid", "scaled_tanh", "relu"),
        ("tanh", "linear", "hard_sigmoid"),
    ],
)
def test_lstm_takes_other_activations(gate, cell, output):
    names = {"recurrent_activation": gate, "cell_activation": cell, "activation": output}
    check_lstm(
        weights(4), names, gate=FUNCTIONS[gate], cell=FUNCTIONS[cell], output=FUNCTIONS[output]
    )


@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("extras", [False, True])
def test_bidirectional_lstm_puts_both_directions_side_by_side(every, extras):
    given = weights(4)
    given |= {name + "_back": value for name, value in weights(4, seed=3).items()}
    if extras:
        given |= {"bias": bias(4, seed=5), "bias_back": bias(4, seed=6)}
        given |= {"peephole": bias(3, seed=7), "peephole_back": bias(3, seed=8)}

    def expected(x, initial_h, initial_c):
        x, h, c = x.numpy(), initial_h.numpy(), initial_c.numpy()
        there, last = run_steps(lstm_step(given), x, [h[:, :HIDDEN], c[:, :HIDDEN]])
        back, last_back = run_steps(
            lstm_step(given, "_back"), x, [h[:, HIDDEN:], c[:, HIDDEN:]], reverse=True
        )
        ends = [np.concatenate(pair, 1) for pair in zip(last, last_back, strict=True)]
        if every:
            return as_tensors(np.concatenate((there, back[::-1]), 2), ends, True)
        return as_tensors(np.concatenate((there, back), 2), ends, False)

    check_operator(
        lambda x, initial_h, initial_c: mb.lstm(
            x=x,
            initial_h=initial_h,
            initial_c=initial_c,
            direction="bidirectional",
            output_sequence=every,
            **typed_as(x, given),
        ),
        inputs("initial_h", "initial_c", width=2 * HIDDEN),
        expected,
    )


@pytest.mark.parametrize(("layer", "gates"), [(rnn, 1), (gru, 3), (lstm, 4)])
@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"direction": "backward"}, "direction 'backward': expected one of forward, reverse"),
        ({"activation": "softplus"}, "activation 'softplus': expected one of"),
        ({"weight_ih": torch.ones(2, 2)}, "weights of shapes"),
        ({"weight_hh": torch.ones(5, 2)}, "weights of shapes"),
        ({"x": torch.ones(2, 2)}, r"expected \[steps, batch, features\]"),
        ({"x": torch.ones(0, 1, 3)}, r"expected \[steps, batch, features\]"),
    ],
)
def test_recurrent_layers_refuse_what_core_ml_refuses(layer, gates, options, complaint):
    usual = {
        "x": torch.ones(2, 1, 3),
        "initial_h": torch.ones(1, 2),
        "weight_ih": torch.ones(2 * gates, 3),
        "weight_hh": torch.ones(2 * gates, 2),
    }
    if layer is lstm:
        usual["initial_c"] = torch.ones(1, 2)
    with pytest.raises(OperationError, match=complaint):
        layer(**usual | options)


def test_rows_of_an_initial_state_that_are_too_many_must_be_the_same():
    x, given = torch.ones(2, 3, 3), (torch.ones(2, 3), torch.ones(2, 2))
    same, _ = rnn(x, torch.ones(5, 2), *given)
    torch.testing.assert_close(same, rnn(x, torch.ones(3, 2), *given)[0])
    with pytest.raises(OperationError, match="expected one row for each of 3 sequences"):
        rnn(x, torch.eye(2), *given)


@pytest.mark.parametrize("layer", [rnn, gru])
def test_only_lstm_is_bidirectional(layer):
    with pytest.raises(OperationError, match="direction 'bidirectional': expected one of"):
        gates = 1 if layer is rnn else 3
        layer(
            torch.ones(2, 1, 3),
            torch.ones(1, 4),
            torch.ones(2 * gates, 3),
            torch.ones(2 * gates, 2),
            direction="bidirectional",
        )


def test_bidirectional_lstm_needs_weights_of_its_own():
    with pytest.raises(OperationError, match="expected weight_ih_back, weight_hh_back"):
        lstm(
            *(torch.ones(2, 1, 3), torch.ones(1, 4), torch.ones(1, 4)),
            *(torch.ones(8, 3), torch.ones(8, 2)),
            direction="bidirectional",
        )
