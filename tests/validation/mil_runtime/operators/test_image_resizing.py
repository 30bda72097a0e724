import numpy as np
import pytest
import torch
import torch.nn.functional as F
from coremltools.converters.mil.mil import Builder as mb
from coremltools.converters.mil.mil import types

from tests.support.mil_programs import build_model, check_operator, run_model
from validation.mil_runtime import ModelError, OperationError

# Points of two pixels' interval on five and six samples, as coremltools documents them.
DOCUMENTED_POINTS = {
    ("STRICT_ALIGN_CORNERS", 5): [0, 0.25, 0.5, 0.75, 1],
    ("ALIGN_CORNERS", 5): [0, 0.25, 0.5, 0.75, 1],
    ("DEFAULT", 5): [0, 0.4, 0.8, 1, 1],
    ("OFFSET_CORNERS", 5): [0.1, 0.3, 0.5, 0.7, 0.9],
    ("UNALIGN_CORNERS", 5): [0, 0.1, 0.5, 0.9, 1],
    ("STRICT_ALIGN_CORNERS", 6): [0, 0.2, 0.4, 0.6, 0.8, 1],
    ("ALIGN_CORNERS", 6): [0, 0.2, 0.4, 0.6, 0.8, 1],
    ("DEFAULT", 6): [0, 1 / 3, 2 / 3, 1, 1, 1],
    ("OFFSET_CORNERS", 6): [1 / 12, 3 / 12, 5 / 12, 7 / 12, 9 / 12, 11 / 12],
    ("UNALIGN_CORNERS", 6): [0, 0, 1 / 3, 2 / 3, 1, 1],
}
MODES = ["STRICT_ALIGN_CORNERS", "ALIGN_CORNERS", "DEFAULT", "OFFSET_CORNERS", "UNALIGN_CORNERS"]


def pictures(*shape) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)


def like(x, value: float) -> np.ndarray:
    """Return a constant in the type of ``x``."""
    return np.array(value, np.float16 if x.dtype == types.fp16 else np.float32)


def points_of(mode: str, old: int, new: int) -> np.ndarray:
    """Return grid points by numpy.linspace, as Core ML's older format describes the same modes."""
    if mode == "ALIGN_CORNERS" and new == 1:
        return np.array([(old - 1) / 2])
    delta = max(1, old - 1) / new
    start, end = {
        "STRICT_ALIGN_CORNERS": (0, old - 1),
        "ALIGN_CORNERS": (0, old - 1),
        "DEFAULT": (0, old - old / new),
        "OFFSET_CORNERS": (delta / 2, (new - 0.5) * delta),
        "UNALIGN_CORNERS": (old / new / 2 - 0.5, old - old / new / 2 - 0.5),
    }[mode]
    return np.linspace(start, end, new).clip(0, old - 1)


def at(line: np.ndarray, points: np.ndarray) -> np.ndarray:
    return np.interp(points, np.arange(len(line)), line)


def sampled(x: torch.Tensor, rows: np.ndarray, columns: np.ndarray) -> torch.Tensor:
    """Sample the last two axes at rows × columns, by numpy's interpolation of one line after another."""
    wide = np.apply_along_axis(at, -1, x.numpy(), columns)
    return torch.from_numpy(np.apply_along_axis(at, -2, wide, rows))


def test_resize_bilinear_samples_the_documented_points():
    check_operator(
        lambda x: [
            mb.resize_bilinear(x=x, target_size_height=1, target_size_width=new, sampling_mode=mode)
            for mode, new in DOCUMENTED_POINTS
        ],
        {"x": np.array([[[0, 1]]], np.float32)},
        lambda x: [torch.tensor([[p]], dtype=x.dtype) for p in DOCUMENTED_POINTS.values()],
    )


@pytest.mark.parametrize("mode", MODES)
def test_resize_bilinear_gives_any_size(mode):
    sizes = [(7, 3), (1, 1), (2, 11), (5, 4)]
    check_operator(
        lambda x: [
            mb.resize_bilinear(
                x=x, target_size_height=height, target_size_width=width, sampling_mode=mode
            )
            for height, width in sizes
        ],
        {"x": pictures(2, 3, 5, 4)},
        lambda x: [sampled(x, points_of(mode, 5, h), points_of(mode, 4, w)) for h, w in sizes],
        opset="iOS15",
    )


