"""Drawing the objects of a scene at random: their outlines, parts and looks."""

import dataclasses
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from reference.scenes.dice import Dice
from reference.scenes.layout import draw_centers, large_before_small, source_of_copies
from reference.scenes.looks import Looks, draw_looks
from reference.scenes.outlines import KINDS
from reference.scenes.rows import Rows
from reference.scenes.shapes import NUMBERS, REACH, Shapes

MIN_DIAMETER = 16  # pixels; smallest labeled object
MAX_DIAMETER = 0.5  # largest object, relative to the longer side of the frame
ADDITIONS = 2  # most shapes of an object beside its body

# Roles of an addition.
NOTHING, HOLE, INSET, CUT, ATTACHED = range(5)

# Kind of shape → how often it is the body of an object, and the shape of an addition.
BODY_WEIGHTS = {
    "ellipse": 3,
    "rounded_rectangle": 3,
    "blob": 5,
    "convex_polygon": 3,
    "star_polygon": 3,
    "flower": 1.5,
    "limbs": 4,
    "vase": 2,
    "stroke": 1.5,
    "arc": 1,
    "ring": 1,
    "frame": 1,
    "hollow_blob": 0.7,
    "glyph": 2.5,
}
ADDITION_WEIGHTS = {"ellipse": 3, "rounded_rectangle": 2, "blob": 2, "convex_polygon": 2}
SOLID = (
    "ellipse",
    "rounded_rectangle",
    "blob",
    "convex_polygon",
    "star_polygon",
    "flower",
    "limbs",
    "vase",
)


@dataclass(frozen=True)
class Objects(Rows):
    """A number n of flat objects that are painted one over the other. Lengths are in pixels."""

    body: Shapes
    body_looks: Looks
    additions: Shapes  # (n, ADDITIONS, …)
    addition_looks: Looks  # (n, ADDITIONS, …)
    role: Tensor  # int64 (n, ADDITIONS): NOTHING, HOLE, INSET, CUT or ATTACHED
    diameter: Tensor  # (n,), of the whole object
    softness: Tensor  # (n,), width of the edge
    light: Tensor  # (n, 2), increase of brightness from the middle to the rim, to the right and downwards
    rim: Tensor  # (n,), how much darker the rim is than the middle
    shadow: Tensor  # (n,), opacity of the shadow
    shadow_blur: Tensor  # (n,), width of the edge of the shadow
    shadow_offset: Tensor  # (n, 2), x and y

    def reach(self) -> Tensor:
        """Return the largest distance (n,) of the object, and of its shadow without offset, from the body's center."""
        shadow_blur = torch.where(self.shadow > 0, self.shadow_blur, 0)
        return self.diameter / 2 * REACH + torch.maximum(shadow_blur, self.softness) / 2 + 1

    def simplified(self, which: Tensor) -> "Objects":
        """Return the objects without patterns and textures in the scenes where ``which`` (B,) is True."""
        return dataclasses.replace(
            self,
            body_looks=self.body_looks.simplified(which),
            addition_looks=self.addition_looks.simplified(which),
        )

    def addition(self, slot: int, rows: Tensor) -> tuple[Shapes, Looks, Tensor]:
        """Return the shapes, looks and roles of one addition, for some of the objects."""

        def pick(field: Tensor) -> Tensor:
            return field[rows, slot]

        return (
            self.additions.map_fields(pick),
            self.addition_looks.map_fields(pick),
            pick(self.role),
        )


def draw_objects(
    dice: Dice, palette: Tensor, textures: int, diameter: Tensor, size: tuple[int, int]
) -> Objects:
    """Draw objects (B, K, …) at random, in the order in which they are painted.

    Args:
        dice: the dice of B scenes.
        palette: (B, PALETTE, 3), colors of each scene.
        textures: number of textures to choose from.
        diameter: (B, K), diameters in pixels, in any order. Some objects become copies of others, with about their
            size.
        size: (height, width) of the picture.
    """
    count = diameter.shape[1]
    source = source_of_copies(dice, count)
    design = _gather(_draw_designs(dice, palette, textures, count), source)
    least, most = diameter.amin(1, keepdim=True), diameter.amax(1, keepdim=True)
    diameter = large_before_small(dice, diameter).gather(1, source)
    is_copy = source != torch.arange(count)
    diameter = torch.where(is_copy, diameter * dice.uniform(0.8, 1.2, count), diameter)
    diameter = torch.minimum(torch.maximum(diameter, least), most)
    return _place(design, diameter, draw_centers(dice, diameter, size), _draw_angles(dice, design))


def _gather(design: Objects, source: Tensor) -> Objects:
    scene = torch.arange(len(source))[:, None]
    return design.map_fields(lambda field: field[scene, source])


