"""Whole networks, converted as users convert them, agree with torch."""

import warnings

import coremltools as ct
import coremltools.optimize.coreml as cto
import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn

from validation import mil_runtime

pytestmark = pytest.mark.slow

# Small editions where an architecture has none: what is judged are operators and their order.
SMALL_SWIN = {"embed_dim": 48, "depths": (1, 1, 2, 1), "num_heads": (2, 4, 8, 16)}
NETWORKS = {
    "mobilenetv3_small_100": {},
    "efficientnet_b0": {},
    "convnext_atto": {},
    "vit_tiny_patch16_224": {},
    "swin_tiny_patch4_window7_224": SMALL_SWIN,
    "resnet18": {},
    "fastvit_t8": {},
    "mobileone_s0": {},
}
# Where branches are summed, weights must be smaller for activations to stay within float16.
GAINS = {"fastvit_t8": 0.5, "mobileone_s0": 0.3}
SIZE = 224
LOGITS = 1000
# Largest difference over the standard deviation of the logits.
FLOAT32_LIMIT = 1e-4
# Configuration and function of each scheme, and its own noise in dB below the logits, at most.
INT8 = {"mode": "linear_symmetric"}
INT4 = INT8 | {"dtype": "int4", "granularity": "per_block", "block_size": 16}
LUT4 = {"mode": "uniform", "nbits": 4}
SCHEMES = {
    "int8": (cto.OpLinearQuantizerConfig, INT8, cto.linear_quantize_weights, 20),
    "int4": (cto.OpLinearQuantizerConfig, INT4, cto.linear_quantize_weights, 3),
    "lut4": (cto.OpPalettizerConfig, LUT4, cto.palettize_weights, 1),
}


def compress(model, scheme, **options):
    """Return the model in a scheme, and the noise that it may have, relative to the signal."""
    config_type, settings, function, decibels = SCHEMES[scheme]
    config = config_type(**settings, **options)
    compressed = function(model, cto.OptimizationConfig(global_config=config))
    return compressed, 10 ** (-decibels / 20)