def test_resize_bilinear_has_defaults():
    check_operator(
        lambda x: mb.resize_bilinear(x=x), {"x": pictures(2, 5, 4)}, lambda x: x[:, :1, :1]
    )


@pytest.mark.parametrize("shape", [(3, 5), (2, 3, 5), (2, 1, 2, 3, 5)])
def test_resize_leaves_all_but_the_last_axes(shape):
    if len(shape) == 2:
        build = lambda x: mb.resize(x=x, shape=[6, 7], resized_dims=np.uint32(2))  # noqa: E731  one line per program
    else:
        build = lambda x: mb.resize_bilinear(  # noqa: E731  one line per program
            x=x, target_size_height=6, target_size_width=7
        )
    check_operator(
        build,
        {"x": pictures(*shape)},
        lambda x: sampled(x, points_of("DEFAULT", 3, 6), points_of("DEFAULT", 5, 7)),
    )


def test_resize_samples_as_resize_bilinear():
    check_operator(
        lambda x: [
            mb.resize(x=x, shape=[7, 3], resized_dims=np.uint32(2), sampling_mode=mode)
            for mode in MODES
        ],
        {"x": pictures(1, 2, 5, 4)},
        lambda x: [sampled(x, points_of(mode, 5, 7), points_of(mode, 4, 3)) for mode in MODES],
        opset="iOS17",
    )


def test_resize_takes_one_axis_or_three():
    x = pictures(2, 3, 4)
    check_operator(
        lambda x: mb.resize(x=x, shape=[9, 8], resized_dims=np.uint32(1)),
        {"x": x},
        lambda x: sampled(x, np.arange(3.0), points_of("DEFAULT", 4, 8)),
    )
    check_operator(
        lambda x: mb.resize(
            x=x, shape=[3, 6, 2], resized_dims=np.uint32(3), sampling_mode="UNALIGN_CORNERS"
        ),
        {"x": x},
        lambda x: F.interpolate(x[None, None], (3, 6, 2), mode="trilinear")[0, 0],
    )


def test_resize_takes_a_shape_that_is_computed_and_keeps_axes_of_zero():
    check_operator(
        lambda x, shape: mb.resize(
            x=x, shape=shape, resized_dims=np.uint32(2), interpolation_mode="NEAREST_NEIGHBOR"
        ),
        {"x": pictures(1, 3, 4), "shape": np.array([9, 0, 8], np.int32)},
        lambda x, shape: x.repeat_interleave(2, -1),
    )


def test_nearest_resizing_takes_the_pixel_under_the_middle():
    sizes = [(6, 8), (9, 2), (7, 5), (1, 1)]
    check_operator(
        lambda x: [
            mb.resize_nearest_neighbor(x=x, target_size_height=height, target_size_width=width)
            for height, width in sizes
        ],
        {"x": pictures(1, 2, 3, 4)},
        lambda x: [F.interpolate(x, size, mode="nearest-exact") for size in sizes],
    )


@pytest.mark.parametrize("mode", ["DEFAULT", "UNALIGN_CORNERS"])
def test_resize_takes_the_nearest_pixel_as_well(mode):
    sizes = [(6, 8), (9, 2), (7, 5), (1, 1)]
    check_operator(
        lambda x: [
            mb.resize(
                x=x,
                shape=size,
                resized_dims=np.uint32(2),
                interpolation_mode="NEAREST_NEIGHBOR",
                sampling_mode=mode,
            )
            for size in sizes
        ],
        {"x": pictures(1, 2, 3, 4)},
        lambda x: [F.interpolate(x, size, mode="nearest-exact") for size in sizes],
    )


def test_nearest_resizing_takes_integers():
    x = np.array([[3, 5], [7, 9]], np.int32)
    model = build_model(
        lambda x: mb.resize(
            x=x, shape=[2, 4], resized_dims=np.uint32(2), interpolation_mode="NEAREST_NEIGHBOR"
        ),
        {"x": x},
    )
    (y,) = run_model(model, {"x": x})
    np.testing.assert_array_equal(y, [[3, 3, 5, 5], [7, 7, 9, 9]])


