"""Checkpoints of training scripts and other libraries are found and renamed, or refused with what they seem to be."""

import argparse
import array
import collections
import datetime
import pathlib
import shlex

import numpy as np
import pytest
import safetensors.torch
import torch

from reference.common.errors import CheckpointError
from reference.modeling.sam import Sam
from reference.weights.checkpoint import Checkpoint, load_weights, resolve_checkpoint
from reference.weights.official_names import is_counter, layout_of, official_layout
from reference.weights.seeded_weights import seeded_state_dict
from tests.support.tiny_variant import TINY


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    """Tiny weights under the official names."""
    return seeded_state_dict(official_layout(Sam(TINY)))


def saved(path: pathlib.Path, content: object, **options: object) -> Checkpoint:
    """Save this content to a file, and return what is read from it."""
    torch.save(content, path / "mine.pt", **options)
    return resolve_checkpoint(path / "mine.pt", TINY)


def refusal(path: pathlib.Path, content: object) -> str:
    """Return the one line that says why a file with this content is not loaded."""
    torch.save(content, path / "mine.pt")
    with pytest.raises(CheckpointError) as caught:
        checkpoint = resolve_checkpoint(path / "mine.pt", TINY)
        load_weights(Sam(TINY), checkpoint.state_dict, f"'{checkpoint.name}'")
    message = str(caught.value)
    assert "\n" not in message
    return message


def assert_is(checkpoint: Checkpoint, weights: dict[str, torch.Tensor]) -> None:
    """Check that the checkpoint has exactly these weights."""
    used = {name: tensor for name, tensor in checkpoint.state_dict.items() if not is_counter(name)}
    expected = {name: tensor for name, tensor in weights.items() if not is_counter(name)}
    assert layout_of(used) == layout_of(expected)
    assert all(torch.equal(used[name], expected[name]) for name in expected)


def prefixed(prefix: str, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in weights.items()}


OPTIMIZER = {
    "state": {0: {"step": torch.tensor(7.0), "exp_avg": torch.full((3,), torch.inf)}},
    "param_groups": [{"lr": 1e-4, "params": [0]}],
}