def seeded(module: nn.Module, gain: float = 1.0) -> nn.Module:
    """Set weights, and statistics of batch norms, that neither damp nor amplify a signal."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, gain * parameter[0].numel() ** -0.5, generator=generator)
            elif name.endswith("weight"):
                parameter.uniform_(0.8, 1.2, generator=generator)
        for name, statistic in module.named_buffers():
            if name.endswith("running_mean"):
                statistic.normal_(0, 0.1, generator=generator)
            elif name.endswith("running_var"):
                statistic.uniform_(0.8, 1.2, generator=generator)
    return module.eval()


def to_core_ml(module, example, precision=ct.precision.FLOAT32, **options):
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(module, example, check_trace=False)
        return ct.convert(
            traced,
            convert_to="mlprogram",
            compute_precision=precision,
            minimum_deployment_target=ct.target.iOS18,
            skip_model_load=True,
            **options,
        )


def predict(model, data, numerics="declared"):
    (output,) = mil_runtime.load(model, numerics).predict(data).values()
    return output


def noise(actual, wanted):
    """Return the largest and the root mean square error, relative to the spread of the expected values."""
    difference = (actual.astype(np.float64) - wanted) / wanted.std()
    return np.abs(difference).max(), np.sqrt(np.mean(difference**2))


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    """A seeded network with an input and its logits."""
    module = timm.create_model(request.param, pretrained=False, **NETWORKS[request.param])
    seeded(module, GAINS.get(request.param, 1.0))
    image = torch.randn(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits = module.double()(image.double()).numpy()
    assert logits.shape == (1, LOGITS) and logits.std() > 0
    return module.float(), image, logits


@pytest.fixture(scope="module")
def converted(network):
    module, image, _ = network
    return to_core_ml(module, image, inputs=[ct.TensorType("image", image.shape)])


def test_network_in_float32_is_torch(network, converted):
    _, image, logits = network
    for numerics in ("declared", "float64"):
        largest, _ = noise(predict(converted, {"image": image.numpy()}, numerics), logits)
        assert largest < FLOAT32_LIMIT


def test_network_in_float16_is_torch_but_for_rounding(network):
    module, image, logits = network
    inputs = [ct.TensorType("image", image.shape)]
    model = to_core_ml(module, image, ct.precision.FLOAT16, inputs=inputs)
    _, rounded = noise(predict(model, {"image": image.numpy()}), logits)
    _, exact = noise(predict(model, {"image": image.numpy()}, "float64"), logits)
    assert exact < rounded < 0.03


@pytest.mark.parametrize("scheme", SCHEMES)
def test_compressed_network_stays_near_the_original(network, converted, scheme):
    _, image, logits = network
    compressed, limit = compress(converted, scheme)
    actual = predict(compressed, {"image": image.numpy()})
    assert noise(actual, logits)[1] < limit
    # coremltools' own decompression must give the same network, rounding apart.
    plain = predict(cto.decompress_weights(compressed), {"image": image.numpy()})
    assert noise(actual, plain)[0] < FLOAT32_LIMIT


class CachedAttention(nn.Module):
    """One attention layer that keeps keys and values of the tokens before in its buffers."""

    def __init__(self, dim: int, heads: int, length: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.register_buffer("k_cache", torch.zeros(1, heads, length, dim // heads))
        self.register_buffer("v_cache", torch.zeros(1, heads, length, dim // heads))

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        """Attend with a token (1, 1, dim) at ``position`` (1,), and return (1, 1, dim)."""
        q, k, v = self.qkv(x).reshape(1, 1, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        steps = torch.arange(self.k_cache.shape[2])
        here = (steps == position).to(x.dtype)[None, None, :, None]
        self.k_cache[:, :] = self.k_cache * (1 - here) + k * here
        self.v_cache[:, :] = self.v_cache * (1 - here) + v * here
        past = torch.where(steps <= position, 0.0, -1e4)[None, None, None]
        scores = q @ self.k_cache.transpose(-1, -2) * q.shape[-1] ** -0.5 + past
        attended = scores.softmax(-1) @ self.v_cache
        return x + self.out(attended.transpose(1, 2).reshape(x.shape))


class TinyTransformer(nn.Module):
    """Two cached layers: the smallest model whose state matters."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(CachedAttention(32, 4, 16) for _ in range(2))

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x, position)
        return x


@pytest.mark.parametrize("scheme", [None, *SCHEMES])
def test_transformer_keeps_its_cache_in_a_state(scheme):
    model = seeded(TinyTransformer())
    tokens = torch.randn(8, 1, 1, 32, generator=torch.Generator().manual_seed(2))
    positions = torch.arange(8, dtype=torch.int32)[:, None]
    states = [
        ct.StateType(ct.TensorType(shape=buffer.shape, dtype=np.float16), name)
        for name, buffer in model.named_buffers()
    ]
    converted = to_core_ml(
        model,
        (tokens[0], positions[0]),
        ct.precision.FLOAT16,
        inputs=[ct.TensorType("x", (1, 1, 32)), ct.TensorType("position", (1,), np.int32)],
        states=states,
    )
    limit = 0.01
    if scheme is not None:
        converted, limit = compress(converted, scheme, weight_threshold=0)
    program = mil_runtime.load(converted)
    state = program.make_state()
    with torch.no_grad():
        wanted = [model(x, p).numpy() for x, p in zip(tokens, positions, strict=True)]
    got = [
        next(iter(program.predict({"x": x.numpy(), "position": p.numpy()}, state).values()))
        for x, p in zip(tokens, positions, strict=True)
    ]
    assert noise(np.stack(got), np.stack(wanted))[1] < limit
    last = {"x": tokens[-1].numpy(), "position": positions[-1].numpy()}
    (forgetful,) = program.predict(last, program.make_state()).values()
    assert noise(forgetful, got[-1])[1] > 0.1  # so it does remember
