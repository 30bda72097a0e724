"""Reading the masks of whole objects and of their parts from a label map."""

import torch
from torch import Tensor

from reference.scenes.painting import REGIONS

INSTANCES = 32  # most instances in a scene
MIN_AREA = 64  # pixels; a quarter of the square around the smallest object
MIN_VISIBLE = 0.2  # share of an object's area; with less in view, it cannot be recognized
MAX_COVER = 0.9  # share of the picture; a larger mask has hardly an edge and teaches nothing


def read_instances(labels: Tensor, full_area: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the masks, which of them are valid, and which whole each part belongs to.

    Args:
        labels: uint8 (B, H, W), the label maps after ``paint``.
        full_area: int64 (B, K), pixels that each object would have if nothing lay over it.

    Returns:
        ``masks``, ``valid`` and ``parents`` of ``Scenes``: bool (B, INSTANCES, H, W), bool (B, INSTANCES) and
        int64 (B, INSTANCES).
    """
    scenes, objects = full_area.shape
    valid = _valid(_areas(labels, objects), full_area, labels[0].numel()).flatten(1)
    order = valid.long().argsort(dim=1, descending=True, stable=True)
    place = order.argsort(dim=1)  # new index of each of the K*REGIONS labels
    order = order[:, :INSTANCES]
    order = torch.nn.functional.pad(order, (0, INSTANCES - order.shape[1]))
    valid = valid.gather(1, order) & (
        torch.arange(INSTANCES, device=labels.device) < valid.sum(1, keepdim=True)
    )
    is_part = order % REGIONS > 0
    whole = order - order % REGIONS
    parents = torch.where(valid & is_part, place.gather(1, whole), -1)
    return _masks(labels, order, valid), valid, parents


def _masks(labels: Tensor, wanted: Tensor, valid: Tensor) -> Tensor:
    """Return the masks (B, INSTANCES, H, W) of the wanted labels (B, INSTANCES). Region 0 stands for the whole."""
    masks = torch.zeros(*valid.shape, *labels.shape[1:], dtype=torch.bool, device=labels.device)
    wholes = labels & (256 - REGIONS)
    places = valid.nonzero().tolist()
    for (scene, place), label in zip(places, wanted[valid].tolist(), strict=True):
        source = labels if label % REGIONS else wholes
        torch.eq(source[scene], label, out=masks[scene, place])
    return masks


def _areas(labels: Tensor, objects: int) -> Tensor:
    """Count the visible pixels of every label: (B, K, REGIONS)."""
    scenes = len(labels)
    first = 256 * torch.arange(scenes, device=labels.device)[:, None]
    counts = torch.bincount((labels.flatten(1) + first).flatten(), minlength=256 * scenes)
    return counts.view(scenes, 256)[:, : objects * REGIONS].view(scenes, objects, REGIONS)


def _valid(area: Tensor, full_area: Tensor, picture: int) -> Tensor:
    """Return which labels are instances: bool (B, K, REGIONS), with the whole object in place of region 0."""
    whole = area.sum(2)
    valid_whole = (whole >= MIN_AREA) & (whole >= MIN_VISIBLE * full_area)
    valid_whole &= whole <= MAX_COVER * picture
    # A part that is almost all of the visible object is the same answer as the whole.
    rest = whole[..., None] - area
    valid_part = (area >= MIN_AREA) & (rest >= MIN_AREA) & valid_whole[..., None]
    return torch.cat([valid_whole[..., None], valid_part[..., 1:]], dim=2)
