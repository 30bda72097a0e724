"""What is traced equals the reference, before any converter touches it."""

import itertools

import numpy as np
import pytest
import torch

from converters.export_modules.channels_first.image_encoder import ChannelsFirstImageEncoder
from converters.export_modules.channels_first.mask_decoder import ChannelsFirstMaskDecoder
from converters.export_modules.channels_last import layers as channels_last_layers
from converters.export_modules.channels_last.image_encoder import ChannelsLastImageEncoder
from converters.export_modules.channels_last.mask_decoder import ChannelsLastMaskDecoder
from converters.export_modules.prompt_encoder import GridPositionalEncoding
from converters.prompt_slots import fill_slots
from reference.common.errors import PromptError
from reference.photos.preprocessing import photo_to_frame

SLOTS = 8
LOGIT_TOLERANCE = 1e-3


ENCODERS = (ChannelsFirstImageEncoder, ChannelsLastImageEncoder)
DECODERS = (ChannelsFirstMaskDecoder, ChannelsLastMaskDecoder)


@pytest.fixture(scope="module", params=DECODERS)
def decoder(request, seeded_sam):
    return request.param(seeded_sam).eval()


@pytest.fixture(scope="module")
def embeddings(seeded_sam, china):
    frame = photo_to_frame(china, seeded_sam.frame_size, seeded_sam.mean_color)
    return seeded_sam.encode_image(torch.from_numpy(frame))


@pytest.fixture(scope="module")
def earlier_mask(seeded_sam, embeddings):
    points = torch.tensor([[[512.0, 320.0]]]), torch.ones(1, 1)
    return seeded_sam.decode_prompts(embeddings, points, None, None)[0][:, 1:2]


def run_decoder(decoder, embeddings, prompt):
    with torch.no_grad():
        return decoder(embeddings, *prompt.tensors)


def random_points(count):
    rng = np.random.default_rng(count)
    coords = torch.from_numpy(rng.uniform(0, 1024, (1, count, 2)).astype(np.float32))
    return coords, torch.from_numpy(rng.integers(0, 2, (1, count)).astype(np.float32))


@pytest.mark.parametrize(
    ("points", "with_box", "with_mask"),
    [
        (points, with_box, with_mask)
        for points, with_box, with_mask in itertools.product(
            range(SLOTS + 1), (False, True), (False, True)
        )
        if 1 <= points + 2 * with_box <= SLOTS
    ],
)
def test_slots_answer_as_the_reference(
    seeded_sam, decoder, embeddings, earlier_mask, points, with_box, with_mask
):
    prompt_points = random_points(points) if points else None
    box = torch.tensor([[100.0, 120.0, 600.0, 500.0]]) if with_box else None
    mask = earlier_mask if with_mask else None
    expected = seeded_sam.decode_prompts(embeddings, prompt_points, box, mask)
    prompt = fill_slots(SLOTS, 256, prompt_points, box, mask)
    actual = run_decoder(decoder, embeddings, prompt)
    torch.testing.assert_close(actual[0], expected[0], rtol=0, atol=LOGIT_TOLERANCE)
    torch.testing.assert_close(actual[1], expected[1], rtol=0, atol=1e-4)


def test_mask_prompt_alone_is_answered_as_by_the_reference(
    seeded_sam, decoder, embeddings, earlier_mask
):
    """A mask without points has no "not a point" token either."""
    expected = seeded_sam.decode_prompts(embeddings, None, None, earlier_mask)
    prompt = fill_slots(SLOTS, 256, None, None, earlier_mask)
    actual = run_decoder(decoder, embeddings, prompt)
    torch.testing.assert_close(actual[0], expected[0], rtol=0, atol=LOGIT_TOLERANCE)


def test_coordinates_of_empty_slots_do_not_matter(decoder, embeddings):
    prompt = fill_slots(SLOTS, 256, random_points(2), None, None)
    answer = run_decoder(decoder, embeddings, prompt)
    prompt.point_coords[:, 2:] = 777.0
    torch.testing.assert_close(run_decoder(decoder, embeddings, prompt), answer, rtol=0, atol=1e-5)


def test_the_not_a_point_token_matters(decoder, embeddings):
    """Without the box the same points get the token, so the answer differs."""
    alone = run_decoder(decoder, embeddings, fill_slots(SLOTS, 256, random_points(2), None, None))
    box = torch.tensor([[100.0, 120.0, 600.0, 500.0]])
    with_box = run_decoder(decoder, embeddings, fill_slots(SLOTS, 256, random_points(2), box, None))
    assert (alone[0] - with_box[0]).abs().max() > 0.01


