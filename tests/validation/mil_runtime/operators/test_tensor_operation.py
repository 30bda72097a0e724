from itertools import product

import numpy as np
import pytest
import torch
from coremltools.converters.mil.mil import Builder as mb
from coremltools.converters.mil.mil import types

from tests.support.mil_programs import build_model, check_operator, run_model
from validation.mil_runtime.errors import OperationError


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 3, shape).astype(np.float32)


def shuffled(*shape, seed=0):
    """Return an array of different numbers in random order."""
    numbers = np.random.default_rng(seed).permutation(np.prod(shape))
    return numbers.reshape(shape).astype(np.float32)


def refuse(build, inputs, message, opset="iOS18"):
    with pytest.raises(OperationError, match=message):
        run_model(build_model(build, inputs, opset), inputs)


def typed(variable, number):
    return (np.float16 if variable.dtype == types.fp16 else np.float32)(number)


def as_float(array):
    return np.asarray(array, np.float32)


BANDS = list(product([-1, 0, 1, 7], [-1, 0, 2]))


def test_band_part_keeps_a_band_of_each_matrix():
    def band(x, lower, upper):
        kept = x if lower < 0 else x.triu(-lower)
        return kept if upper < 0 else kept.tril(upper)

    check_operator(
        lambda x: [mb.band_part(x=x, lower=lower, upper=upper) for lower, upper in BANDS],
        {"x": normal(2, 4, 5)},
        lambda x: [band(x, lower, upper) for lower, upper in BANDS],
    )


def test_band_part_keeps_everything_unless_told():
    check_operator(lambda x: mb.band_part(x=x), {"x": normal(3, 2)}, lambda x: x)


def test_band_part_drops_infinities_outside_the_band():
    x = np.full((2, 2), np.inf, np.float32)
    expected = torch.tensor([[torch.inf, 0], [0, torch.inf]], dtype=torch.float64)
    check_operator(lambda x: mb.band_part(x=x, lower=0, upper=0), {"x": x}, lambda x: expected)


@pytest.mark.parametrize(("exclusive", "reverse"), list(product([False, True], repeat=2)))
def test_cumsum_adds_up_along_its_axis(exclusive, reverse):
    axes = (0, 1, -1)

    def expected(x, axis):
        size = x.shape[axis]
        counts = torch.ones(size, size, dtype=x.dtype).triu(int(exclusive))
        counts = counts.T if reverse else counts  # [of, at]
        return (x.movedim(axis, -1) @ counts).movedim(-1, axis)

    def build(x):
        return [mb.cumsum(x=x, axis=a, exclusive=exclusive, reverse=reverse) for a in axes]

    check_operator(build, {"x": normal(3, 4, 5)}, lambda x: [expected(x, axis) for axis in axes])


def test_exclusive_cumsum_of_an_infinity_is_a_number_before_it():
    x = as_float([1, np.inf, 2])
    expected = torch.tensor([0, 1, torch.inf], dtype=torch.float64)
    check_operator(lambda x: mb.cumsum(x=x, exclusive=True), {"x": x}, lambda x: expected)


def test_cumsum_takes_integers():
    x = np.array([[2**30, 2], [3, -4]], np.int32)
    check_operator(lambda x: mb.cumsum(x=x), {"x": x}, lambda x: torch.stack([x[0], x[0] + x[1]]))


def test_fill_takes_its_shape_as_it_comes():
    inputs = {"shape": np.array([2, 1, 3], np.int32)}

    def build(shape):
        return mb.fill(shape=shape, value=1.5), mb.fill(shape=shape), mb.fill(shape=[2], value=7)

    def expected(shape):
        values = torch.full((2, 1, 3), 1.5, dtype=torch.float64)
        return values, torch.zeros_like(values), torch.tensor([7, 7], dtype=torch.int32)

    check_operator(build, inputs, expected, "iOS16")


def test_fill_like_takes_only_the_shape():
    check_operator(
        lambda x: (mb.fill_like(ref_tensor=x, value=-2), mb.fill_like(ref_tensor=x)),
        {"x": normal(2, 3)},
        lambda x: (torch.full((2, 3), -2, dtype=torch.int32), torch.zeros_like(x)),
    )


