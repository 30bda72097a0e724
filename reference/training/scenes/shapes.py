"""Outlines of objects as implicit functions: positive inside, negative outside, zero on the edge."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from reference.training.scenes.glyphs import glyph_count, sample_glyphs
from reference.training.scenes.rows import Rows, indices

NUMBERS = 16  # random numbers that a shape may take its form from
Values = list[Tensor]  # those numbers, each (n, 1, 1)


@dataclass(frozen=True)
class Shapes(Rows):
    """n outlines in a picture; lengths are in pixels, x before y.

    A kind's function knows only its own plane, in which the outline fits the unit circle (with a
    little to spare, see ``REACH``); ``radius``, ``aspect``, ``angle`` and ``center`` place it.
    """

    kind: Tensor  # int64 (n,), index into KINDS
    center: Tensor  # (n, 2)
    radius: Tensor  # (n,)
    aspect: Tensor  # (n,), height / width before the rotation
    angle: Tensor  # (n,), radians
    wobble: Tensor  # (n,), amplitude of the waves that bend it, of its radius
    numbers: Tensor  # (n, NUMBERS), 0…1


REACH = 1.15  # in radii: no outline goes farther from its center


def signed_distance(shapes: Shapes, kinds: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Distance from the outline in pixels, positive inside; exact near the outline only.

    Args:
        shapes: n outlines.
        kinds: the outlines' kinds once more, on the CPU: a GPU need not be waited for.
        x: (n, 1, W), pixel centers.
        y: (n, H, 1), pixel centers.

    Returns:
        (n, H, W).
    """
    result = torch.empty(len(x), y.shape[1], x.shape[2], device=x.device)
    for kind in kinds.unique().tolist():
        rows = indices(kinds == kind).to(x.device)
        result[rows] = _evaluate(kind, shapes[rows], x[rows], y[rows])
    return result


def _evaluate(kind: int, shapes: Shapes, x: Tensor, y: Tensor) -> Tensor:
    """``signed_distance`` of shapes of one kind."""
    radius, angle = shapes.radius[:, None, None], shapes.angle[:, None, None]
    x = (x - shapes.center[:, 0, None, None]) / radius
    y = (y - shapes.center[:, 1, None, None]) / radius
    aspect = shapes.aspect[:, None, None]
    u = x * angle.cos() + y * angle.sin()
    v = y * (angle.cos() / aspect) - x * (angle.sin() / aspect)
    values = list(shapes.numbers[:, :, None, None].unbind(1))
    frequency = 3 * 8 ** values[-1]  # long waves bend, short ones roughen the outline
    wobble = torch.minimum(shapes.wobble[:, None, None], 0.5 / frequency)
    u = u + wobble * torch.sin(frequency * v + 6.3 * values[-2])
    v = v + wobble * torch.sin(frequency * u + 9.1 * values[-2])
    return _to_pixels(list(KINDS.values())[kind](u, v, values), shapes.radius[:, None, None])


