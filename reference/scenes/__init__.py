"""Generated scenes: photo-like pictures with exact masks of every object and part, one scene per seed."""

from reference.common.lazy_names import lazy_names

_HOMES = {
    "INSTANCES": "reference.scenes.instances",
    "MIN_AREA": "reference.scenes.instances",
    "Scenes": "reference.scenes.scenes",
    "generate_scenes": "reference.scenes.scenes",
    "load_textures": "reference.scenes.textures",
}
__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
