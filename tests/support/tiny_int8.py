"""An artifact of the tiny model in int8: its layers are smaller than those that the scheme stores in int8."""

import json
from pathlib import Path

from converters.conversion import Source, write_artifact
from converters.export_modules.channels_last.image_encoder import ChannelsLastImageEncoder
from converters.export_modules.channels_last.mask_decoder import ChannelsLastMaskDecoder
from converters.io_spec import image_encoder_spec, mask_decoder_spec
from converters.manifest import component_entry, list_files
from converters.quantization.weight_formats import Integers
from converters.quantization.weight_matrix import large_layers
from converters.torchscript.export import export_torchscript
from converters.torchscript.options import TorchScriptOptions

OPTIONS = TorchScriptOptions("int8")


def write_tiny_int8(source: Source, output: Path) -> Path:
    """Convert to int8 as ``write_artifact`` does, but store all large layers in int8."""
    folder = write_artifact(source, OPTIONS, output)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_bytes())
    parts = {
        "image_encoder": (
            ChannelsLastImageEncoder(source.sam).eval(),
            image_encoder_spec(source.sam.variant),
            source.goldens.encoder_inputs(),
        ),
        "mask_decoder": (
            ChannelsLastMaskDecoder(source.sam).eval(),
            mask_decoder_spec(source.sam.variant, source.prompt_slots),
            source.goldens.decoder_inputs(),
        ),
    }
    for name, (module, spec, inputs) in parts.items():
        file = folder / manifest["components"][name]["file"]
        formats = dict.fromkeys(large_layers(module), Integers(8))
        calibration = source.calibrations[name]
        lite_file = export_torchscript(
            module, spec, OPTIONS, file, inputs, {}, formats, calibration
        )
        manifest["components"][name] = component_entry(spec, file, lite_file.operators, formats)
    manifest["files"] = list_files(folder)
    path.write_text(json.dumps(manifest))
    return folder
