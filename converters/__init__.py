"""Converting the reference model to artifacts that run on phones.

``converters.convert("coreml", quantize="int8")`` converts a checkpoint, like the ``convert`` command.
"""

from reference.common.lazy_names import lazy_names
from reference.common.quiet import quiet_coremltools

quiet_coremltools()

_HOMES = {
    "convert": "converters.conversion",
    "load_source": "converters.conversion",
    "write_artifact": "converters.conversion",
    "CoreMLOptions": "converters.coreml.options",
    "TorchScriptOptions": "converters.torchscript.options",
}
__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