class TestWhereTheWeightsAre:
    @pytest.mark.parametrize("key", ["model", "state_dict", "model_state_dict", "ema", "generator"])
    def test_weights_are_found_in_any_wrapper(self, tmp_path, weights, key):
        content = {"epoch": 3, key: weights, "optimizer": OPTIMIZER, "loss": [0.5, 0.25]}
        checkpoint = saved(tmp_path, content)
        assert_is(checkpoint, weights)
        assert checkpoint.note == (f"found at ['{key}']; left out: 'epoch', 'optimizer', 'loss'")

    def test_weights_are_found_in_wrappers_in_wrappers(self, tmp_path, weights):
        content = {"ema": {"module": {"params": weights}, "updates": 12}, "date": "today"}
        checkpoint = saved(tmp_path, content)
        assert_is(checkpoint, weights)
        assert checkpoint.note == (
            "found at ['ema']['module']['params']; left out: 'date', 'updates'"
        )

    @pytest.mark.parametrize(
        ("wrap", "note"),
        [
            (lambda weights: (weights, 7), "found at [0]; left out: 1"),
            (lambda weights: [7, {"sam": weights}], "found at [1]['sam']; left out: 0"),
            (lambda weights: {"models": [weights]}, "found at ['models'][0]"),
        ],
    )
    def test_weights_are_found_in_lists(self, tmp_path, weights, wrap, note):
        checkpoint = saved(tmp_path, wrap(weights))
        assert_is(checkpoint, weights)
        assert checkpoint.note == note

    def test_an_official_file_needs_no_note(self, tmp_path, weights):
        assert saved(tmp_path, weights).note == ""

    @pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "net.", "module.sam.", "x.y."])
    def test_any_prefix_is_removed(self, tmp_path, weights, prefix):
        checkpoint = saved(tmp_path, prefixed(prefix, weights))
        assert_is(checkpoint, weights)
        assert checkpoint.note == f"found at prefix '{prefix}'"

    def test_a_prefix_in_a_wrapper_is_removed(self, tmp_path, weights):
        content = {"state_dict": prefixed("model._orig_mod.", weights), "hyper_parameters": {}}
        checkpoint = saved(tmp_path, content)
        assert_is(checkpoint, weights)
        assert "found at ['state_dict'], prefix 'model._orig_mod.'" in checkpoint.note

    def test_parts_may_be_compiled_or_parallel_alone(self, tmp_path, weights):
        marks = {
            "image_encoder.": "image_encoder._orig_mod.",
            "mask_decoder.transformer.": "mask_decoder.transformer._fsdp_wrapped_module.",
            "prompt_encoder.": "prompt_encoder.module.",
        }
        named = dict(weights)
        for part, marked in marks.items():
            named = {name.replace(part, marked): tensor for name, tensor in named.items()}
        assert_is(saved(tmp_path, named), weights)

    def test_parts_may_be_in_dicts_of_their_own(self, tmp_path, weights):
        parts: dict[str, dict] = {}
        for name, tensor in weights.items():
            part, rest = name.split(".", 1)
            parts.setdefault(part, {})[rest] = tensor
        assert_is(saved(tmp_path, {**parts, "optimizer": OPTIMIZER}), weights)

    def test_averaged_model_is_read(self, tmp_path):
        sam = Sam(TINY).eval()
        load_weights(sam, seeded_state_dict(official_layout(sam)))
        averaged = torch.optim.swa_utils.AveragedModel(sam)
        checkpoint = saved(tmp_path, averaged.state_dict())
        assert_is(checkpoint, seeded_state_dict(official_layout(sam)))
        assert "left out: 'n_averaged'" in checkpoint.note

    def test_other_modules_beside_the_model_are_left_out(self, tmp_path, weights):
        content = prefixed("student.", weights) | {
            "criterion.weight": torch.ones(4),
            "teacher.image_encoder.pos_embed": torch.ones(1, 64, 64, 768),
        }
        checkpoint = saved(tmp_path, content)
        assert_is(checkpoint, weights)
        assert "left out: 'criterion.weight', 'teacher.…'" in checkpoint.note

    def test_this_projects_own_state_dict_is_read(self, tmp_path):
        sam = Sam(TINY)
        load_weights(sam, seeded_state_dict(official_layout(sam)))
        checkpoint = saved(tmp_path, sam.state_dict())
        assert_is(checkpoint, seeded_state_dict(official_layout(sam)))
        assert checkpoint.note == "renamed from this project's names"

    def test_a_dict_that_holds_itself(self, tmp_path, weights):
        content = {"model": weights}
        content["self"] = content
        assert_is(saved(tmp_path, content), weights)

    def test_many_names_are_left_out_in_short(self, tmp_path, weights):
        content = {"model": weights, **{f"entry{i}": i for i in range(9)}, "a\x1b\nb": 1}
        note = saved(tmp_path, content).note
        assert note.endswith("'entry4' and 5 more")


class TestKindsOfNumbers:
    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
    def test_tensors_may_be_of_another_type(self, tmp_path, weights, dtype):
        content = {name: tensor.to(dtype) for name, tensor in weights.items()}  # counters as well
        checkpoint = saved(tmp_path, {"model": prefixed("module.", content)})
        sam = Sam(TINY)
        load_weights(sam, checkpoint.state_dict)
        name = "mask_decoder.iou_token.weight"
        assert torch.equal(sam.state_dict()[name], weights[name].to(dtype).float())

    def test_counters_beyond_half_precision_are_accepted(self, tmp_path, weights):
        content = {
            name: torch.tensor(torch.inf, dtype=torch.float16) if is_counter(name) else tensor
            for name, tensor in weights.items()
        }
        load_weights(Sam(TINY), saved(tmp_path, content).state_dict)

    @pytest.mark.parametrize(
        "change",
        [
            lambda counter: counter.reshape(1),
            lambda counter: counter.bool(),
            lambda counter: counter.to("meta"),
        ],
        ids=["shape", "type", "no data"],
    )
    def test_counters_of_any_kind_are_accepted(self, tmp_path, weights, change):
        content = {
            name: change(tensor) if is_counter(name) else tensor for name, tensor in weights.items()
        }
        load_weights(Sam(TINY), saved(tmp_path, content).state_dict)

    @pytest.mark.parametrize(
        "name", ["image_encoder.head.bias", "image_encoder.layers.1.blocks.0.attn.ab"]
    )
    def test_not_finite_where_nothing_is_read(self, tmp_path, weights, name):
        checkpoint = saved(tmp_path, weights | {name: torch.full((4,), torch.nan)})
        load_weights(Sam(TINY), checkpoint.state_dict)

    def test_counters_may_be_missing(self, tmp_path, weights):
        content = {name: tensor for name, tensor in weights.items() if not is_counter(name)}
        sam = Sam(TINY)
        load_weights(sam, saved(tmp_path, content).state_dict)
        counters = [tensor for name, tensor in sam.state_dict().items() if is_counter(name)]
        assert counters
        assert all(counter == 0 for counter in counters)

    def test_buffers_that_follow_from_others(self, tmp_path, weights):
        blocks = "image_encoder.layers.1.blocks.0.attn."
        extra = {
            f"{blocks}attention_bias_idxs": torch.zeros(4, 4, dtype=torch.int64),
            f"{blocks}ab": torch.zeros(1, 4, 4),
            "pixel_mean": torch.tensor(TINY.pixel_mean).reshape(3, 1, 1),
            "pixel_std": torch.tensor(TINY.pixel_std).reshape(3, 1, 1),
        }
        load_weights(Sam(TINY), saved(tmp_path, weights | extra).state_dict)

    def test_another_normalization_of_pixels_is_refused(self, tmp_path, weights):
        content = weights | {"pixel_mean": torch.tensor([0.485, 0.456, 0.406])}
        assert "surplus (pixel_mean)" in refusal(tmp_path, content)

    def test_numbers_beside_the_weights_may_be_nan(self, tmp_path, weights):
        assert_is(saved(tmp_path, {"model": weights, "loss": torch.tensor(torch.nan)}), weights)

    def test_weights_that_are_nan_are_refused(self, tmp_path, weights):
        name = "mask_decoder.iou_token.weight"
        bad = weights | {name: torch.full_like(weights[name], torch.nan)}
        assert f"NaN or infinity in '{name}'" in refusal(tmp_path, {"model": bad})


