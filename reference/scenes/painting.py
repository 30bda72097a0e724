"""Painting objects into pictures, from back to front, and into the label map from which masks are read.

Each object is rendered in its own window. All windows of one size are rendered at once.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from reference.scenes.looks import surface_colors
from reference.scenes.objects import ADDITIONS, ATTACHED, CUT, HOLE, INSET, NOTHING, Objects
from reference.scenes.rows import indices
from reference.scenes.shapes import signed_distance

BACKGROUND = 255  # label of the background in label maps
# Labels of one object: pixels of no part, the rest beside cut or attached parts, and its parts.
REGIONS = 2 + ADDITIONS

SMALLEST_WINDOW = 32  # pixels per side
# Ratio of one window size to the next smaller one. Fewer sizes cost pixels, and more sizes cost operations.
GROWTH = 1.4


@dataclass(frozen=True)
class Canvas:
    """Unfinished pictures and their label maps.

    Attributes:
        colors: float32 (B, 3, H, W), RGB in 0…255, not yet clipped.
        labels: uint8 (B, H, W), ``object * REGIONS + region`` or ``BACKGROUND``.
    """

    colors: Tensor
    labels: Tensor


@dataclass(frozen=True)
class _Sprites:
    """A number n of rendered objects in windows of (h, w)."""

    keep: Tensor  # (n, 1, h, w), share of the color below that stays
    add: Tensor  # (n, 3, h, w), color to add on top
    region: Tensor  # uint8 (n, h, w), region of the object, or BACKGROUND
    below: Tensor  # (n, 1, h, w), share of the light that the shadow lets through
    shadow_offset: list[list[int] | None]  # x, y of the shadow's offset; None without a shadow


def paint(canvas: Canvas, objects: Objects, present: Tensor, textures: Tensor) -> Tensor:
    """Paint objects over the canvas, one over the other.

    Args:
        canvas: the pictures and label maps. They are changed in place.
        objects: (B, K, …), on the CPU, where K < BACKGROUND / REGIONS.
        present: bool (B, K), on the CPU, whether to paint the object.
        textures: (T, 3, h, w), on the device of the canvas.

    Returns:
        The area in pixels that each object would have if nothing lay over it, int64 (B, K).
    """
    scenes, count = present.shape
    size = canvas.labels.shape[1:]
    flat, shown = objects.flatten(), indices(present.flatten())
    sides = _window_sides(flat, size)[shown]
    # Windows of one size become neighbors, so that they are slices and not copies.
    shown = shown[sides.argsort(stable=True)]
    flat = flat[shown]
    on_device = flat.to(canvas.colors.device)
    areas, sprites, first = [], {}, 0
    for side, number in zip(*sides.unique(return_counts=True), strict=True):
        rows = slice(first, first := first + int(number))
        window = size if side > min(size) else (int(side), int(side))
        corners = _corners(flat.body.center[rows], window, size)
        rendered = _render(flat[rows], on_device[rows], corners, window, textures)
        areas.append((rendered.region != BACKGROUND).sum((1, 2)))
        for position, row in enumerate(shown[rows].tolist()):
            sprites[row] = rendered, position, corners[position].tolist()
    for row in sorted(sprites):
        _paste(canvas, row // count, row % count, *sprites[row])
    area = torch.zeros(scenes * count, dtype=torch.int64, device=canvas.colors.device)
    if areas:
        area[shown.to(area.device)] = torch.cat(areas)
    return area.view(scenes, count)


def _window_sides(objects: Objects, size: tuple[int, int]) -> Tensor:
    """Return the side (n,) of the smallest window that holds each object.

    It is larger than the picture if no window in the picture holds the object.
    """
    ladder = [SMALLEST_WINDOW]
    while ladder[-1] <= min(size):
        # Multiples of 16 pixels, so that the rows of a window fill the vector registers.
        ladder.append(math.ceil(ladder[-1] * GROWTH / 16) * 16)
    index = torch.searchsorted(torch.tensor(ladder, dtype=torch.float32), 2 * objects.reach())
    return torch.tensor(ladder)[index.clamp(max=len(ladder) - 1)]


def _corners(center: Tensor, window: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Return left and top (n, 2) of windows around centers, moved so that they lie inside the picture."""
    extent = torch.tensor([window[1], window[0]])
    room = torch.tensor([size[1], size[0]]) - extent
    return torch.minimum((center - extent / 2).round().long().clamp(min=0), room)


@dataclass(frozen=True)
class _Window:
    """Pixel centers of n windows, and the layers of the objects in them so far."""

    x: Tensor  # (n, 1, w)
    y: Tensor  # (n, h, 1)
    distance: Tensor  # (n, h, w), distance inside the outline of the whole object, in pixels
    colors: Tensor  # (n, 3, h, w)
    region: Tensor  # uint8 (n, h, w)