def test_upsample_nearest_neighbor_takes_the_pixel_under_the_corner():
    scales = [(2, 3), (1, 1), (4, 1), (2.6, 1.5), (0.5, 0.75), (1.12, 0.67)]

    def pick(x, height, width):
        rows = np.arange(int(6 * height)) * 6 // int(6 * height)
        columns = np.arange(int(8 * width)) * 8 // int(8 * width)
        return x[..., rows, :][..., columns]

    check_operator(
        lambda x: [
            mb.upsample_nearest_neighbor(x=x, scale_factor_height=h, scale_factor_width=w)
            for h, w in scales
        ],
        {"x": pictures(2, 1, 6, 8)},
        lambda x: [pick(x, h, w) for h, w in scales],
        opset="iOS15",
    )


@pytest.mark.parametrize(
    ("size", "scale", "as_torch"),
    [(10, 0.75, False), (9, 1.7, False), (10, 4.5, True), (4, 1.5, True), (6, 0.5, True)],
)
def test_fractional_scales_are_torchs_where_they_give_a_whole_size(size, scale, as_torch):
    x = np.arange(size, dtype=np.float32).reshape(1, 1, 1, size)
    model = build_model(
        lambda x: mb.upsample_nearest_neighbor(x=x, scale_factor_width=scale), {"x": x}
    )
    (y,) = run_model(model, {"x": x})
    by_size = F.interpolate(torch.from_numpy(x), (1, int(size * scale)))
    np.testing.assert_array_equal(y, by_size.numpy())
    by_scale = F.interpolate(torch.from_numpy(x), scale_factor=(1, scale))
    assert np.array_equal(y, by_scale.numpy()) == as_torch


@pytest.mark.parametrize("align_corners", [True, False])
def test_upsample_bilinear_samples_by_the_ratio_of_the_sizes(align_corners):
    # As float32 has them, 10 * 0.7 is 7 and 10 * 1.3 is 13, as the converter declares.
    sizes = {(2, 3): (8, 30), (2.5, 1.3): (10, 13), (0.5, 0.7): (2, 7), (1, 1): (4, 10)}
    check_operator(
        lambda x: [
            mb.upsample_bilinear(
                x=x, scale_factor_height=h, scale_factor_width=w, align_corners=align_corners
            )
            for h, w in sizes
        ],
        {"x": pictures(2, 3, 4, 10)},
        lambda x: [
            F.interpolate(x, size, mode="bilinear", align_corners=align_corners)
            for size in sizes.values()
        ],
        opset="iOS15",
    )


@pytest.mark.parametrize(
    ("align_corners", "half_pixel_centers", "mode"),
    [
        (True, None, "STRICT_ALIGN_CORNERS"),
        (True, False, "STRICT_ALIGN_CORNERS"),
        (False, None, "UNALIGN_CORNERS"),
        (False, True, "UNALIGN_CORNERS"),
        (False, False, "DEFAULT"),
    ],
)
def test_upsample_bilinear_may_go_by_pixel_centers(align_corners, half_pixel_centers, mode):
    check_operator(
        lambda x: mb.upsample_bilinear(
            x=x,
            scale_factor_height=2.0,
            scale_factor_width=3.5,
            align_corners=align_corners,
            half_pixel_centers=half_pixel_centers,
        ),
        {"x": pictures(1, 2, 3, 4)},
        lambda x: sampled(x, points_of(mode, 3, 6), points_of(mode, 4, 14)),
        opset="iOS16",
    )


def test_upsampling_has_defaults():
    x = pictures(1, 3, 4)
    for opset in ("iOS15", "iOS18"):
        check_operator(lambda x: mb.upsample_bilinear(x=x), {"x": x}, torch.clone, opset)
    check_operator(lambda x: mb.upsample_nearest_neighbor(x=x), {"x": x}, torch.clone)


def test_half_pixel_centers_with_align_corners_is_refused():
    with pytest.raises(OperationError, match="expected one of them"):
        _run(
            lambda x: mb.upsample_bilinear(x=x, align_corners=True, half_pixel_centers=True),
            pictures(1, 3, 4),
        )


def test_crop_cuts_rows_and_columns():
    check_operator(
        lambda x: mb.crop(x=x, crop_height=[1, 0], crop_width=[2, 1]),
        {"x": pictures(2, 3, 5, 6)},
        lambda x: x[..., 1:, 2:-1],
    )


def test_crop_that_leaves_nothing_is_refused():
    with pytest.raises(OperationError, match="leave at least one pixel"):
        _run(lambda x: mb.crop(x=x, crop_height=[1, 2], crop_width=[0, 0]), pictures(1, 3, 4))


