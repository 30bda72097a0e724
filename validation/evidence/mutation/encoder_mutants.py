"""Mistakes in the image encoder, which are made before it is traced."""

import copy
import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from converters.export_modules.batch_norms import fold_batch_norms
from converters.export_modules.channels_last.image_encoder import (
    ChannelsLastImageEncoder,
    HeadwiseAttention,
    WindowBlock,
)
from converters.export_modules.channels_last.layers import ChannelsLastConv2d
from reference.modeling.layers import LayerNorm2d
from reference.modeling.sam import Sam
from validation.evidence.mutation.mutant import ModuleMutant
from validation.stages import IMAGE_ENCODER

KERAS_EPSILON = 1e-3  # Keras' default for layer and batch normalization

mutant = functools.partial(
    ModuleMutant, format="torchscript", expected=IMAGE_ENCODER, component=IMAGE_ENCODER
)


class Then(nn.Module):
    """A module followed by a function of its outputs."""

    def __init__(self, module: nn.Module, function: Callable) -> None:
        super().__init__()
        self.module, self.function = module, function

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        outputs = self.module(*inputs)
        return self.function(*outputs) if isinstance(outputs, tuple) else self.function(outputs)


class After(nn.Module):
    """A module preceded by a function of its inputs."""

    def __init__(self, function: Callable, module: nn.Module) -> None:
        super().__init__()
        self.module, self.function = module, function

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        changed = self.function(*inputs)
        return self.module(*changed) if isinstance(changed, tuple) else self.module(changed)


def swap_embedding_axes(module: ChannelsLastImageEncoder, _: Sam) -> nn.Module:
    return Then(module, lambda embeddings: embeddings.transpose(2, 3))


def reshape_without_transposing(module: ChannelsLastImageEncoder, _: Sam) -> nn.Module:
    return Then(module, lambda x: x.permute(0, 2, 3, 1).reshape(x.shape))


def drop_bias(module: ChannelsLastImageEncoder, _: Sam) -> nn.Module:
    module.encoder.patch_embed.conv2.bias.data.zero_()
    return module


def double_bias(module: ChannelsLastImageEncoder, _: Sam) -> nn.Module:
    module.encoder.patch_embed.conv2.bias.data.mul_(2)
    return module


def use_keras_epsilon(module: nn.Module, _: Sam) -> nn.Module:
    for layer in module.modules():
        if isinstance(layer, nn.LayerNorm | LayerNorm2d):
            layer.eps = KERAS_EPSILON
    return module


def normalize_by_batch(module: ChannelsLastImageEncoder, sam: Sam) -> nn.Module:
    original = copy.deepcopy(sam.image_encoder.patch_embed.conv1).requires_grad_(False)
    norm = original.bn.train()
    module.encoder.patch_embed.conv1 = Then(
        ChannelsLastConv2d.of_strips(original.conv),
        lambda x: norm(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1),
    )
    return module


def forget_batch_norm(module: ChannelsLastImageEncoder, sam: Sam) -> nn.Module:
    original = sam.image_encoder.patch_embed.conv1.conv
    module.encoder.patch_embed.conv1 = ChannelsLastConv2d.of_strips(original)
    return module


def approximate_gelu(module: nn.Module, _: Sam) -> nn.Module:
    for layer in module.modules():
        if isinstance(layer, nn.GELU):
            layer.approximate = "tanh"
    return module


def use_mean_of_bgr(module: ChannelsLastImageEncoder, _: Sam) -> nn.Module:
    mean = module.encoder.patch_embed.pixel_mean
    mean.copy_(mean.flip(0))
    return module


def use_std_of_tensorflow(module: ChannelsLastImageEncoder, _: Sam) -> nn.Module:
    module.encoder.patch_embed.pixel_std.fill_(127.5)
    return module


def normalize_twice(module: ChannelsLastImageEncoder, sam: Sam) -> nn.Module:
    return After(lambda image: (image - sam.pixel_mean) / sam.pixel_std, module)


def expect_bgr(module: ChannelsLastImageEncoder, _: Sam) -> nn.Module:
    return After(lambda image: image.flip(1), module)


def halve_in_last_stage(module: ChannelsLastImageEncoder, _: Sam) -> nn.Module:
    module.encoder.stages[3].downsample.conv2.stride = (2, 2)
    return module


def halve_and_upsample(module: ChannelsLastImageEncoder, sam: Sam) -> nn.Module:
    halved = halve_in_last_stage(module, sam)
    return Then(halved, lambda embeddings: interpolate(embeddings, scale_factor=2.0))


def forget_attention_biases(module: ChannelsLastImageEncoder, _: Sam) -> nn.Module:
    for block in _blocks(module):
        block.attn.bias.biases.data.zero_()
    return module


def take_bias_of_next_block(module: ChannelsLastImageEncoder, _: Sam) -> nn.Module:
    first, second = module.encoder.stages[2].blocks[:2]
    first.attn.bias.biases.data.copy_(second.attn.bias.biases)
    return module


def forget_softmax_scale(module: ChannelsLastImageEncoder, sam: Sam) -> nn.Module:
    originals = [block for stage in sam.image_encoder.stages[1:] for block in stage.blocks]
    for block, original in zip(_blocks(module), originals, strict=True):
        block.attn.qkv = copy.deepcopy(original.attn.qkv)
    return module