def _render(
    objects: Objects,
    device_objects: Objects,
    corners: Tensor,
    size: tuple[int, int],
    textures: Tensor,
) -> _Sprites:
    """Render n objects in windows of (height, width) with the given top-left corners (n, 2).

    ``objects``, on the CPU, and ``device_objects`` are the same objects. Decisions are made with ``objects``, so that
    the code never waits for a GPU.
    """
    corners = corners.to(textures.device)
    height, width = (torch.arange(side, device=textures.device) + 0.5 for side in size)
    window = _render_bodies(
        objects,
        device_objects,
        (corners[:, :1] + width)[:, None],
        (corners[:, 1:] + height)[..., None],
        textures,
    )
    for slot in range(ADDITIONS):
        rows = indices(objects.role[:, slot] != NOTHING)
        if len(rows):
            _render_addition(objects, device_objects, slot, rows, window, textures)
    cover = 0.5 + window.distance / device_objects.softness[:, None, None]
    cover.clamp_(0, 1)
    light = _light(objects, device_objects, window)
    offsets = objects.shadow_offset.round().long().tolist()
    has_shadow = (objects.shadow > 0).tolist()
    return _Sprites(
        keep=(1 - cover)[:, None],
        add=window.colors.mul_(light.mul_(cover)[:, None]),
        region=window.region.masked_fill_(cover <= 0.5, BACKGROUND),
        below=_shade_below(device_objects, window.distance),
        shadow_offset=[
            offset if shadow else None for offset, shadow in zip(offsets, has_shadow, strict=True)
        ],
    )


def _render_bodies(
    objects: Objects, device_objects: Objects, x: Tensor, y: Tensor, textures: Tensor
) -> _Window:
    body, looks = device_objects.body, device_objects.body_looks
    distance = signed_distance(body, objects.body.kind, x, y)
    local_x, local_y = x - body.center[:, 0, None, None], y - body.center[:, 1, None, None]
    diameter = device_objects.diameter
    flags = objects.body_looks.patterned, objects.body_looks.textured
    colors = surface_colors(looks, flags, textures, local_x, local_y, diameter)
    rest_is_part = torch.isin(device_objects.role, torch.tensor([CUT, ATTACHED]).to(x.device)).any(
        1
    )
    region = rest_is_part.byte()[:, None, None].expand(distance.shape).clone()
    return _Window(x, y, distance, colors, region)


def _render_addition(
    objects: Objects,
    device_objects: Objects,
    slot: int,
    rows: Tensor,
    window: _Window,
    textures: Tensor,
) -> None:
    """Render one addition of the objects with these indices into their windows."""
    at = rows.to(window.x.device)
    shapes, looks, role = device_objects.addition(slot, at)
    flags = (
        objects.addition_looks.patterned[rows, slot],
        objects.addition_looks.textured[rows, slot],
    )
    role = role[:, None, None]
    x, y = window.x[at], window.y[at]
    added = signed_distance(shapes, objects.additions.kind[rows, slot], x, y)
    body = window.distance[at]
    body = torch.where(role == HOLE, torch.minimum(body, -added), body)
    window.distance[at] = torch.where(role == ATTACHED, torch.maximum(body, added), body)
    is_part = role >= INSET
    window.region[at] = torch.where(is_part & (added > 0), slot + 2, window.region[at])
    center, diameter = device_objects.body.center[at], device_objects.diameter[at]
    x, y = x - center[:, 0, None, None], y - center[:, 1, None, None]
    colors = surface_colors(looks, flags, textures, x, y, diameter)
    cover = torch.where(is_part, (0.5 + added).clamp_(0, 1), 0)[:, None]
    window.colors[at] = torch.lerp(window.colors[at], colors, cover)


def _light(objects: Objects, device_objects: Objects, window: _Window) -> Tensor:
    """Return the brightness factor of each pixel: (n, h, w), around 1."""
    center, diameter = device_objects.body.center, device_objects.diameter
    slope_x, slope_y = (device_objects.light / (diameter / 2)[:, None])[..., None, None].unbind(1)
    x, y = window.x - center[:, 0, None, None], window.y - center[:, 1, None, None]
    light = (1 + x * slope_x) + y * slope_y
    rows = indices(objects.rim > 0).to(light.device)
    if len(rows):
        width = (0.2 * diameter[rows])[:, None, None]
        near_rim = 1 - (window.distance[rows] / width).clamp_(0, 1)
        light[rows] -= device_objects.rim[rows, None, None] * near_rim.square_()
    return light.clamp_(0.1, 2)


def _shade_below(objects: Objects, distance: Tensor) -> Tensor:
    """Return the share of light that the soft shadows of the objects let through: (n, 1, H, W)."""
    opacity = (0.5 + distance / objects.shadow_blur[:, None, None]).clamp_(0, 1)
    return (1 - opacity.mul_(objects.shadow[:, None, None]))[:, None]


def _paste(
    canvas: Canvas, scene: int, number: int, sprites: _Sprites, position: int, corner: list[int]
) -> None:
    left, top = corner
    height, width = sprites.region.shape[1:]
    place = (slice(top, top + height), slice(left, left + width))
    colors, labels = canvas.colors[scene], canvas.labels[scene, *place]
    if sprites.shadow_offset[position] is not None:
        _paste_shadow(colors, sprites, position, corner)
    colors[:, *place].mul_(sprites.keep[position]).add_(sprites.add[position])
    region = sprites.region[position]
    labels.copy_(torch.where(region == BACKGROUND, labels, region + number * REGIONS))


def _paste_shadow(colors: Tensor, sprites: _Sprites, position: int, corner: list[int]) -> None:
    """Darken the colors (3, H, W) of a picture where the shadow of an object falls."""
    there, here = [], []
    sizes = zip(sprites.region.shape[:0:-1], colors.shape[:0:-1], strict=True)
    for start, offset, (side, extent) in zip(
        corner, sprites.shadow_offset[position], sizes, strict=True
    ):
        first, last = max(0, start + offset), min(extent, start + offset + side)
        there.insert(0, slice(first, last))
        here.insert(0, slice(first - start - offset, last - start - offset))
    colors[:, *there].mul_(sprites.below[position][:, *here])
