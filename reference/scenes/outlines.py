"""Kinds of outlines as implicit functions of the plane: positive inside, negative outside, zero on the edge.

Each outline roughly fits the unit circle. Random numbers in 0…1 determine its form.
"""

import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor

from reference.scenes.glyphs import glyph_count, sample_glyphs

Values = list[Tensor]  # the random numbers of the shape, each (n, 1, 1)


def ellipse(u: Tensor, v: Tensor, values: Values) -> Tensor:
    return 1 - torch.hypot(u, v)


def rounded_rectangle(u: Tensor, v: Tensor, values: Values) -> Tensor:
    corner = 0.6 * values[0].square()
    u, v = u.abs() - (0.75 - corner), v.abs() - (0.75 - corner)
    return corner - torch.hypot(u.clamp(min=0), v.clamp(min=0)) - torch.maximum(u, v).clamp(max=0)


def blob(u: Tensor, v: Tensor, values: Values) -> Tensor:
    """A circle whose radius is a sum of harmonics of the angle, where higher harmonics are weaker."""
    harmonics = torch.arange(2, 7, device=u.device)[:, None, None]
    amplitude = torch.stack(values[2:7], dim=1) * 0.8 / harmonics  # (n, 5, 1, 1)
    phase = 2 * math.pi * torch.stack(values[7:12], dim=1)
    real, imaginary = (amplitude * phase.cos()).unbind(1), (amplitude * phase.sin()).unbind(1)
    radius = torch.hypot(u, v).clamp_(min=1e-4)
    cosine, sine = u / radius, v / radius
    outline, twice = torch.ones_like(u), 2 * cosine
    before, now = (1, 0), (cosine, sine)
    for harmonic in range(5):
        # cos((k + 1) t) = 2 cos t cos(k t) - cos((k - 1) t), and the same for sines
        before, now = now, tuple(twice * a - b for a, b in zip(now, before, strict=True))
        outline.addcmul_(real[harmonic], now[0]).addcmul_(imaginary[harmonic], now[1])
    return outline / (1 + amplitude.sum(1)) - radius


def convex_polygon(u: Tensor, v: Tensor, values: Values) -> Tensor:
    """The intersection of 3 to 8 half planes."""
    sides = (3 + 6 * values[0]).floor()[:, None]
    side = torch.arange(8, device=u.device)[:, None, None]
    value = torch.stack(values[1:9], dim=1)  # (n, 8, 1, 1)
    angle = (2 * math.pi / sides) * (side + 0.7 * (value - 0.5))
    offset = (math.pi / sides).cos() * (0.7 + 0.3 * (7 * value % 1))
    offset = torch.where(side < sides, offset, 10)  # too far away to matter
    inside = 1.1 - torch.hypot(u, v)  # cuts off corners of acute angles
    for cosine, sine, distance in zip(
        angle.cos().unbind(1), angle.sin().unbind(1), offset.unbind(1), strict=True
    ):
        inside = torch.minimum(inside, (distance - u * cosine).addcmul_(v, sine, value=-1))
    return inside


def star_polygon(u: Tensor, v: Tensor, values: Values) -> Tensor:
    """4 to 12 corners at equal angles, with random distances, or alternating between near and far."""
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
    """Four capsules joined smoothly, often far from convex."""
    joints = [(1.1 * values[2 * i] - 0.55, 1.1 * values[2 * i + 1] - 0.55) for i in range(5)]
    joined = None
    for index, start in enumerate(joints[:4]):
        end = joints[index + 1] if index < 3 else joints[1]  # the last one starts in the middle
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
    """A shape that is symmetric about its axis, such as a bottle, a vase, a lamp or a pawn."""
    profile = 0.32
    for wave in range(1, 4):
        phase = 6.3 * values[wave + 4]
        profile = profile + (0.2 / wave) * (values[wave] - 0.3) * torch.sin(wave * 2.6 * u + phase)
    return torch.minimum(profile.clamp(min=0.08) - v.abs(), 0.9 - u.abs())


def stroke(u: Tensor, v: Tensor, values: Values) -> Tensor:
    """A thin line along a cubic Bézier curve."""
    start, end = torch.full_like(values[0], -0.9), torch.full_like(values[0], 0.9)
    control_u = torch.stack([start, 1.6 * values[0] - 1.1, 1.6 * values[1] - 0.5, end], dim=-1)
    spread = zip((0.8, 1.6, 1.6, 0.8), values[2:6], strict=True)
    control_v = torch.stack([width * (value - 0.5) for width, value in spread], dim=-1)
    t = torch.linspace(0, 1, 13, device=u.device)
    weights = torch.stack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3], dim=-1)
    curve_u, curve_v = (
        (weights * control).sum(-1)[..., None].unbind(2) for control in (control_u, control_v)
    )  # 13 points, each (n, 1, 1)
    points = list(zip(curve_u, curve_v, strict=True))
    nearest = _segment_distance(u, v, points[0], points[1])
    for first, second in itertools.pairwise(points[1:]):
        nearest = torch.minimum(nearest, _segment_distance(u, v, first, second))
    return 0.03 + 0.09 * values[6] - nearest


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


# Name → function of the coordinates (n, H, W) in the plane and the random numbers of the shape.
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
