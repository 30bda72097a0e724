"""The peak memory of small programs is the one that was worked out by hand."""

from validation.inspection.cost.memory import MemoryUse, Step, memory_use


def test_a_chain_needs_two_neighbors_at_once():
    steps = [Step(["x"], {"a": 30}), Step(["a"], {"b": 50}), Step(["b"], {"c": 5})]
    # x+a = 40, a+b = 80, b+c = 55
    assert memory_use({"x": 10}, steps, ["c"]) == MemoryUse(activation_bytes=85, peak_bytes=80)


def test_a_branch_keeps_what_is_needed_later():
    steps = [
        Step(["x"], {"a": 100}),
        Step(["a"], {"b": 10}),
        Step(["b"], {"c": 40}),
        Step(["a", "c"], {"d": 100}),
    ]
    # at the end a, c and d: b is gone
    assert memory_use({"x": 1}, steps, ["d"]) == MemoryUse(250, 240)


def test_outputs_live_to_the_end_and_inputs_to_their_last_use():
    steps = [Step(["x"], {"a": 10}), Step(["y"], {"b": 10}), Step(["b"], {"c": 200})]
    # a is an output, x and y are gone by the end
    assert memory_use({"x": 50, "y": 50}, steps, ["a", "c"]).peak_bytes == 220


def test_unused_outputs_are_freed_at_once():
    steps = [Step(["x"], {"a": 70}), Step(["x"], {"b": 60})]
    assert memory_use({"x": 10}, steps, ["b"]).peak_bytes == 80


def test_a_view_keeps_its_buffer_alive():
    steps = [Step(["x"], {"a": 10}), Step(["a"], {}), Step([], {"b": 100}), Step(["a", "b"], {})]
    assert memory_use({"x": 5}, steps, ["b"]).peak_bytes == 110


def test_an_empty_program_holds_its_inputs():
    assert memory_use({"x": 10}, [], ["x"]) == MemoryUse(0, 10)