class StackedHeads(HeadwiseAttention):
    """Splits the projection into q, k and v of all heads, as in ViT, instead of q, k, v of each head."""

    def _project(self, x: Tensor) -> Tensor:
        windows, tokens, _ = x.shape
        qkv = self.qkv(self.norm(x)).reshape(windows, tokens, 3, self.num_heads, -1)
        return qkv.transpose(2, 3)


def stack_heads(module: ChannelsLastImageEncoder, sam: Sam) -> nn.Module:
    original = sam.image_encoder.stages[2].blocks[0].attn
    module.encoder.stages[2].blocks[0].attn = StackedHeads(copy.deepcopy(original))
    return module


class BlockWithoutResidual(WindowBlock):
    """Replaces the tokens by the attention's output, instead of adding it."""

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp(self.local_conv(self._attend_in_windows(x, self.attn.bias())))


def drop_residual(module: ChannelsLastImageEncoder, sam: Sam) -> nn.Module:
    original = copy.deepcopy(sam.image_encoder.stages[2].blocks[0])
    fold_batch_norms(original)
    module.encoder.stages[2].blocks[0] = BlockWithoutResidual(original)
    return module


def skip_layer_norm(module: ChannelsLastImageEncoder, _: Sam) -> nn.Module:
    module.encoder.stages[2].blocks[0].mlp.norm = nn.Identity()
    return module


def ignore_image(module: ChannelsLastImageEncoder, sam: Sam) -> nn.Module:
    size = sam.variant.image_size
    return After(lambda image: torch.full((1, 3, size, size), 128.0) + 0 * image.mean(), module)


def transpose_kernel(module: ChannelsLastImageEncoder, _: Sam) -> nn.Module:
    weight = module.encoder.stages[2].blocks[0].attn.proj.weight
    weight.data.copy_(weight.data.T.clone())
    return module


def flip_kernels(module: ChannelsLastImageEncoder, _: Sam) -> nn.Module:
    weight = module.encoder.neck[2].weight
    weight.data.copy_(weight.data.flip(2, 3).clone())
    return module


def zero_channel(module: ChannelsLastImageEncoder, _: Sam) -> nn.Module:
    module.encoder.neck[2].weight.data[7] = 0
    return module


def put_nan(module: ChannelsLastImageEncoder, _: Sam) -> nn.Module:
    module.encoder.neck[2].weight.data[7, 0, 1, 1] = torch.nan
    return module


def _blocks(module: ChannelsLastImageEncoder) -> list[WindowBlock]:
    return [block for stage in module.encoder.stages[1:] for block in stage.blocks]


_MUTANTS = (
    ("embedding axes swapped", "rows and columns of the embeddings exchanged", swap_embedding_axes),
    (
        "embeddings reshaped, not transposed",
        "channels-last embeddings reshaped to channels first",
        reshape_without_transposing,
    ),
    ("bias dropped", "a convolution without the bias that batch norm folds into", drop_bias),
    ("bias doubled", "the folded bias added twice", double_bias),
    ("layer norm epsilon 1e-3", "Keras' default in every layer norm", use_keras_epsilon),
    (
        "batch norm in train mode",
        "the first batch norm uses the photo's own statistics",
        normalize_by_batch,
    ),
    ("batch norm forgotten", "a convolution's weights without the batch norm", forget_batch_norm),
    ("GELU by tanh", "the approximation instead of the exact function", approximate_gelu),
    ("mean in BGR order", "means of red and blue exchanged", use_mean_of_bgr),
    (
        "std of 127.5",
        "pixels scaled to −1…1, TensorFlow's convention, instead of by ImageNet's deviations",
        use_std_of_tensorflow,
    ),
    ("normalized twice, in the graph", "mean and deviation applied again", normalize_twice),
    ("BGR in the graph", "channels flipped before the first convolution", expect_bgr),
    (
        "stride 2 in the last stage",
        "TinyViT's own stride, which gives a grid of half the size",
        halve_in_last_stage,
    ),
    (
        "stride 2, then upsampled",
        "the same stride, with the grid resized to the right shape",
        halve_and_upsample,
    ),
    (
        "attention biases zero",
        "windows that ignore the positions of their tokens",
        forget_attention_biases,
    ),
    ("attention bias of another block", "the table of the next block", take_bias_of_next_block),
    ("softmax scale forgotten", "1/sqrt(d) missing in every window", forget_softmax_scale),
    (
        "heads stacked, not interleaved",
        "projections read as [q, k, v] of all heads instead of q, k, v of each head",
        stack_heads,
    ),
    ("residual dropped", "a block's attention replaces its input", drop_residual),
    ("layer norm skipped", "an MLP on tokens that were not normalized", skip_layer_norm),
    ("image ignored", "the graph uses a constant instead of the photo", ignore_image),
    ("kernel transposed", "a square linear layer stored as (in, out)", transpose_kernel),
    ("kernels flipped", "convolution instead of cross-correlation", flip_kernels),
    ("NaN in a weight", "NaN in one element of the last convolution", put_nan),
)

ENCODER_MUTANTS = (
    *(
        mutant(f"encoder: {name}", text, scheme="none", change=change)
        for name, text, change in _MUTANTS
    ),
    mutant(
        "encoder: channel zeroed",
        "zeros in one channel of the embeddings",
        scheme="fp16",
        change=zero_channel,
    ),
    mutant(
        "encoder: kernel transposed, int8",
        "a square linear layer stored as (in, out)",
        scheme="int8",
        change=transpose_kernel,
    ),
)