def test_non_zero_gives_a_row_of_indices_for_each():
    x = as_float([[[3, 0], [0, -4]], [[0, 0], [5, np.nan]]])
    indices = torch.tensor([[0, 0, 0], [0, 1, 1], [1, 1, 0], [1, 1, 1]])
    check_operator(lambda x: mb.non_zero(x=x), {"x": x}, lambda x: indices)


def test_one_hot_puts_its_axis_anywhere():
    inputs = {"indices": np.array([[2, 0], [1, 3], [3, 3]], np.int32)}

    def build(indices):
        axes = [mb.one_hot(indices=indices, one_hot_vector_size=4, axis=a) for a in (0, 1, -1, -2)]
        values = mb.one_hot(indices=indices, one_hot_vector_size=5, on_value=2.5, off_value=-1.0)
        return *axes, values

    def expected(indices):
        hot = torch.eye(4, dtype=torch.int64)[indices.long()]
        values = torch.eye(5, dtype=torch.float64)[indices.long()] * 3.5 - 1
        return *(hot.movedim(-1, axis) for axis in (0, 1, -1, -2)), values

    check_operator(build, inputs, expected)


def test_one_hot_refuses_an_index_beyond_its_vector():
    inputs = {"indices": np.array([0, 4], np.int32)}
    refuse(
        lambda indices: mb.one_hot(indices=indices, one_hot_vector_size=4), inputs, "from 0 to 4"
    )