# Boxes by their corners, height first, of a picture of 6×8; the last reaches beyond it.
BOXES = np.array([[1, 0.5, 4, 6.25], [0, 0, 5, 7], [2, 3, 2, 3], [-1, 2, 6.5, 9]], np.float32)


def in_box(start, end, mode, new):
    """Return the points of a box. The mode says where they lie between the first pixel of the box and the last."""
    last = end - start
    delta = max(1, last) / new
    steps = np.arange(new)
    points = {
        "STRICT_ALIGN_CORNERS": steps * last / max(new - 1, 1),
        "ALIGN_CORNERS": steps * last / (new - 1) if new > 1 else np.array([last / 2]),
        "DEFAULT": steps * (last + 1) / new,
        "OFFSET_CORNERS": (steps + 0.5) * delta,
        "UNALIGN_CORNERS": (steps + 0.5) * (last + 1) / new - 0.5,
    }[mode]
    return start + points.clip(min(0, last), max(0, last))


def cropped(x, boxes, mode, size, padding=0.0):
    """Crop one box (N, 4) from each of the pictures (N, C, H, W)."""
    height, width = x.shape[-2:]
    results = []
    for picture, box in zip(x, np.asarray(boxes, np.float64), strict=True):
        rows = in_box(box[0], box[2], mode, size[0])
        columns = in_box(box[1], box[3], mode, size[1])
        inside = ((rows >= 0) & (rows <= height - 1))[:, None] & (
            (columns >= 0) & (columns <= width - 1)
        )
        values = sampled(picture, rows, columns)
        results.append(torch.where(torch.from_numpy(inside), values, padding))
    return torch.stack(results)


@pytest.mark.parametrize("mode", MODES)
def test_crop_resize_takes_the_pictures_that_boxes_name(mode):
    images, sizes = np.array([1, 0, 1, 0], np.int32), [(3, 4), (1, 1)]
    check_operator(
        lambda x: [
            mb.crop_resize(
                x=x,
                boxes=BOXES,
                box_indices=images,
                target_height=height,
                target_width=width,
                sampling_mode=mode,
                pad_value=like(x, 2.5),
            )
            for height, width in sizes
        ],
        {"x": pictures(2, 3, 6, 8)},
        lambda x: [cropped(x[images.tolist()], BOXES, mode, size, 2.5) for size in sizes],
        opset="iOS17",
    )


def test_crop_resize_takes_boxes_in_order_by_default():
    x = pictures(3, 2, 6, 8)
    check_operator(
        lambda x, boxes: mb.crop_resize(x=x, boxes=boxes, target_height=2, target_width=2),
        {"x": x, "boxes": BOXES[:3]},
        lambda x, boxes: cropped(x, boxes, "DEFAULT", (2, 2)),
    )
    check_operator(
        lambda x: mb.crop_resize(x=x, boxes=BOXES[:3]),
        {"x": x},
        lambda x: cropped(x, BOXES[:3], "DEFAULT", (1, 1)),
    )


@pytest.mark.parametrize("opset", ["iOS15", "iOS16"])
def test_crop_resize_takes_boxes_of_every_picture(opset):
    value = 0.0 if opset == "iOS15" else 1.5
    regions = BOXES.reshape(4, 1, 4, 1, 1)
    check_operator(
        lambda x: mb.crop_resize(
            x=x,
            roi=regions.astype(like(x, 0).dtype),
            target_height=3,
            target_width=2,
            sampling_mode="ALIGN_CORNERS",
            **({"pad_value": like(x, value)} if value else {}),
        ),
        {"x": pictures(2, 3, 6, 8)},
        lambda x: torch.stack(
            [cropped(x, [box, box], "ALIGN_CORNERS", (3, 2), value) for box in BOXES]
        ),
        opset,
    )


def test_crop_resize_takes_the_picture_that_a_region_names():
    regions = np.concatenate([np.zeros((4, 1), np.float32), BOXES], 1).reshape(4, 1, 5, 1, 1)
    check_operator(
        lambda x: mb.crop_resize(
            x=x, roi=regions.astype(like(x, 0).dtype), target_height=3, target_width=2
        ),
        {"x": pictures(1, 2, 6, 8)},
        lambda x: cropped(x[[0, 0, 0, 0]], BOXES, "DEFAULT", (3, 2))[:, None],
        opset="iOS15",
    )


