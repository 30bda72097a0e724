"""Packages of weights that exceed float16 are as close to the reference as packages of other weights."""

import numpy as np
import pytest
import torch

from converters.coreml.export import CoreMLExporter
from converters.coreml.format import COREML
from converters.coreml.options import CoreMLOptions
from converters.export_modules.channels_first.image_encoder import ChannelsFirstImageEncoder
from converters.io_spec import image_encoder_spec
from reference.photos.preprocessing import photo_to_frame
from tests.support.calibration import calibration_of
from validation import mil_runtime
from validation.engines.package_engine import frame_to_image
from validation.evidence.numbers.wide_streams import with_one_wide_channel, with_wide_streams
from validation.metrics import tensor_difference

LOST = 6.0  # dB of signal to noise that wide streams may cost, one bit


@pytest.fixture(scope="module")
def frame(tiny_sam, china):
    frame = photo_to_frame(china, tiny_sam.frame_size, np.rint(tiny_sam.mean_color))
    return torch.from_numpy(frame)


def signal_to_noise(sam, scheme, frame):
    """Return the signal-to-noise ratio in dB of the package's embeddings, against those of the reference."""
    module, spec = ChannelsFirstImageEncoder(sam).eval(), image_encoder_spec(sam.variant)
    exporter = CoreMLExporter(module, spec, (frame,), calibration_of(module, [(frame,)]))
    options = CoreMLOptions(scheme)
    converted = exporter.convert(options, COREML.weight_formats(module, options))
    program = mil_runtime.load(converted.model)
    found = program.predict({"image": frame_to_image(frame)})["image_embeddings"]
    return tensor_difference(found, sam.encode_image(frame).numpy()).sqnr


@pytest.fixture(scope="module")
def of_narrow_streams(tiny_sam, frame):
    return {scheme: signal_to_noise(tiny_sam, scheme, frame) for scheme in ("fp16", "int8")}


@pytest.mark.parametrize("make", [with_one_wide_channel, with_wide_streams])
@pytest.mark.parametrize(
    ("size", "scheme"),
    [
        (1e3, "fp16"),
        (1e5, "fp16"),
        pytest.param(1e2, "fp16", marks=pytest.mark.slow),
        pytest.param(1e4, "fp16", marks=pytest.mark.slow),
        pytest.param(1e2, "int8", marks=pytest.mark.slow),
        pytest.param(1e3, "int8", marks=pytest.mark.slow),
        pytest.param(1e4, "int8", marks=pytest.mark.slow),
        pytest.param(1e5, "int8", marks=pytest.mark.slow),
    ],
)
def test_wide_streams_cost_no_more_than_a_bit(
    make, size, scheme, tiny_sam, frame, of_narrow_streams
):
    found = signal_to_noise(make(tiny_sam, size), scheme, frame)
    assert found > of_narrow_streams[scheme] - LOST