def _draw_designs(dice: Dice, palette: Tensor, textures: int, count: int) -> Objects:
    """Draw upright objects (B, count, …) of diameter 2 around the origin. Widths are relative to the radius."""
    body = _draw_shapes(dice, BODY_WEIGHTS, (count,))
    role = _draw_roles(dice, body.kind, count)
    attached = role == ATTACHED
    shrink = torch.where(attached.any(2), 0.68, 1.0)
    body = dataclasses.replace(body, radius=body.radius * shrink)
    has_shadow = dice.chance(0.6, count)
    strong_light = dice.uniform(0, 1, count, 1) ** 2
    toward = dice.uniform(0, 2 * math.pi, 1, 1)  # one light source per scene
    direction = torch.cat([toward.cos(), toward.sin()], dim=2)
    return Objects(
        body=body,
        body_looks=draw_looks(dice, palette, textures, 0.55, (count,)),
        additions=_draw_additions(dice, role, count),
        addition_looks=draw_looks(dice, palette, textures, 0.4, (count, ADDITIONS)),
        role=role,
        diameter=torch.full(role.shape[:2], 2.0),
        softness=torch.where(
            dice.chance(0.2, count), dice.uniform(1, 5, count), dice.uniform(0.8, 1.6, count)
        ),
        light=-0.6 * strong_light * direction + 0.1 * dice.normal(count, 2),
        rim=torch.where(dice.chance(0.3, count), dice.uniform(0, 0.6, count), 0.0),
        shadow=torch.where(has_shadow, dice.uniform(0.1, 0.7, count), 0.0),
        shadow_blur=dice.uniform(0.03, 0.4, count),
        shadow_offset=direction * dice.uniform(0, 0.2, count, 1),
    )


def _draw_shapes(dice: Dice, weights: dict[str, float], shape: tuple[int, ...]) -> Shapes:
    """Draw shapes (B, *shape, …) of radius 1 around the origin."""
    kind = dice.choice([weights.get(name, 0) for name in KINDS], *shape)
    aspect = 1 - 0.7 * dice.uniform(0, 1, *shape) ** 2
    is_glyph = kind == list(KINDS).index("glyph")
    return Shapes(
        kind=kind,
        center=torch.zeros(*kind.shape, 2),
        radius=torch.ones(kind.shape),
        aspect=torch.where(is_glyph, aspect.clamp(min=0.7), aspect),
        angle=torch.zeros(kind.shape),
        wobble=torch.where(dice.chance(0.35, *shape), dice.uniform(0, 0.08, *shape), 0.0),
        numbers=dice.uniform(0, 1, *shape, NUMBERS),
    )


def _draw_roles(dice: Dice, kind: Tensor, count: int) -> Tensor:
    """Draw the roles (B, count, ADDITIONS) of additions. Thin bodies, hollow bodies and letters get none."""
    solid = torch.isin(kind, torch.tensor([list(KINDS).index(name) for name in SOLID]))
    role = dice.choice([0, 2, 3, 3, 3], count, ADDITIONS)
    role[..., 0] *= solid & dice.chance(0.45, count)
    role[..., 1] *= (role[..., 0] != NOTHING) & dice.chance(0.4, count)
    return role


def _draw_additions(dice: Dice, role: Tensor, count: int) -> Shapes:
    """Draw additions. Holes and insets lie within the body, cuts reach across it, and attached ones stick out."""
    shape = (count, ADDITIONS)
    shapes = _draw_shapes(dice, ADDITION_WEIGHTS, shape)
    distance = dice.uniform(0, 1, *shape)
    size = dice.uniform(0, 1, *shape)
    by_role = {
        HOLE: (0.4 * distance, 0.15 + 0.3 * size),
        INSET: (0.45 * distance, 0.2 + 0.4 * size),
        CUT: (1.5 + 0.9 * distance, 1.6 + 0.3 * size),
        ATTACHED: (0.55 + 0.1 * distance, 0.25 + 0.15 * size),
    }
    offset, radius = torch.zeros(role.shape), torch.ones(role.shape)
    for name, (its_offset, its_radius) in by_role.items():
        offset = torch.where(role == name, its_offset, offset)
        radius = torch.where(role == name, its_radius, radius)
    direction = dice.uniform(0, 2 * math.pi, *shape)
    # A narrow cut might miss the body.
    aspect = torch.where(role == CUT, shapes.aspect.clamp(min=0.8), shapes.aspect)
    return dataclasses.replace(
        shapes,
        center=offset[..., None] * torch.stack([direction.cos(), direction.sin()], dim=-1),
        radius=radius,
        aspect=aspect,
        angle=dice.uniform(0, 2 * math.pi, *shape),
    )


def _draw_angles(dice: Dice, design: Objects) -> Tensor:
    """Draw angles (B, count) in radians. Letters are nearly upright, and half of the others nearly upright or lying."""
    shape = design.role.shape[1:2]
    tilt = 0.08 * dice.normal(*shape)
    quarter = dice.choice([1, 1, 1, 1], *shape) * (math.pi / 2)
    free = dice.uniform(0, 2 * math.pi, *shape)
    straight = torch.where(dice.chance(0.5, *shape), quarter + tilt, free)
    upright = (design.body.kind == list(KINDS).index("glyph")) & dice.chance(0.7, *shape)
    return torch.where(upright, 3 * tilt, straight)


def _place(design: Objects, diameter: Tensor, center: Tensor, angle: Tensor) -> Objects:
    """Scale designs to their diameters, rotate them, and move them to their centers."""
    radius = diameter / 2
    cosine, sine = angle.cos()[..., None], angle.sin()[..., None]
    x, y = design.additions.center.unbind(-1)
    turned = torch.stack([x * cosine - y * sine, x * sine + y * cosine], dim=-1)
    return dataclasses.replace(
        design,
        body=dataclasses.replace(
            design.body, center=center, radius=design.body.radius * radius, angle=angle
        ),
        additions=dataclasses.replace(
            design.additions,
            center=center[:, :, None] + turned * radius[..., None, None],
            radius=design.additions.radius * radius[..., None],
            angle=design.additions.angle + angle[..., None],
        ),
        diameter=diameter,
        softness=torch.minimum(design.softness, diameter / 12 + 0.5),
        shadow_blur=(design.shadow_blur * radius).clamp(2, 24),
        shadow_offset=(design.shadow_offset * radius[..., None]).clamp(-16, 16),
    )
