"""A rollout prompts the model in coordinates of the frame, and the model learns from it."""

from dataclasses import replace

import pytest
import torch

from reference.modeling.sam import Sam
from reference.training.rollout import Place, Rollout, Targets
from tests.support.tiny_variant import TINY


@pytest.fixture
def sam():
    torch.manual_seed(0)
    return Sam(TINY)


def squares(size=64, offset=(0, 0), frame=TINY.image_size):
    """Return two pictures of a bright square on a dark ground."""
    masks = torch.zeros(2, 2, size, size, dtype=torch.bool)
    masks[0, :, 8:40, 16:40] = True
    masks[1, :, 20:60, 4:36] = True
    images = torch.where(masks[:, :1], 220.0, 30.0).expand(-1, 3, -1, -1)
    return Targets(images, masks, Place(frame, offset))


def test_a_model_learns_from_it(sam):
    rollout = Rollout(sam, clicks=1).train()
    optimizer = torch.optim.AdamW(sam.parameters(), 1e-3)
    losses = []
    for step in range(40):
        optimizer.zero_grad()
        loss, figures = rollout(squares(), torch.Generator().manual_seed(step))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.4 * losses[0]
    assert set(figures) == {
        "point_iou",
        "point_corrected_iou",
        "box_iou",
        "box_corrected_iou",
    }
    assert min(figures.values()) > 0.6


def test_without_corrections_the_first_answers_are_learned(sam):
    rollout = Rollout(sam, clicks=0).train()
    loss, figures = rollout(squares(), torch.Generator().manual_seed(0))
    loss.backward()
    assert set(figures) == {"point_iou", "box_iou"}
    untaught = {name for name, weight in sam.named_parameters() if weight.grad is None}
    assert untaught
    assert {name.rpartition("mask_downscaling")[0] for name in untaught} == {"prompt_encoder."}


@pytest.mark.parametrize("offset", [(0, 0), (128, 160)])
def test_balance_adds_a_loss_around_the_prompts(sam, offset):
    one = squares(offset=offset)
    targets = replace(one, masks=one.masks.repeat(1, 4, 1, 1))
    plain, balanced, twice = (
        Rollout(sam, clicks=1, balance=weight)(targets, torch.Generator().manual_seed(0))[0].item()
        for weight in (0.0, 1.0, 2.0)
    )
    assert balanced - plain > 0.1
    assert twice - plain == pytest.approx(2 * (balanced - plain), rel=1e-3)


def test_every_weight_is_learned(sam):
    loss, _ = Rollout(sam, clicks=1).train()(squares(), torch.Generator().manual_seed(0))
    loss.backward()
    assert [name for name, weight in sam.named_parameters() if weight.grad is None] == []


def test_a_crop_is_asked_about_in_its_place(sam, monkeypatch):
    asked = []
    forward = type(sam.prompt_encoder).forward

    def record(self, points, boxes, masks):
        asked.append((points, boxes))
        return forward(self, points, boxes, masks)

    monkeypatch.setattr(type(sam.prompt_encoder), "forward", record)
    positions = []
    decode = type(sam.mask_decoder).forward
    monkeypatch.setattr(
        type(sam.mask_decoder),
        "forward",
        lambda self, embeddings, *rest: (
            positions.append(rest[0]) or decode(self, embeddings, *rest)
        ),
    )
    Rollout(sam, clicks=1)(squares(offset=(96, 160)), torch.Generator().manual_seed(0))
    coords = asked[0][0][0]
    assert (coords[:, 0, 0] >= 96 + 4).all()
    assert (coords[:, 0, 1] >= 160 + 8).all()
    boxes = asked[2][1]
    torch.testing.assert_close(boxes[0], torch.tensor([112.0, 168, 135, 199]), atol=20, rtol=0)
    whole = sam.prompt_encoder.dense_positional_encoding()
    for part in positions:
        torch.testing.assert_close(part, whole[..., 10:14, 6:10])


def test_a_picture_may_be_a_frame_of_another_size(sam):
    """The picture is answered as by a model with a frame of that size."""
    sam.eval()
    small = Sam(replace(TINY, image_size=64)).eval()
    small.load_state_dict(sam.state_dict())
    losses = [
        Rollout(model, clicks=1)(squares(frame=64), torch.Generator().manual_seed(0))[0].item()
        for model in (sam, small)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    elsewhere = Rollout(sam, clicks=1)(squares(), torch.Generator().manual_seed(0))[0].item()
    assert elsewhere != pytest.approx(losses[0], rel=1e-3)


def test_only_the_best_of_three_learns_from_a_first_prompt(sam):
    targets = squares()
    one_picture = replace(targets, images=targets.images[:1], masks=targets.masks[:1])
    loss, _ = Rollout(sam, clicks=1).train()(one_picture, torch.Generator().manual_seed(0))
    loss.backward()
    learned = [
        any(weight.grad.any() for weight in mlp.parameters())
        for mlp in sam.mask_decoder.output_hypernetworks_mlps
    ]
    assert learned[0]  # whatever the prompt
    assert 1 <= sum(learned[1:]) <= 2  # one for the point, one for the box
