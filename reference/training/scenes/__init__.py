"""Generated scenes: photo-like pictures with exact masks of every object and part, from seeds."""

from reference.training.scenes.instances import INSTANCES, MIN_AREA
from reference.training.scenes.scenes import Scenes, generate_scenes
from reference.training.scenes.textures import load_textures

__all__ = ["INSTANCES", "MIN_AREA", "Scenes", "generate_scenes", "load_textures"]