def _to_pixels(field: Tensor, radius: Tensor) -> Tensor:
    """Divide a field (n, H, W) by its slope, so that it counts pixels across the outline."""
    padded = torch.nn.functional.pad(field[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    slope_x = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    slope_y = padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]
    # Half of the usual slope at least, so that ridges and plateaus do not become cliffs.
    slope = 0.5 * slope_x.square().addcmul_(slope_y, slope_y).sqrt_()
    return field / torch.maximum(slope, 0.5 / radius)


def ellipse(u: Tensor, v: Tensor, values: Values) -> Tensor:
    return 1 - torch.hypot(u, v)


def rounded_rectangle(u: Tensor, v: Tensor, values: Values) -> Tensor:
    corner = 0.6 * values[0].square()
    u, v = u.abs() - (0.75 - corner), v.abs() - (0.75 - corner)
    return corner - torch.hypot(u.clamp(min=0), v.clamp(min=0)) - torch.maximum(u, v).clamp(max=0)


def blob(u: Tensor, v: Tensor, values: Values) -> Tensor:
    """A circle whose radius is a sum of harmonics of the angle, the higher ones weaker."""
    radius = torch.hypot(u, v).clamp(min=1e-4)
    cosine, sine = u / radius, v / radius
    real, imaginary = cosine, sine  # of exp(i * harmonic * angle)
    outline, total = 1.0, 1.0
    for harmonic in range(2, 7):
        real, imaginary = (
            real * cosine - imaginary * sine,
            real * sine + imaginary * cosine,
        )
        amplitude = values[harmonic] * (0.8 / harmonic)
        phase = 2 * math.pi * values[harmonic + 5]
        outline = outline + amplitude * (phase.cos() * real + phase.sin() * imaginary)
        total = total + amplitude
    return outline / total - radius


def convex_polygon(u: Tensor, v: Tensor, values: Values) -> Tensor:
    """What 3 to 8 half planes have in common."""
    sides = (3 + 6 * values[0]).floor()
    inside = 1.1 - torch.hypot(u, v)  # corners of acute angles are cut
    for side in range(8):
        value = values[1 + side]
        angle = (2 * math.pi / sides) * (side + 0.7 * (value - 0.5))
        offset = (math.pi / sides).cos() * (0.7 + 0.3 * (7 * value % 1))
        plane = offset - u * angle.cos() - v * angle.sin()
        inside = torch.where(side < sides, torch.minimum(inside, plane), inside)
    return inside


def star_polygon(u: Tensor, v: Tensor, values: Values) -> Tensor:
    """4 to 12 corners at equal angles and free distances, or near and far in turn."""
    corners = 4 + (9 * values[0]).floor()
    number = torch.arange(13, device=u.device)[:, None, None]
    corners_then_first = torch.where(number < corners[:, None], number, 0)  # (n, 13, 1, 1)
    distances = 0.4 + 0.6 * torch.stack(values[1:13], dim=1)
    distances = torch.cat([distances, distances[:, :1]], dim=1)
    in_turn = torch.where(corners_then_first % 2 == 0, 1.0, distances[:, :1] * 0.9)
    distances = torch.where(values[13][:, None] < 0.5, in_turn, distances)
    distances = distances.gather(1, corners_then_first)
    angles = 2 * math.pi * number / corners[:, None]
    corner_u, corner_v = (distances * angles.cos())[..., 0], (distances * angles.sin())[..., 0]
    turn = torch.atan2(v, u) / (2 * math.pi)
    sector = ((turn - turn.floor()) * corners).long().clamp(max=11).flatten(1)

    def at(coordinates: Tensor, index: Tensor) -> Tensor:
        return coordinates[..., 0].gather(1, index).view_as(u)

    u0, v0 = at(corner_u, sector), at(corner_v, sector)
    along_u, along_v = at(corner_u, sector + 1) - u0, at(corner_v, sector + 1) - v0
    cross = along_u * (v - v0) - along_v * (u - u0)
    return cross / torch.hypot(along_u, along_v)


def flower(u: Tensor, v: Tensor, values: Values) -> Tensor:
    """4 to 15 round petals."""
    petals = 4 + (12 * values[0]).floor()
    depth = 0.15 + 0.4 * values[1]
    wave = torch.cos(petals / 2 * torch.atan2(v, u) + 3.1 * values[2]).abs()
    return 1 - depth + depth * wave - torch.hypot(u, v)


def limbs(u: Tensor, v: Tensor, values: Values) -> Tensor:
    """Discs and sausages melted together: smooth, and often far from convex."""
    joints = [(1.1 * values[2 * i] - 0.55, 1.1 * values[2 * i + 1] - 0.55) for i in range(5)]
    joined = None
    for index, start in enumerate(joints[:4]):
        end = joints[index + 1] if index < 3 else joints[1]  # the last one grows from the middle
        thickness = 0.1 + 0.25 * values[10 + index]
        sausage = thickness - _segment_distance(u, v, start, end)
        joined = sausage if joined is None else _smooth_maximum(joined, sausage, 0.15)
    return joined


def _smooth_maximum(a: Tensor, b: Tensor, width: float) -> Tensor:
    overlap = (width - (a - b).abs()).clamp(min=0)
    return torch.maximum(a, b) + overlap.square() / (4 * width)


def _segment_distance(u: Tensor, v: Tensor, start: tuple, end: tuple) -> Tensor:
    along_u, along_v = end[0] - start[0], end[1] - start[1]
    length = along_u.square() + along_v.square() + 1e-6
    u, v = u - start[0], v - start[1]
    position = ((u * along_u + v * along_v) / length).clamp(0, 1)
    return torch.hypot(u - position * along_u, v - position * along_v)


def vase(u: Tensor, v: Tensor, values: Values) -> Tensor:
    """A turned piece, alike on both sides of its axis: bottle, vase, lamp, pawn."""
    profile = 0.32
    for wave in range(1, 4):
        phase = 6.3 * values[wave + 4]
        profile = profile + (0.2 / wave) * (values[wave] - 0.3) * torch.sin(wave * 2.6 * u + phase)
    return torch.minimum(profile.clamp(min=0.08) - v.abs(), 0.9 - u.abs())


def stroke(u: Tensor, v: Tensor, values: Values) -> Tensor:
    """A thin line along a cubic Bézier curve."""
    u0, u1, u2, u3 = (-0.9, 1.6 * values[0] - 1.1, 1.6 * values[1] - 0.5, 0.9)
    v0, v1, v2, v3 = (1.6 * values[index] - 0.8 for index in range(2, 6))
    thickness = 0.03 + 0.09 * values[6]
    nearest = None
    start = (u0 + 0 * u1, 0.5 * v0)
    for step in range(1, 13):
        t = step / 12
        weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
        end = tuple(
            sum(weight * point for weight, point in zip(weights, points, strict=True))
            for points in ((u0, u1, u2, u3), (0.5 * v0, v1, v2, 0.5 * v3))
        )
        distance = _segment_distance(u, v, start, end)
        nearest = distance if nearest is None else torch.minimum(nearest, distance)
        start = end
    return thickness - nearest


def arc(u: Tensor, v: Tensor, values: Values) -> Tensor:
    """A piece of a ring with round ends."""
    thickness = 0.04 + 0.12 * values[0]
    half_angle = 0.5 + 2.3 * values[1]
    middle = 0.82
    u = u.abs()
    sine, cosine = half_angle.sin(), half_angle.cos()
    beside = torch.hypot(u - middle * sine, v - middle * cosine)
    on_arc = (torch.hypot(u, v) - middle).abs()
    return thickness - torch.where(cosine * u > sine * v, beside, on_arc)


def ring(u: Tensor, v: Tensor, values: Values) -> Tensor:
    return _hollow(ellipse(u, v, values), values)


def frame(u: Tensor, v: Tensor, values: Values) -> Tensor:
    return _hollow(rounded_rectangle(u, v, values), values)


def hollow_blob(u: Tensor, v: Tensor, values: Values) -> Tensor:
    return _hollow(blob(u, v, values), values)


def _hollow(solid: Tensor, values: Values) -> Tensor:
    return torch.minimum(solid, 0.1 + 0.3 * values[13] - solid)


def glyph(u: Tensor, v: Tensor, values: Values) -> Tensor:
    """A letter or digit, thin or bold."""
    index = (values[0] * glyph_count()).long().clamp(max=glyph_count() - 1)
    return sample_glyphs(index, u / 0.8, v / 0.8) + 0.08 * values[1]


# Name → function of the plane's coordinates (n, H, W) and the shape's own numbers.
KINDS: dict[str, Callable[[Tensor, Tensor, Values], Tensor]] = {
    function.__name__: function
    for function in (
        ellipse,
        rounded_rectangle,
        blob,
        convex_polygon,
        star_polygon,
        flower,
        limbs,
        vase,
        stroke,
        arc,
        ring,
        frame,
        hollow_blob,
        glyph,
    )
}