PADS = [[1, 2], [0, 3], [1, 0, 2, 1], [0, 0, 1, 1, 0, 0], [1, 1, 2, 2, 3, 3], [0, 0, 0, 0]]


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate"])
def test_pad_goes_to_the_last_dimensions_in_their_order(mode):
    def expected(x, pad):
        pairs = [(0, 0)] * (x.dim() - len(pad) // 2) + list(zip(pad[::2], pad[1::2], strict=True))
        how = {"mode": "edge"} if mode == "replicate" else {"mode": mode}
        if mode == "constant":
            how["constant_values"] = -1.5
        return torch.from_numpy(np.pad(x.numpy(), pairs, **how))

    def build(x):
        return [mb.pad(x=x, pad=np.int32(p), mode=mode, constant_val=typed(x, -1.5)) for p in PADS]

    check_operator(build, {"x": normal(3, 4, 5)}, lambda x: [expected(x, pad) for pad in PADS])


def test_pad_is_with_zeros_unless_told_and_may_be_with_infinities():
    def build(x):
        return mb.pad(x=x, pad=[1, 0]), mb.pad(x=x, pad=[0, 1], constant_val=typed(x, -np.inf))

    def expected(x):
        return torch.tensor([0, 1, 2]).double(), torch.tensor([1, 2, -torch.inf]).double()

    check_operator(build, {"x": as_float([1, 2])}, expected)


@pytest.mark.parametrize(
    ("mode", "pad", "message"),
    [
        ("reflect", [0, 0, 0, 3], "at most 2"),
        ("replicate", [0, 0, 4, 0], "at most 3"),
        ("constant", [0, 0, -1, 0], "pairs of sizes"),
    ],
)
def test_pad_refuses_sizes_that_its_mode_does_not_have(mode, pad, message):
    inputs = {"x": normal(2, 3), "pad": np.array(pad, np.int32)}
    refuse(lambda x, pad: mb.pad(x=x, pad=pad, mode=mode), inputs, message)


@pytest.mark.parametrize(("start", "end", "step"), [(2, 9, 3), (9, 2, -3), (2, 8, 3), (5, 2, 1)])
def test_range_1d_of_integers_excludes_its_end(start, end, step):
    inputs = {"end": np.array([end], np.int32)}

    def build(end):
        return mb.range_1d(start=np.int32(start), end=mb.squeeze(x=end), step=np.int32(step))

    expected = torch.from_numpy(np.arange(start, end, step))
    check_operator(build, inputs, lambda end: expected)


def test_range_1d_of_fractions_does_not_add_up_errors():
    inputs = {"start": as_float([0.5])}

    def build(start):
        start = mb.squeeze(x=start)
        return mb.range_1d(start=start, end=typed(start, 100), step=typed(start, 0.125))

    def expected(start):
        return start + 0.125 * torch.arange(796).double()

    check_operator(build, inputs, expected)


def test_range_1d_counts_its_steps_in_its_own_type():
    """In float32, 7 / 0.7 is 10. The float32 nearest to 0.7 is smaller than 0.7, so exactly there are 11 steps."""
    inputs = {"end": as_float([7])}

    def build(end):
        return mb.range_1d(start=np.float32(0), end=mb.squeeze(x=end), step=np.float32(0.7))

    for numerics in ("declared", "float64"):
        (values,) = run_model(build_model(build, inputs), inputs, numerics)
        np.testing.assert_allclose(values, 0.7 * np.arange(10), rtol=1e-7)


def test_range_1d_refuses_to_stand_still():
    inputs = {"step": np.array([0], np.int32)}
    refuse(
        lambda step: mb.range_1d(start=0, end=3, step=mb.squeeze(x=step)),
        inputs,
        "expected any other number",
    )


def test_tile_repeats_each_dimension():
    reps = [(2, 1, 3), (1, 4, 1), (1, 1, 1), (2, 3, 2)]
    check_operator(
        lambda x: [mb.tile(x=x, reps=r) for r in reps],
        {"x": normal(2, 1, 3)},
        lambda x: [torch.from_numpy(np.tile(x.numpy(), r)) for r in reps],
    )


def test_tile_repeats_as_often_as_is_computed_even_zero_times():
    inputs = {"x": normal(1, 3), "reps": np.array([2, 0], np.int32)}

    def expected(x, reps):
        return x.new_zeros(2, 0)

    check_operator(lambda x, reps: mb.tile(x=x, reps=reps), inputs, expected)


def test_tile_refuses_what_is_no_number_of_repeats():
    inputs = {"x": normal(2, 3), "reps": np.array([2, -1], np.int32)}
    refuse(lambda x, reps: mb.tile(x=x, reps=reps), inputs, "expected 2 numbers, none below 0")


def test_argsort_is_descending_unless_told():
    def build(x):
        return (
            mb.argsort(x=x),
            mb.argsort(x=x, axis=0, ascending=True),
            mb.argsort(x=x, axis=-2, ascending=False),
        )

    def expected(x):
        orders = (np.argsort(-x, 2), np.argsort(x, 0), np.argsort(-x, 1))
        return [order.long() for order in map(torch.as_tensor, orders)]

    check_operator(build, {"x": shuffled(3, 4, 5)}, expected)


def test_argsort_leaves_equal_values_in_their_order():
    x = as_float([1, 2, 1, 2, 1])
    check_operator(
        lambda x: (mb.argsort(x=x), mb.argsort(x=x, ascending=True)),
        {"x": x},
        lambda x: (torch.tensor([1, 3, 0, 2, 4]), torch.tensor([0, 2, 4, 1, 3])),
    )


@pytest.mark.parametrize("opset", ["iOS15", "iOS16", "iOS17"])
@pytest.mark.parametrize("ascending", [False, True])
def test_topk_gives_values_and_indices_along_its_axis(opset, ascending):
    def expected(x):
        order = np.argsort(x if ascending else -x, 1)[:, :2]
        return x.gather(1, order), order

    def build(x):
        return mb.topk(x=x, k=2, axis=1, ascending=ascending)

    check_operator(build, {"x": shuffled(3, 4, 5)}, expected, opset)


def test_topk_gives_the_largest_of_the_last_axis_unless_told():
    check_operator(
        lambda x: mb.topk(x=x),
        {"x": shuffled(3, 4)},
        lambda x: (x.amax(1, keepdim=True), x.argmax(1, keepdim=True)),
    )


def test_topk_takes_the_first_of_equal_values():
    x = as_float([2, 5, 5, np.inf, 5])
    check_operator(
        lambda x: mb.topk(x=x, k=3),
        {"x": x},
        lambda x: (torch.tensor([torch.inf, 5, 5]).double(), torch.tensor([3, 1, 2])),
    )


def test_topk_of_ios16_may_leave_out_its_indices():
    def build(x):
        return mb.topk(x=x, k=2, return_indices=False, sort=False)

    def expected(x):
        return torch.as_tensor(-np.sort(-x.numpy())[:, :2].copy())

    check_operator(build, {"x": shuffled(2, 5)}, expected, "iOS16")


def test_topk_of_ios17_may_have_indices_of_16_bits():
    def build(x):
        values, indices = mb.topk(x=x, k=2, output_indices_dtype="uint16")
        return values, mb.cast(x=indices, dtype="int32")

    def expected(x):
        order = np.argsort(-x)[:, :2]
        return x.gather(1, order), order

    check_operator(build, {"x": shuffled(2, 5)}, expected, "iOS17")


def test_flatten2d_splits_the_shape_at_its_axis():
    shapes = {1: (2, 60), -1: (24, 5), 0: (1, 120), 2: (6, 20), -3: (2, 60)}
    check_operator(
        lambda x: [mb.flatten2d(x=x), *(mb.flatten2d(x=x, axis=axis) for axis in shapes)],
        {"x": normal(2, 3, 4, 5)},
        lambda x: [x.reshape(2, 60), *(x.reshape(shape) for shape in shapes.values())],
    )


def test_shape_returns_the_shape_of_its_argument():
    sizes = torch.tensor([2, 3, 4])
    check_operator(lambda x: mb.shape(x=x), {"x": normal(2, 3, 4)}, lambda x: sizes)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concat_joins_or_interleaves(axis):
    inputs = {"x": normal(2, 3), "y": normal(2, 3, seed=1)}

    def build(x, y):
        return (
            mb.concat(values=(x, y, x), axis=axis),
            mb.concat(values=(x, y), axis=axis, interleave=True),
        )

    def expected(x, y):
        interleaved = np.empty([2 * s if a == axis % 2 else s for a, s in enumerate(x.shape)])
        np.moveaxis(interleaved, axis, 0)[::2] = x.numpy().swapaxes(axis, 0)
        np.moveaxis(interleaved, axis, 0)[1::2] = y.numpy().swapaxes(axis, 0)
        joined = np.concatenate([x, y, x], axis)
        return torch.from_numpy(joined), torch.from_numpy(interleaved)

    check_operator(build, inputs, expected)


def test_concat_takes_constants_and_other_sizes():
    constant = as_float([[1, 2, 3]])

    def build(x):
        return mb.concat(values=(x, typed(x, constant)), axis=0)

    def expected(x):
        return torch.from_numpy(np.vstack([x, constant]))

    check_operator(build, {"x": normal(2, 3)}, expected)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_stack_makes_a_new_axis(axis):
    inputs = {"x": normal(2, 3), "y": normal(2, 3, seed=1)}

    def expected(x, y):
        return torch.from_numpy(np.stack([x, y], axis))

    check_operator(lambda x, y: mb.stack(values=(x, y), axis=axis), inputs, expected)


@pytest.mark.parametrize(
    ("how", "ends"),
    [
        ({"num_splits": 3}, [2, 4]),
        ({"split_sizes": [1, 3, 2]}, [1, 4]),
        ({"split_sizes": [4, 2], "num_splits": 2}, [4]),
    ],
)
def test_split_is_even_or_as_told(how, ends):
    def expected(x):
        parts = [*np.split(x.numpy(), ends, 1)]
        return [torch.from_numpy(part.copy()) for part in parts]

    check_operator(lambda x: mb.split(x=x, axis=-1, **how), {"x": normal(2, 6)}, expected)


def overlap(a, b):
    """Return the IoU of two boxes (x, y, width, height), given by their centers."""
    sides = [
        max(
            0,
            min(a[i] + a[i + 2] / 2, b[i] + b[i + 2] / 2)
            - max(a[i] - a[i + 2] / 2, b[i] - b[i + 2] / 2),
        )
        for i in (0, 1)
    ]
    shared = sides[0] * sides[1]
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


def survivors(boxes, scores, iou, score, per_class):
    """Return the boxes that survive, best first. A box survives unless it overlaps too much with a better survivor."""
    best, classes = scores.max(1), scores.argmax(1)
    kept = []
    for index in sorted(range(len(boxes)), key=lambda i: -best[i]):
        rivals = [k for k in kept if not per_class or classes[k] == classes[index]]
        if best[index] >= score and all(overlap(boxes[index], boxes[k]) <= iou for k in rivals):
            kept.append(index)
    return kept


def padded(boxes, scores, kept, count):
    kept = kept[:count]
    missing = count - len(kept)
    return (
        torch.from_numpy(np.vstack([boxes[kept], np.zeros((missing, boxes.shape[1]))])),
        torch.from_numpy(np.vstack([scores[kept], np.zeros((missing, scores.shape[1]))])),
        torch.tensor(kept + [-1] * missing),
        torch.tensor(len(kept)),
    )


def detections(batch, boxes, classes):
    """Return boxes at grid positions, so that overlaps are far from the threshold in float16 as well."""
    numbers = np.random.default_rng(3)
    corner = numbers.integers(0, 6, (batch, boxes, 2))
    size = numbers.integers(2, 6, (batch, boxes, 2))
    scores = numbers.permutation(batch * boxes * classes).reshape(batch, boxes, classes)
    return as_float(np.concatenate([corner, size], 2)), as_float(scores)


@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize(("max_boxes", "score"), [(3, -1.0), (12, 30.0)])
def test_non_maximum_suppression_keeps_the_best_boxes(per_class, max_boxes, score):
    boxes, scores = detections(2, 12, 3)

    def build(boxes, scores):
        return mb.non_maximum_suppression(
            boxes=boxes,
            scores=scores,
            iou_threshold=typed(boxes, 0.29),
            score_threshold=typed(boxes, score),
            max_boxes=max_boxes,
            per_class_suppression=per_class,
        )

    def expected(boxes, scores):
        rows = [
            padded(b, s, survivors(b, s, 0.29, score, per_class), max_boxes)
            for b, s in zip(boxes.numpy(), scores.numpy(), strict=True)
        ]
        return [torch.stack(column) for column in zip(*rows, strict=True)]

    check_operator(build, {"boxes": boxes, "scores": scores}, expected, "iOS16")


def test_non_maximum_suppression_of_ios17_takes_boxes_as_columns():
    boxes, scores = detections(1, 10, 2)

    def build(boxes, scores):
        return mb.non_maximum_suppression(
            boxes=mb.transpose(x=boxes, perm=[0, 2, 1]),
            scores=mb.transpose(x=scores, perm=[0, 2, 1]),
            iou_threshold=typed(boxes, 0.29),
            max_boxes=8,
        )

    def expected(boxes, scores):
        kept = survivors(boxes[0].numpy(), scores[0].numpy(), 0.29, -np.inf, False)
        rows, values, indices, _ = padded(boxes[0].numpy(), scores[0].numpy(), kept, 8)
        return rows.T[None], values.T[None], indices[None]

    check_operator(build, {"boxes": boxes, "scores": scores}, expected, "iOS17")


def test_non_maximum_suppression_keeps_the_best_box_where_no_score_is_enough():
    boxes, scores = detections(1, 4, 1)

    def build(boxes, scores):
        return mb.non_maximum_suppression(
            boxes=boxes,
            scores=scores,
            iou_threshold=typed(boxes, 0.5),
            score_threshold=typed(boxes, 100.0),
            max_boxes=2,
        )

    def expected(boxes, scores):
        best = int(scores[0, :, 0].argmax())
        rows = padded(boxes[0].numpy(), scores[0].numpy(), [best], 2)
        return [row[None] for row in rows]

    check_operator(build, {"boxes": boxes, "scores": scores}, expected, "iOS15")


def test_boxes_without_area_suppress_nothing():
    boxes = as_float([[[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 2, 2]]])

    def build(boxes):
        return mb.non_maximum_suppression(
            boxes=boxes,
            scores=mb.slice_by_size(x=boxes, begin=[0, 0, 0], size=[1, 3, 1]),
            iou_threshold=typed(boxes, 0.0),
            score_threshold=typed(boxes, 0.0),
            max_boxes=3,
        )

    def expected(boxes):
        return boxes, boxes[:, :, :1], torch.tensor([[0, 1, 2]]), torch.tensor([3])

    check_operator(build, {"boxes": boxes}, expected, "iOS16")