def test_too_many_prompts_name_the_slots():
    with pytest.raises(PromptError, match="takes 9 slots .* has 8: .*--prompt-slots 9"):
        fill_slots(SLOTS, 256, random_points(9), None, None)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_image_encoder_answers_as_the_reference(encoder, seeded_sam, embeddings, china):
    frame = photo_to_frame(china, seeded_sam.frame_size, seeded_sam.mean_color)
    with torch.no_grad():
        actual = encoder(seeded_sam).eval()(torch.from_numpy(frame))
    torch.testing.assert_close(actual, embeddings, rtol=0, atol=1e-4)


def test_the_padding_of_8_bit_images_counts_as_the_mean_color(tiny_sam, china):
    """Core ML's images hold whole numbers only, so apps pad with the nearest color."""
    exact, whole = (
        torch.from_numpy(photo_to_frame(china, tiny_sam.frame_size, color))
        for color in (tiny_sam.mean_color, np.rint(tiny_sam.mean_color))
    )
    encoder = ChannelsFirstImageEncoder(tiny_sam).eval()
    with torch.no_grad():
        assert torch.equal(encoder(exact), encoder(whole))
        black = torch.from_numpy(photo_to_frame(china, tiny_sam.frame_size, np.zeros(3)))
        assert not torch.equal(encoder(exact), encoder(black.float()))


def test_many_prompt_slots_answer_as_the_reference(tiny_sam):
    """With so many slots the decoder projects the pixels, as the reference does."""
    embeddings = torch.randn(1, 64, 16, 16, generator=torch.Generator().manual_seed(0))
    points = random_points(3)
    expected = tiny_sam.decode_prompts(embeddings, points, None, None)
    for slots in (3, 60):
        actual = run_decoder(
            ChannelsLastMaskDecoder(tiny_sam).eval(),
            embeddings,
            fill_slots(slots, 64, points, None, None),
        )
        torch.testing.assert_close(actual, expected, rtol=0, atol=LOGIT_TOLERANCE)


@pytest.mark.parametrize("strip_bytes", [1, 100_000])
def test_strips_of_any_size_give_the_same_numbers(monkeypatch, tiny_sam, strip_bytes):
    """The smallest strips are single rows of pixels, of windows and of the decoder's image."""
    noise = torch.Generator().manual_seed(0)
    image = 255 * torch.rand(1, 3, 256, 256, generator=noise)
    embeddings = torch.randn(1, 64, 16, 16, generator=noise)
    prompt = fill_slots(SLOTS, 64, random_points(3), None, None)
    encoder = ChannelsLastImageEncoder(tiny_sam).eval()
    decoder = ChannelsLastMaskDecoder(tiny_sam).eval()
    with torch.no_grad():
        expected = encoder(image), *run_decoder(decoder, embeddings, prompt)
        monkeypatch.setattr(channels_last_layers, "STRIP_BYTES", strip_bytes)
        actual = encoder(image), *run_decoder(decoder, embeddings, prompt)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("image_format", [torch.contiguous_format, torch.channels_last])
def test_image_encoder_does_not_change_the_image(tiny_sam, image_format):
    """Several of its layers overwrite their input."""
    image = (255 * torch.rand(1, 3, 256, 256)).contiguous(memory_format=image_format)
    before = image.clone()
    with torch.no_grad():
        ChannelsLastImageEncoder(tiny_sam).eval()(image)
    assert torch.equal(image, before)


def test_mask_decoder_does_not_change_its_inputs(tiny_sam):
    embeddings, prompt = (
        torch.randn(1, 64, 16, 16),
        fill_slots(SLOTS, 64, random_points(3), None, None),
    )
    inputs = embeddings, *prompt.tensors
    before = [tensor.clone() for tensor in inputs]
    with torch.no_grad():
        ChannelsLastMaskDecoder(tiny_sam).eval()(*inputs)
    assert all(map(torch.equal, inputs, before))


@pytest.mark.parametrize("module", [*ENCODERS, *DECODERS])
def test_export_leaves_the_reference_alone(module, tiny_sam):
    before = {name: tensor.clone() for name, tensor in tiny_sam.state_dict().items()}
    module(tiny_sam)
    after = tiny_sam.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_grid_positional_encoding_is_the_references(seeded_sam):
    expected = seeded_sam.prompt_encoder.dense_positional_encoding().flatten(2).transpose(1, 2)
    actual = GridPositionalEncoding(seeded_sam.prompt_encoder)()
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5)
