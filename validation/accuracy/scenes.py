"""Generated scenes with exact masks, which are never used for training."""

from collections.abc import Sequence

import numpy as np

from reference.scenes import generate_scenes
from validation.accuracy.samples import Instance, Sample

HELD_OUT_SEEDS = 2**48  # the first seed; training uses seeds below 2**40
DEFAULT_SCENES = 500
INSTANCES_PER_SCENE = 2  # at most; on a CPU their ten prompts take no longer than the image encoder
SIZES = ((768, 1024), (1024, 768), (480, 640), (640, 480), (1024, 1024), (576, 1024))  # H, W


class HeldOutScenes(Sequence[Sample]):
    """Scenes that are always the same. Each scene is generated when it is accessed."""

    def __init__(self, count: int = DEFAULT_SCENES) -> None:
        """Take the first ``count`` held-out scenes. Their order does not depend on ``count``."""
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self._count:
            raise IndexError(index)
        seed = HELD_OUT_SEEDS + index
        scene = generate_scenes([seed], SIZES[index % len(SIZES)])
        masks, parents = scene.masks[0].numpy(), scene.parents[0].tolist()
        visible = [i for i in np.flatnonzero(scene.valid[0].numpy()) if masks[i].any()]
        count = min(INSTANCES_PER_SCENE, len(visible))
        chosen = sorted(np.random.default_rng(seed).choice(visible, count, replace=False))
        return Sample(
            f"scene {index}",
            np.ascontiguousarray(scene.images[0].permute(1, 2, 0).numpy().astype(np.uint8)),
            tuple(Instance(f"object {i}", masks[i], parents[i] >= 0) for i in chosen),
        )
