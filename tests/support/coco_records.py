"""Entries of a COCO file whose photos all have the same size."""

SIZE = (64, 96)  # height and width of every photo


def photo_record(number: int, **changes) -> dict:
    """Return an entry of ``images`` with some ``changes``."""
    height, width = SIZE
    name = f"photo{number}.png"
    return {"id": number, "file_name": name, "width": width, "height": height} | changes


def annotation_record(number: int, image: int, polygon: list | None = None, **changes) -> dict:
    """Return an entry of ``annotations`` with a polygon, by default a rectangle of 32×48 pixels."""
    polygon = [8, 8, 40, 8, 40, 56, 8, 56] if polygon is None else polygon
    return {"id": number, "image_id": image, "segmentation": [polygon]} | changes