class TestBesideTheWeights:
    @pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
    def test_what_has_no_effect_is_left_out(self, tmp_path, weights, legacy):
        harmless = {
            "numbers": [np.int64(3), np.float32(0.25), np.float64(0.5), np.bool_(True)],
            "array": np.arange(6.0).reshape(2, 3),
            "random": np.random.RandomState(0).get_state(),
            "dtype": np.dtype("float32"),
            "args": argparse.Namespace(lr=1e-4, seeds=[1, 2], output=pathlib.Path("runs")),
            "paths": (pathlib.PurePosixPath("a/b"), pathlib.PureWindowsPath("a/b")),
            "date": datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
            "counts": [collections.Counter("ab"), collections.defaultdict(list, a=[1])],
            "ordered": collections.OrderedDict(a={1, 2}),
            "version": torch.__version__,
            "nothing": None,
            "losses": collections.deque([0.5, 0.25], maxlen=9),
            "range": [range(3), slice(1, 2)],
            "generators": [np.random.default_rng(0), np.random.RandomState(0)],
            "masked": [np.ma.masked_array([1.0], [0]), array.array("f", [1])],
            "collections": [collections.ChainMap({}), collections.UserDict(a=1)],
        }
        content = {"model": weights, "optimizer": OPTIMIZER, **harmless, "nested": harmless}
        checkpoint = saved(tmp_path, content, _use_new_zipfile_serialization=not legacy)
        assert_is(checkpoint, weights)

    def test_numbers_of_numpy_1_are_read(self, tmp_path, weights):
        """Scalars of numpy 1 name a module that has another name in numpy 2."""
        content = {"model": weights, "epoch": np.int64(3)}
        torch.save(content, tmp_path / "new.pt", _use_new_zipfile_serialization=False)
        new = (tmp_path / "new.pt").read_bytes()
        assert b"numpy._core.multiarray\n" in new
        old = new.replace(b"numpy._core.multiarray\n", b"numpy.core.multiarray\n")
        (tmp_path / "old.pt").write_bytes(old)
        assert_is(resolve_checkpoint(tmp_path / "old.pt", TINY), weights)

    def test_a_name_that_is_not_harmless(self, tmp_path, weights):
        message = refusal(tmp_path, {"model": weights, "callback": print})
        assert "wants to run 'print'" in message

    def test_a_whole_model_is_refused_with_advice_that_works(self, tmp_path):
        model = Sam(TINY)
        load_weights(model, seeded_state_dict(official_layout(model)))
        message = refusal(tmp_path, {"model": model, "epoch": 1})
        assert "wants to run 'reference.modeling.sam.Sam'" in message
        advice = message[message.index("torch.save(") :].replace("weights.pt", f"{tmp_path}/a.pt")
        exec(advice, {"torch": torch, "model": model})
        assert_is(
            resolve_checkpoint(tmp_path / "a.pt", TINY), seeded_state_dict(official_layout(model))
        )


