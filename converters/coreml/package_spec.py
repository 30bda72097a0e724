"""The inputs and outputs of a package, where they differ from those of its module. The module imports nothing heavy."""

from dataclasses import replace

from converters.io_spec import ModuleSpec

IMAGE_INPUT = "image"


def package_spec(spec: ModuleSpec) -> ModuleSpec:
    """Return the specification of a package, whose photo is an image with 8 bits per channel and not a tensor."""
    inputs = (
        replace(tensor, dtype="RGB image, uint8") if tensor.name == IMAGE_INPUT else tensor
        for tensor in spec.inputs
    )
    return replace(spec, inputs=tuple(inputs))
