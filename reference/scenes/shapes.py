"""Computing the distance of pixels from outlines of any kind, size and rotation."""

from dataclasses import dataclass

import torch
from torch import Tensor

from reference.scenes.outlines import KINDS
from reference.scenes.rows import Rows, indices

NUMBERS = 16  # random numbers that may determine the form of a shape


@dataclass(frozen=True)
class Shapes(Rows):
    """A number n of outlines in a picture. Lengths are in pixels, x before y.

    The function of a kind has its own plane, in which the outline roughly fits the unit circle (see ``REACH``).
    ``radius``, ``aspect``, ``angle`` and ``center`` place it in the picture.
    """

    kind: Tensor  # int64 (n,), index into KINDS
    center: Tensor  # (n, 2)
    radius: Tensor  # (n,)
    aspect: Tensor  # (n,), height / width before the rotation
    angle: Tensor  # (n,), radians
    wobble: Tensor  # (n,), amplitude of the waves that bend it, relative to the radius
    numbers: Tensor  # (n, NUMBERS), 0…1


REACH = 1.15  # radii; no point of an outline is farther from its center


def signed_distance(shapes: Shapes, kinds: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return the distance (n, H, W) from the outline in pixels, positive inside. It is exact only near the outline.

    Args:
        shapes: n outlines.
        kinds: a copy of the kinds on the CPU, which avoids waiting for a GPU.
        x: (n, 1, W), pixel centers.
        y: (n, H, 1), pixel centers.
    """
    u, v = _own_plane(shapes, x, y)
    field = torch.empty_like(u)
    for kind in kinds.unique().tolist():
        rows = indices(kinds == kind).to(u.device)
        values = list(shapes.numbers[rows][..., None, None].unbind(1))
        field[rows] = list(KINDS.values())[kind](u[rows], v[rows], values)
    return _to_pixels(field, shapes.radius[:, None, None])


def _own_plane(shapes: Shapes, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the coordinates u and v (n, H, W) of pixels in the planes where the outlines fit the unit circle."""
    x, y = x - shapes.center[:, 0, None, None], y - shapes.center[:, 1, None, None]
    cosine = (shapes.angle.cos() / shapes.radius)[:, None, None]
    sine = (shapes.angle.sin() / shapes.radius)[:, None, None]
    aspect = shapes.aspect[:, None, None]
    u = x * cosine + y * sine
    v = y * (cosine / aspect) - x * (sine / aspect)
    *_, phase, pitch = shapes.numbers[..., None, None].unbind(1)
    frequency = 3 * 8**pitch  # long waves bend an outline, short ones roughen it
    wobble = torch.minimum(shapes.wobble[:, None, None], 0.5 / frequency)
    u = torch.addcmul(u, wobble, torch.sin(frequency * v + 6.3 * phase))
    return u, torch.addcmul(v, wobble, torch.sin(frequency * u + 9.1 * phase))


def _to_pixels(field: Tensor, radius: Tensor) -> Tensor:
    """Divide a field (n, H, W) by its slope, so that it measures pixels across the outline."""
    padded = torch.nn.functional.pad(field[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    slope_x = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    slope_y = padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]
    # The slope is at least half of the usual one, so that ridges and plateaus do not become cliffs.
    slope = 0.5 * slope_x.square().addcmul_(slope_y, slope_y).sqrt_()
    return field / torch.maximum(slope, 0.5 / radius)