class TestTwoModels:
    def test_the_same_weights_may_be_there_twice(self, tmp_path, weights):
        assert_is(saved(tmp_path, {"model": weights, "ema": prefixed("module.", weights)}), weights)

    @pytest.mark.parametrize(
        "change",
        [
            lambda weights: {name: weights[name] for name in weights if not is_counter(name)},
            lambda weights: {k: v + 1 if is_counter(k) else v for k, v in weights.items()},
            lambda weights: weights | {"image_encoder.head.bias": torch.ones(4)},
        ],
        ids=["no counters", "other counters", "a classifier"],
    )
    def test_the_same_but_for_what_has_no_effect(self, tmp_path, weights, change):
        assert_is(saved(tmp_path, {"model": weights, "ema": change(weights)}), weights)

    @pytest.mark.parametrize("form", ["keys", "prefixes", "both", "list"])
    def test_different_ones_are_refused_with_a_command_that_saves_one(
        self, tmp_path, weights, form, monkeypatch
    ):
        other = {name: tensor + 1 for name, tensor in weights.items()}
        content = {
            "keys": {"ema": weights, "model": other},
            "prefixes": prefixed("ema.", weights) | prefixed("online.", other),
            "both": {"it's": prefixed("a.", weights), "b": other},
            "list": [weights, other],
        }[form]
        message = refusal(tmp_path, content)
        assert "holds the weights of several models, which differ" in message
        python, option, code = shlex.split(message[message.index("python -c ") :])
        assert (python, option) == ("python", "-c")
        monkeypatch.chdir(tmp_path)
        exec(code, {})
        assert_is(resolve_checkpoint(tmp_path / "weights.pt", TINY), weights)

    def test_a_model_is_preferred_to_a_part_of_one(self, tmp_path, weights):
        encoder = {name: weights[name] + 1 for name in weights if name.startswith("image_encoder.")}
        assert_is(saved(tmp_path, {"student": encoder, "model": weights}), weights)