def test_crop_resize_turns_a_box_round_that_ends_before_it_starts():
    box = np.array([[4, 6, 1, 2]], np.float32)
    check_operator(
        lambda x: mb.crop_resize(
            x=x, boxes=box, target_height=4, target_width=5, sampling_mode="ALIGN_CORNERS"
        ),
        {"x": pictures(1, 2, 6, 8)},
        lambda x: x[..., 1:5, 2:7].flip(-1, -2),
    )
    with pytest.raises(OperationError, match="ends before it starts with DEFAULT"):
        _run(lambda x: mb.crop_resize(x=x, boxes=box), pictures(1, 2, 6, 8))


@pytest.mark.parametrize(
    ("mode", "arrange"),
    [
        ("CORNERS_HEIGHT_FIRST", lambda t, le, b, r: [t, le, b, r]),
        ("CORNERS_WIDTH_FIRST", lambda t, le, b, r: [le, t, r, b]),
        (
            "CENTER_SIZE_HEIGHT_FIRST",
            lambda t, le, b, r: [(t + b) / 2, (le + r) / 2, b - t, r - le],
        ),
        (
            "CENTER_SIZE_WIDTH_FIRST",
            lambda t, le, b, r: [(le + r) / 2, (t + b) / 2, r - le, b - t],
        ),
    ],
)
def test_crop_resize_knows_every_way_to_write_a_box(mode, arrange):
    boxes = {False: [1, 0.5, 3, 3.5], True: [0.25, 0.125, 0.75, 0.875]}  # the same, by 5×5 pixels
    check_operator(
        lambda x: [
            mb.crop_resize(
                x=x,
                boxes=np.array([arrange(*box)], np.float32),
                target_height=2,
                target_width=3,
                normalized_coordinates=normalized,
                box_coordinate_mode=mode,
                sampling_mode="STRICT_ALIGN_CORNERS",
            )
            for normalized, box in boxes.items()
        ],
        {"x": pictures(1, 2, 5, 5)},
        lambda x: 2 * [cropped(x, [boxes[False]], "STRICT_ALIGN_CORNERS", (2, 3))],
    )


def test_crop_resize_scales_boxes():
    check_operator(
        lambda x: mb.crop_resize(
            x=x, boxes=2 * BOXES[:1], spatial_scale=0.5, target_height=4, target_width=4
        ),
        {"x": pictures(1, 2, 6, 8)},
        lambda x: cropped(x, BOXES[:1], "DEFAULT", (4, 4)),
    )


def test_crop_resize_includes_the_border_pixels():
    check_operator(
        lambda x: mb.crop_resize(
            x=x,
            boxes=np.array([[0, 0, 1, 1]], np.float32),
            target_height=7,
            target_width=49,
            normalized_coordinates=True,
            sampling_mode="ALIGN_CORNERS",
            pad_value=like(x, 100),
        ),
        {"x": pictures(1, 1, 4, 6)},
        lambda x: sampled(x, np.linspace(0, 3, 7), np.linspace(0, 5, 49)),
    )


def test_crop_resize_takes_boxes_of_whole_numbers():
    boxes = np.array([[1, 2, 3, 4]], np.int32)

    def build(x, boxes):
        return mb.crop_resize(x=x, boxes=mb.cast(x=boxes, dtype="uint16"), target_height=2)

    check_operator(
        build,
        {"x": pictures(1, 2, 6, 8), "boxes": boxes},
        lambda x, boxes: cropped(x, boxes, "DEFAULT", (2, 1)),
    )


def test_crop_resize_of_a_picture_that_is_not_there_is_refused():
    def build(x, images):
        return mb.crop_resize(x=x, boxes=BOXES[:1], box_indices=images)

    inputs = {"x": pictures(2, 1, 6, 8), "images": np.array([2], np.int32)}
    with pytest.raises(
        OperationError, match=r"box indices \[2\]: expected indices of pictures, 0 to 1"
    ):
        run_model(build_model(build, inputs), inputs)


PADDING = {"constant": "zeros", "border": "border", "reflection": "reflection"}


def resample(x, coordinates, **options):
    defaults = {
        "sampling_mode": "bilinear",
        "padding_mode": "constant",
        "padding_value": 0.0,
        "coordinates_mode": "normalized_minus_one_to_one",
        "align_corners": True,
    }
    options = defaults | options
    options["padding_value"] = like(x, options["padding_value"])
    return mb.resample(x=x, coordinates=coordinates, **options)


