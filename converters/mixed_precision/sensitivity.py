"""Measuring how much each way to store a weight costs the masks.

An error E of a weight changes a mask logit by the inner product of E and the logit's gradient, to first order. So one
backward pass tells the effect of every format of every layer. The logits of a mask are too many for one pass each. But
their sum with random signs has the same mean square effect (Hutchinson's estimator), and a few sums are enough.

Not every logit matters. A pixel changes sides only if its logit is near 0, and the fewer pixels a mask has, the more
does each of them count. The weight of a logit says so.
"""

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from converters.mixed_precision.allocation import Layer
from converters.mixed_precision.examination import PhotoInputs
from converters.quantization.logit_weights import logit_weights
from converters.quantization.quantized_weight import QuantizedWeight
from converters.quantization.weight_formats import WeightFormat

# For each layer, the weight in each format.
RoundedWeights = Mapping[Layer, Mapping[WeightFormat, QuantizedWeight]]

_PROBES = 2  # random sums for each photo
_DIGITS = (
    3  # of a loss. The last bits of float32 sums differ between two runs, and must not decide.
)


def measure_losses(
    encoder: nn.Module,
    decoder: nn.Module,
    photos: Sequence[PhotoInputs],
    rounded: RoundedWeights,
) -> dict[Layer, dict[WeightFormat, float]]:
    """Return the loss of each layer in each format.

    A loss is the mean square change of the masks of a prompt, relative to their areas, and of the predicted IoUs.

    Args:
        encoder: the image encoder.
        decoder: the mask decoder.
        photos: what is asked about each photo.
        rounded: the weights in each format.
    """
    generator = torch.Generator().manual_seed(0)
    modules = {"image_encoder": encoder, "mask_decoder": decoder}
    layers = {name: [layer for layer in rounded if layer.component == name] for name in modules}
    weights = {
        name: [modules[name].get_submodule(layer.path).weight for layer in layers[name]]
        for name in modules
    }
    squares: dict[Layer, dict[WeightFormat, list[float]]] = {
        layer: defaultdict(list) for layer in rounded
    }

    def record(name: str, gradients: Sequence[Tensor | None]) -> None:
        for layer, weight, gradient in zip(layers[name], weights[name], gradients, strict=True):
            for weight_format, candidate in rounded[layer].items():
                effect = 0.0
                if gradient is not None:  # no output depends on the layer otherwise
                    effect = ((candidate.values - weight.detach()) * gradient).sum().item()
                squares[layer][weight_format].append(effect**2)

    with _gradients_of([*weights["image_encoder"], *weights["mask_decoder"]]):
        for frame, prompts in photos:
            embeddings = encoder(frame)
            for probe in range(_PROBES):
                gradient = torch.zeros_like(embeddings)
                for start, objective in _objectives(decoder, embeddings, prompts, generator):
                    at_start, *at_weights = torch.autograd.grad(
                        objective, [start, *weights["mask_decoder"]], allow_unused=True
                    )
                    record("mask_decoder", at_weights)
                    gradient += at_start
                # The prompts have independent signs, so their sum has the sum of their squares.
                gradient /= len(prompts) ** 0.5
                at_weights = torch.autograd.grad(
                    embeddings,
                    weights["image_encoder"],
                    gradient,
                    retain_graph=probe + 1 < _PROBES,
                    allow_unused=True,
                )
                record("image_encoder", at_weights)
    return {
        layer: {weight_format: _rounded(sum(of) / len(of)) for weight_format, of in formats.items()}
        for layer, formats in squares.items()
    }


@contextlib.contextmanager
def _gradients_of(weights: Sequence[Tensor]) -> Iterator[None]:
    """Record how results depend on the weights in the block."""
    before = [weight.requires_grad for weight in weights]
    for weight in weights:
        weight.requires_grad_()
    try:
        with torch.enable_grad():
            yield
    finally:
        for weight, had_gradient in zip(weights, before, strict=True):
            weight.requires_grad_(had_gradient)


def _objectives(
    decoder: nn.Module,
    embeddings: Tensor,
    prompts: Sequence[tuple[Tensor, ...]],
    generator: torch.Generator,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield, for each prompt, a copy of the embeddings, and a random sum of the answers that depends on it."""
    for prompt in prompts:
        start = embeddings.detach().requires_grad_()
        masks, scores = decoder(start, *prompt[1:])
        weights = logit_weights(masks.detach()).sqrt()
        yield (
            start,
            (masks * weights * _signs(masks, generator)).sum()
            + (scores * _signs(scores, generator)).sum(),
        )


def _signs(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randint(0, 2, like.shape, generator=generator) * 2.0 - 1.0


def _rounded(loss: float) -> float:
    return float(f"{loss:.{_DIGITS}g}")