def transformers_names(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the weights under the names that transformers' convert_sam_to_hf.py gives."""
    rules = {
        "image_encoder.": "vision_encoder.",
        "neck.0": "neck.conv1",
        "neck.1": "neck.layer_norm1",
        "neck.2": "neck.conv2",
        "neck.3": "neck.layer_norm2",
        ".blocks.": ".layers.",
        ".norm": ".layer_norm",
        "point_embeddings": "point_embed",
        "pe_layer.positional_encoding_gaussian_matrix": "shared_embedding.positional_embedding",
        "mask_downscaling.0": "mask_embed.conv1",
        "mask_downscaling.1": "mask_embed.layer_norm1",
        "mask_downscaling.3": "mask_embed.conv2",
        "mask_downscaling.4": "mask_embed.layer_norm2",
        "mask_downscaling.6": "mask_embed.conv3",
        "output_upscaling.0": "upscale_conv1",
        "output_upscaling.1": "upscale_layer_norm",
        "output_upscaling.3": "upscale_conv2",
    }
    perceptron = {"0": "proj_in", "1": "layers.0", "2": "proj_out"}
    renamed = {}
    for name, tensor in weights.items():
        for official, new in rules.items():
            name = name.replace(official, new)
        if "output_hypernetworks_mlps" in name or "iou_prediction_head" in name:
            head, layer, kind = name.rsplit(".", 2)
            name = f"{head.removesuffix('.layers')}.{perceptron[layer]}.{kind}"
        renamed[name] = tensor
    shared = renamed["prompt_encoder.shared_embedding.positional_embedding"]
    return renamed | {"shared_image_embedding.positional_embedding": shared}


class TestTransformersLayout:
    def test_safetensors_of_transformers_are_read(self, tmp_path, weights):
        content = transformers_names(weights)
        assert "mask_decoder.output_hypernetworks_mlps.3.proj_out.bias" in content
        del content["prompt_encoder.shared_embedding.positional_embedding"]  # tied: saved once
        safetensors.torch.save_file(content, tmp_path / "model.safetensors")
        checkpoint = resolve_checkpoint(tmp_path / "model.safetensors", TINY)
        assert_is(checkpoint, weights)
        assert checkpoint.note == "renamed from transformers' names"

    def test_both_names_of_the_shared_matrix_and_a_prefix(self, tmp_path, weights):
        content = {"state_dict": prefixed("model.", transformers_names(weights))}
        assert_is(saved(tmp_path, content), weights)

    def test_two_values_for_one_tensor_are_refused(self, tmp_path, weights):
        content = transformers_names(weights)
        name = "shared_image_embedding.positional_embedding"
        content[name] = content[name] + 1
        assert f"1 tensor surplus ({name})" in refusal(tmp_path, content)

    def test_this_projects_names_below_transformers(self, tmp_path):
        sam = Sam(TINY)
        load_weights(sam, seeded_state_dict(official_layout(sam)))
        content = transformers_names(sam.state_dict())
        assert_is(saved(tmp_path, content), seeded_state_dict(official_layout(sam)))


class TestWhatItLooksLike:
    @pytest.mark.parametrize(
        ("names", "expected"),
        [
            ({"image_encoder.pos_embed": (1, 64, 64, 768)}, "SAM ViT-B:"),
            ({"image_encoder.pos_embed": (1, 64, 64, 1024)}, "SAM ViT-L:"),
            ({"vision_encoder.pos_embed": (1, 64, 64, 1280)}, "SAM ViT-H:"),
            ({"image_encoder.pos_embed": (1, 16, 16, 768)}, "SAM ViT-B for pictures of 256×256:"),
            ({"image_encoder.pos_embed": (1, 197, 192)}, "EfficientSAM or another ViT:"),
            ({"image_encoder.trunk.pos_embed": (1, 96, 7, 7)}, "SAM 2:"),
            ({"vision_encoder.backbone.pos_embed": (1, 96, 7, 7)}, "SAM 2:"),
            ({"detector.backbone.x.weight": (3,)}, "SAM 3:"),
            ({"model.0.conv.weight": (16, 3, 3, 3)}, "a YOLO network, as FastSAM is:"),
            ({"image_encoder.features.0.0.c.weight": (24, 3, 3, 3)}, "EdgeSAM or RepViT-SAM:"),
            ({"image_encoder.backbone.stages.0.weight": (3,)}, "EfficientViT-SAM:"),
            ({"patch_embed.seq.0.c.weight": (32, 3, 3, 3)}, "an image encoder alone: save"),
            ({"mask_decoder.iou_token.weight": (1, 256)}, "the mask_decoder alone: save"),
        ],
        ids=lambda value: None if isinstance(value, dict) else value,
    )
    def test_another_model_is_named(self, tmp_path, names, expected):
        content = {name: torch.ones(shape) for name, shape in names.items()}
        message = refusal(tmp_path, {"model": content, "optimizer": OPTIMIZER})
        assert f"'mine.pt' does not fit the model: it looks like {expected}" in message

    @pytest.mark.parametrize(
        ("extra", "expected"),
        [
            ("image_encoder.layers.1.blocks.0.attn.qkv.lora_A.weight", "LoRA adapters"),
            ("mask_decoder.hf_token.weight", "HQ-SAM"),
            ("mask_decoder.transformer.layers.0.mlp.lin1.weight_mask", "pruned layers"),
            ("image_encoder.neck.0.parametrizations.weight.original0", "parametrized layers"),
            ("image_encoder.layers.1.blocks.0.adapter.down.weight", "adapters beside the layers"),
        ],
    )
    def test_more_layers_than_the_models_are_named(self, tmp_path, weights, extra, expected):
        message = refusal(tmp_path, {"model": weights | {extra: torch.ones(2, 2)}})
        assert f"looks like {expected}" in message

    def test_attention_windows_of_another_size_are_named(self, tmp_path, weights):
        name = "image_encoder.layers.1.blocks.0.attn.attention_biases"
        other = weights | {name: torch.zeros(len(weights[name]), 144)}
        message = refusal(tmp_path, other)
        assert "a TinyViT for pictures of another size, with attention windows of 12×12" in message

    def test_names_of_a_hostile_file_are_escaped(self, tmp_path, weights):
        message = refusal(tmp_path, weights | {"image_encoder.\x1b[2J\n": torch.ones(2)})
        assert r"surplus (image_encoder.\x1b[2J\n)" in message

    def test_unknown_tensors_are_listed(self, tmp_path):
        message = refusal(tmp_path, {"backbone.conv.weight": torch.ones(3)})
        assert "tensors missing" in message
        assert "1 tensor surplus (backbone.conv.weight)" in message
        assert "expected the tensors of the official MobileSAM checkpoint" in message