def coordinates(low, high) -> np.ndarray:
    """Return coordinates (2, 5, 7, 2), exact in float16 and never halfway between two pixels."""
    values = np.random.default_rng(1).uniform(low, high, (2, 5, 7, 2))
    return (np.round(values * 64) / 64 + 1 / 256).astype(np.float32)


@pytest.mark.parametrize("padding", PADDING)
def test_resample_is_grid_sample(padding):
    ways = [(mode, align) for mode in ("bilinear", "nearest") for align in (True, False)]

    def build(x, at):
        return [
            resample(
                x,
                at,
                sampling_mode=mode,
                # grid_sample reflects about the border's edge where corners are not aligned.
                padding_mode="symmetric" if padding == "reflection" and not align else padding,
                align_corners=align,
            )
            for mode, align in ways
        ]

    check_operator(
        build,
        {"x": pictures(2, 3, 4, 6), "at": coordinates(-2, 2)},
        lambda x, at: [F.grid_sample(x, at, mode, PADDING[padding], align) for mode, align in ways],
    )


@pytest.mark.parametrize(
    ("padding", "extend"),
    [
        ("constant", {"mode": "constant", "constant_values": 1.5}),
        ("border", {"mode": "edge"}),
        ("reflection", {"mode": "reflect"}),
        ("symmetric", {"mode": "symmetric"}),
    ],
)
def test_resample_sees_the_picture_go_on_as_numpy_pads_it(padding, extend):
    margin, modes = 8, ("bilinear", "nearest")

    def expected(x, at):
        wide = np.pad(x.numpy(), [(0, 0), (0, 0), (margin, margin), (margin, margin)], **extend)
        wide = torch.from_numpy(wide)
        size = torch.tensor([wide.shape[3], wide.shape[2]]) - 1
        grid = 2 * (at + margin) / size - 1
        return [F.grid_sample(wide, grid, mode, align_corners=True) for mode in modes]

    check_operator(
        lambda x, at: [
            resample(
                x,
                at,
                sampling_mode=mode,
                padding_mode=padding,
                padding_value=1.5,
                coordinates_mode="unnormalized",
            )
            for mode in modes
        ],
        {"x": pictures(2, 3, 4, 6), "at": coordinates(-6, 10)},
        expected,
    )


@pytest.mark.parametrize("align_corners", [True, False])
def test_resample_takes_coordinates_from_zero_to_one(align_corners):
    check_operator(
        lambda x, at: resample(
            x, at, coordinates_mode="normalized_zero_to_one", align_corners=align_corners
        ),
        {"x": pictures(2, 1, 4, 6), "at": coordinates(-0.5, 1.5)},
        lambda x, at: F.grid_sample(x, 2 * at - 1, align_corners=align_corners),
        opset="iOS16",
    )


def test_resample_ignores_align_corners_of_pixels():
    check_operator(
        lambda x, at: resample(x, at, coordinates_mode="unnormalized", align_corners=False),
        {"x": pictures(2, 1, 5, 5), "at": coordinates(0, 4)},
        lambda x, at: F.grid_sample(x, at / 2 - 1, align_corners=True),
    )


@pytest.mark.parametrize("dtype", [types.int32, types.uint8, types.int16])
def test_resample_takes_whole_numbers(dtype):
    at = np.array([0, 1, 3, 2, 2, 0, 1, 1]).reshape(1, 2, 2, 2).astype(np.int32)

    def build(x, at):
        at = at if dtype == types.int32 else mb.cast(x=at, dtype=types.builtin_to_string(dtype))
        return resample(x, at, coordinates_mode="unnormalized")

    check_operator(
        build,
        {"x": pictures(1, 2, 3, 4), "at": at},
        lambda x, at: x[:, :, at[0, ..., 1].long(), at[0, ..., 0].long()],
    )


@pytest.mark.parametrize("padding", ["constant", "border"])
def test_resample_at_infinity_is_padding(padding):
    at = np.array([np.inf, 0, -np.inf, 0]).reshape(1, 1, 2, 2).astype(np.float32)
    check_operator(
        lambda x, at: resample(x, at, padding_mode=padding, padding_value=7.0),
        {"x": pictures(1, 1, 3, 3), "at": at},
        lambda x, at: (
            torch.full((1, 1, 1, 2), 7.0, dtype=x.dtype)
            if padding == "constant"
            else x[:, :, 1:2, [2, 0]]
        ),
    )


