"""Drawing masks and their prompts over a photo."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from reference.prompts import Prompt

Color = tuple[int, int, int]

# Colors of the objects, in order: IBM's palette for color-blind readers. Magenta comes first because few photos
# have much of it.
OBJECT_COLORS: tuple[Color, ...] = (
    (220, 38, 127),  # magenta
    (100, 143, 255),  # blue
    (255, 176, 0),  # gold
    (120, 94, 240),  # purple
    (254, 97, 0),  # orange
)
WHITE: Color = (255, 255, 255)
OBJECT_POINT: Color = (0, 150, 80)
BACKGROUND_POINT: Color = (213, 43, 30)

TINT_OPACITY = 115  # out of 255; the photo's texture stays visible under the mask
# Sizes are fractions of the photo's longer side, so that all photos look alike when they fill a screen.
LINES_PER_SIDE = 320  # line widths of a contour: 2 pixels in 640
RADII_PER_SIDE = 64  # radii of a point's marker: 10 pixels in 640
MARKER_MIN_RADIUS = 3  # pixels; below this, a disc and a cross look the same
# Markers are drawn this many times larger and then shrunk, because Pillow draws without antialiasing.
SMOOTHING = 4

STRIP_PIXELS = 4_000_000  # pixels that are painted at a time, to keep temporary masks small


def draw_overlay(
    image: np.ndarray, masks: Sequence[np.ndarray], prompts: Sequence[Prompt] = ()
) -> Image.Image:
    """Draw each object's mask in its own color, with its prompt on top.

    A mask is tinted and outlined. The outline has a colored line inside the mask and a white line around it. A point
    on the object is a green disc, a point on the background is a red cross, and a box is a frame in the color of its
    object. Lines are wider on larger photos.

    Example:
        >>> (segmentation,) = SAM().predict(image, points=[900, 370])
        >>> draw_overlay(image, [segmentation.masks[0]]).save("overlay.png")

    Args:
        image: RGB pixels, uint8 (H, W, 3). The array is not changed.
        masks: one boolean (H, W) mask per object.
        prompts: one prompt per object, in the same order, in pixels of the photo. Without them no prompt is drawn.

    Returns:
        An RGB picture of the same size as the photo.
    """
    canvas = Image.fromarray(image)
    line = line_width(image.shape[:2])
    for index, mask in enumerate(masks):
        _paint_mask(canvas, mask, object_color(index), line)
    for index, prompt in enumerate(prompts):
        _mark_prompt(canvas, prompt, object_color(index), line)
    return canvas


def object_color(index: int) -> Color:
    """Return the color of the object at ``index``. The colors repeat from the sixth object on."""
    return OBJECT_COLORS[index % len(OBJECT_COLORS)]


def line_width(image_size: tuple[int, int]) -> int:
    """Return the width of a contour in pixels, for a photo of (height, width)."""
    return max(1, round(max(image_size) / LINES_PER_SIDE))


def _paint_mask(canvas: Image.Image, mask: np.ndarray, color: Color, line: int) -> None:
    """Tint and outline a boolean (H, W) mask, strip by strip."""
    height, width = mask.shape
    rim = (line + 1) // 2
    rows = max(4 * line, STRIP_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        # A contour depends on its neighborhood, so a strip has ``line`` more rows on both sides.
        above, below = max(0, top - line), min(height, bottom + line)
        strip = mask[above:below]
        if not strip.any():
            continue
        inner = slice(top - above, bottom - above)
        around = ~strip[inner] & ~_erode(~strip, rim)[inner]
        canvas.paste(WHITE, (0, top), _alpha(around, 255))
        opacity = np.where(_erode(strip, line)[inner], np.uint8(TINT_OPACITY), np.uint8(255))
        canvas.paste(color, (0, top), Image.fromarray(opacity * strip[inner]))


def _alpha(mask: np.ndarray, opacity: int) -> Image.Image:
    return Image.fromarray(mask.astype(np.uint8) * np.uint8(opacity))


def _erode(mask: np.ndarray, steps: int) -> np.ndarray:
    """Remove ``steps`` pixels from the rim of a boolean (h, w) mask. The area outside the array counts as mask.

    The structuring elements alternate between a 3×3 cross and a 3×3 square. Together they make an octagon, so a wide
    contour is as wide on diagonals as on straight sides.
    """
    for step in range(steps):
        vertical = _narrow(mask, axis=0)
        mask = _narrow(vertical, axis=1) if step % 2 else vertical & _narrow(mask, axis=1)
    return mask


def _narrow(mask: np.ndarray, axis: int) -> np.ndarray:
    """Keep the pixels whose two neighbors along ``axis`` are both set."""
    narrowed = mask.copy()
    source, target = np.moveaxis(mask, axis, 0), np.moveaxis(narrowed, axis, 0)
    target[1:] &= source[:-1]
    target[:-1] &= source[1:]
    return narrowed


def _mark_prompt(canvas: Image.Image, prompt: Prompt, color: Color, line: int) -> None:
    if prompt.box is not None:
        _mark_box(canvas, prompt.box, color, line)
    radius = max(MARKER_MIN_RADIUS, round(max(canvas.size) / RADII_PER_SIDE))
    object_marker, background_marker = _disc_marker(radius), _cross_marker(radius)
    for (x, y), label in zip(prompt.point_coords, prompt.point_labels, strict=True):
        marker = object_marker if label else background_marker
        corner = (round(x) - radius, round(y) - radius)
        canvas.paste(marker, corner, marker)


def _mark_box(canvas: Image.Image, box: np.ndarray, color: Color, line: int) -> None:
    """Draw a frame with its colored line just inside the box and a white line on both sides of it."""
    draw = ImageDraw.Draw(canvas)
    rim = (line + 1) // 2
    # A box ends where pixel x2 begins, but a Pillow rectangle ends where pixel x2 ends.
    x1, y1, x2, y2 = np.rint(box).astype(int) - (0, 0, 1, 1)
    x2, y2 = max(x1, x2), max(y1, y2)
    for inset, width, ink in ((-rim, line + 2 * rim, WHITE), (0, line, color)):
        corners = (x1 + inset, y1 + inset, x2 - inset, y2 - inset)
        draw.rectangle([int(value) for value in corners], outline=ink, width=width)


def _disc_marker(radius: int) -> Image.Image:
    """Draw a green disc with a white rim, on a transparent square."""
    marker, draw, side = _blank_marker(radius)
    draw.ellipse((0, 0, side - 1, side - 1), fill=WHITE)
    rim = side * 0.14
    draw.ellipse((rim, rim, side - 1 - rim, side - 1 - rim), fill=OBJECT_POINT)
    return _shrink(marker)


def _cross_marker(radius: int) -> Image.Image:
    """Draw a red diagonal cross with a white rim, on a transparent square."""
    marker, draw, side = _blank_marker(radius)
    for width, margin, ink in ((0.46, 0.16, WHITE), (0.22, 0.2, BACKGROUND_POINT)):
        low, high = side * margin, side * (1 - margin)
        for line in ((low, low, high, high), (low, high, high, low)):
            draw.line(line, fill=ink, width=round(side * width))
    return _shrink(marker)


def _blank_marker(radius: int) -> tuple[Image.Image, ImageDraw.ImageDraw, int]:
    side = (2 * radius + 1) * SMOOTHING
    # Transparent pixels are white, not black, because shrinking mixes colors across the marker's edge.
    marker = Image.new("RGBA", (side, side), (*WHITE, 0))
    return marker, ImageDraw.Draw(marker), side


def _shrink(marker: Image.Image) -> Image.Image:
    return marker.resize((marker.width // SMOOTHING,) * 2, Image.Resampling.BOX)
