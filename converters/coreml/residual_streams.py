"""Scaling values of a module by a power of two without changing its outputs.

A layer normalization gives the same answer for x and for s·x, if its epsilon is multiplied by s². A *stream* is a group
of values that convolutions write, and that layer normalizations and convolutions read. It can be scaled as a whole:
the weights and biases of its writers by s, and the weights of its readers by 1/s. If s is a power of two, no digit of
any weight changes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import singledispatch

import torch
from torch import Tensor, nn

from converters.export_modules.channels_first.image_encoder import ChannelsFirstImageEncoder
from converters.export_modules.channels_first.layers import ChannelLayerNorm
from converters.export_modules.channels_first.mask_decoder import ChannelsFirstMaskDecoder


@dataclass(frozen=True)
class Stream:
    """Values that share one scale.

    Attributes:
        name: path of the module that computes the values.
        writers: convolutions whose results belong to the stream.
        carriers: convolutions that read the stream and write to it.
        adders: modules that add values of the stream.
        norms: layer normalizations that read the stream.
        readers: convolutions that read the stream.
    """

    name: str
    writers: tuple[nn.Module, ...]
    norms: tuple[nn.LayerNorm, ...]
    carriers: tuple[nn.Module, ...] = ()
    adders: tuple[nn.Module, ...] = ()
    readers: tuple[nn.Module, ...] = ()

    @property
    def computed_by(self) -> tuple[nn.Module, ...]:
        """The modules whose results are values of the stream."""
        return (*self.writers, *self.carriers, *self.adders)

    @torch.no_grad()
    def scale(self, exponent: int) -> None:
        """Multiply the stream by 2**exponent, in place."""
        factor = 2.0**exponent
        for layer in self.writers:
            layer.weight *= factor
        for layer in (*self.writers, *self.carriers):
            if layer.bias is not None:
                layer.bias *= factor
        for layer in self.readers:
            layer.weight /= factor
        for norm in self.norms:
            norm.eps *= factor**2


@singledispatch
def streams_of(module: nn.Module) -> tuple[Stream, ...]:
    """Return the streams of an export module."""
    return ()


@streams_of.register
def _(module: ChannelsFirstImageEncoder) -> tuple[Stream, ...]:
    encoder = module.encoder
    # The first stage has activations between its convolutions, so it has no stream.
    transformer_stages = list(encoder.stages)[1:]
    readers = [stage.downsample.conv1 for stage in transformer_stages[1:]] + [encoder.neck[0]]
    stages = (
        Stream(
            name=f"encoder.stages.{number}",
            writers=(
                stage.downsample.conv3,
                *(block.attn.proj for block in stage.blocks),
                *(block.mlp.fc2 for block in stage.blocks),
            ),
            carriers=tuple(block.local_conv for block in stage.blocks),
            adders=tuple(stage.blocks),
            norms=(
                *(block.attn.norm for block in stage.blocks),
                *(block.mlp.norm for block in stage.blocks),
            ),
            readers=(reader,),
        )
        for number, (stage, reader) in enumerate(
            zip(transformer_stages, readers, strict=True), start=1
        )
    )
    return (*stages, *_normalized_convolutions("encoder.neck", encoder.neck))


@streams_of.register
def _(module: ChannelsFirstMaskDecoder) -> tuple[Stream, ...]:
    return (
        *_normalized_convolutions("prompts.mask_downscaling", module.prompts.mask_downscaling),
        *_normalized_convolutions("output_upscaling", module.output_upscaling),
    )


def _normalized_convolutions(name: str, layers: nn.Sequential) -> Iterable[Stream]:
    """Return a stream for each convolution that a normalization directly follows."""
    pairs = enumerate(zip(layers, layers[1:], strict=False))
    return (
        Stream(name=f"{name}.{index}", writers=(layer,), norms=(norm,))
        for index, (layer, norm) in pairs
        if isinstance(norm, ChannelLayerNorm)
    )


class ScaledLayerNorm(nn.Module):
    """A layer normalization that multiplies its input by 2**exponent. The input belongs to no stream."""

    def __init__(self, original: nn.LayerNorm, exponent: int) -> None:
        super().__init__()
        self.factor = 2.0**exponent
        self.original = original
        self.original.eps *= self.factor**2

    def forward(self, x: Tensor) -> Tensor:
        return self.original(x * self.factor)


def separate_norms(module: nn.Module) -> dict[str, nn.LayerNorm]:
    """Return path → layer normalization, for those whose input belongs to no stream."""
    in_streams = {norm for stream in streams_of(module) for norm in stream.norms}
    return {
        path: norm
        for path, norm in module.named_modules()
        if isinstance(norm, nn.LayerNorm) and norm not in in_streams
    }


def scale_in_place(module: nn.Module, exponents: Mapping[str, int]) -> None:
    """Scale streams, given by name, and the inputs of separate normalizations, given by path."""
    norms = separate_norms(module)
    for stream in streams_of(module):
        stream.scale(exponents.get(stream.name, 0))
    for path in norms.keys() & exponents.keys():
        module.set_submodule(path, ScaledLayerNorm(norms[path], exponents[path]))