def test_resample_of_a_single_pixel_reflects_to_it():
    check_operator(
        lambda x, at: resample(x, at, padding_mode="reflection", coordinates_mode="unnormalized"),
        {"x": pictures(2, 1, 1, 1), "at": coordinates(-4, 4)},
        lambda x, at: x.expand(2, 1, 5, 7),
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampling_mode": "cubic"}, "sampling_mode 'cubic': expected bilinear or nearest"),
        ({"padding_mode": "wrap"}, "padding_mode 'wrap': expected constant"),
        ({"coordinates_mode": "polar"}, "coordinates_mode 'polar': expected unnormalized"),
    ],
)
def test_resample_refuses_unknown_modes(options, message):
    inputs = {"x": pictures(2, 1, 3, 3), "at": coordinates(-1, 1)}
    model = build_model(lambda x, at: resample(x, at, **options), inputs)
    with pytest.raises(OperationError, match=message):
        run_model(model, inputs)


def affine(x, matrix, height, width, **options):
    return mb.affine(
        x=x,
        transform_matrix=matrix,
        output_height=height,
        output_width=width,
        sampling_mode="bilinear",
        padding_mode="constant",
        padding_value=like(x, 0),
        coordinates_mode="normalized_minus_one_to_one",
        **{"align_corners": True, **options},
    )


@pytest.mark.parametrize("transforms", [1, 3])
def test_affine_is_affine_grid_and_grid_sample(transforms):
    sizes = [(5, 4), (3, 7), (1, 1)]

    def expected(x, matrix):
        theta = matrix.reshape(-1, 2, 3).expand(3, 2, 3)
        grids = [F.affine_grid(theta, [3, 2, *size], align_corners=True) for size in sizes]
        return [F.grid_sample(x, grid, align_corners=True) for grid in grids]

    check_operator(
        lambda x, matrix: [affine(x, matrix, *size) for size in sizes],
        {
            "x": pictures(3, 2, 5, 4),
            "matrix": np.random.default_rng(2).normal(0, 1, (transforms, 6)).astype(np.float32),
        },
        expected,
    )


def test_affine_refuses_what_core_ml_does():
    with pytest.raises(OperationError, match="align_corners 'False': expected True"):
        _run(
            lambda x: affine(x, np.eye(2, 3).reshape(1, 6), 2, 2, align_corners=False),
            pictures(1, 1, 3, 3),
        )


def test_nearest_resizing_refuses_the_modes_whose_meaning_is_not_known():
    with pytest.raises(OperationError, match="ALIGN_CORNERS' with NEAREST_NEIGHBOR"):
        _run(
            lambda x: mb.resize(
                x=x,
                shape=[2, 4],
                resized_dims=np.uint32(2),
                interpolation_mode="NEAREST_NEIGHBOR",
                sampling_mode="ALIGN_CORNERS",
            ),
            pictures(3, 4),
        )


def test_linear_resizing_of_integers_is_refused():
    with pytest.raises(OperationError, match="LINEAR of integers"):
        _run(
            lambda x: mb.resize(x=x, shape=[2, 4], resized_dims=np.uint32(2)),
            np.zeros((2, 2), np.int32),
        )


def test_results_beyond_memory_are_refused():
    with pytest.raises(OperationError, match="expected at most"):
        _run(
            lambda x: mb.upsample_bilinear(x=x, scale_factor_height=3000, scale_factor_width=9000),
            pictures(1, 4, 4),
        )


def test_sizes_below_one_are_refused():
    inputs = {"x": pictures(3, 4), "shape": np.array([-1, 2], np.int32)}
    model = build_model(
        lambda x, shape: mb.resize(x=x, shape=shape, resized_dims=np.uint32(2)), inputs
    )
    with pytest.raises(OperationError, match="expected at least 1"):
        run_model(model, inputs)


def test_half_pixel_centers_are_not_known_before_ios_16():
    x = pictures(1, 3, 4)
    model = build_model(lambda x: mb.upsample_bilinear(x=x, half_pixel_centers=False), {"x": x})
    function = model._spec.mlProgram.functions["main"]
    function.block_specializations["CoreML5"].CopyFrom(function.block_specializations["CoreML8"])
    function.opset = "CoreML5"
    with pytest.raises(ModelError, match="has no parameter half_pixel_centers"):
        run_model(model, {"x": x})


def _run(build, x):
    return run_model(build_model(build, {"x": x}), {"x": x})
