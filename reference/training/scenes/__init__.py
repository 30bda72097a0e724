"""Generated scenes: photo-like pictures with exact masks of every object and part, from seeds."""

from reference.lazy_names import lazy_names

_HOMES = {
    "INSTANCES": "reference.training.scenes.instances",
    "MIN_AREA": "reference.training.scenes.instances",
    "Scenes": "reference.training.scenes.scenes",
    "generate_scenes": "reference.training.scenes.scenes",
    "load_textures": "reference.training.scenes.textures",
}
__all__ = list(_HOMES)
__getattr__ = lazy_names(__name__, _HOMES)
