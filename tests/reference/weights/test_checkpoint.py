"""Checkpoints are read, refused in one line, loaded, and downloaded with a check of their SHA-256."""

import contextlib
import hashlib
import http.server
import io
import json
import os
import pickle
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from reference.common.cache import cache_folder
from reference.common.errors import CheckpointError
from reference.modeling.sam import Sam
from reference.modeling.variants import VARIANTS, OfficialCheckpoint
from reference.weights import download
from reference.weights.checkpoint import (
    UNUSED_TENSORS,
    load_weights,
    official_name,
    read_checkpoint,
    rename_official,
    resolve_checkpoint,
)
from reference.weights.checkpoint_file import sha256_of_file
from reference.weights.download import CACHE_VARIABLE, fetch_official
from reference.weights.official_names import TensorLayout, layout_of, official_layout
from reference.weights.seeded_weights import seeded_state_dict, state_dict_sha256

LAYOUT_FILE = Path(__file__).parents[2] / "data" / "parity" / "mobile_sam_layout.json"
# Changes only if the numbers do, and then artifacts of the seeded weights change with it.
SEEDED_SHA256 = "596e8e340cf51379d64226f091ed598af4996ff16efa1c91a90ad12b9b6d637b"

TINY = replace(
    VARIANTS["vit_t"],
    name="tiny",
    embed_dims=(8, 8, 16, 16),
    depths=(1, 1, 1, 1),
    num_heads=(1, 1, 2, 2),
    window_sizes=(2, 2, 2, 2),
    decoder_mlp_dim=16,
    embedding_dim=32,
    image_size=64,
    official=None,
    demo=None,
)


def official_file_layout() -> dict[str, TensorLayout]:
    entries = json.loads(LAYOUT_FILE.read_text())
    return {
        name: TensorLayout(tuple(entry["shape"]), getattr(torch, entry["dtype"]))
        for name, entry in entries.items()
    }


@pytest.fixture
def sam() -> Sam:
    return Sam(TINY).eval()


@pytest.fixture
def weights(sam: Sam) -> dict[str, torch.Tensor]:
    """Tiny weights under the official names, without the unused tensors."""
    return seeded_state_dict(official_layout(sam))


@pytest.fixture
def tensors() -> dict[str, torch.Tensor]:
    """A few tensors of the kinds that a checkpoint has, which are enough for tests of reading."""
    generator = torch.Generator().manual_seed(0)
    return {
        "weight": torch.randn(5, 7, generator=generator),
        "bias": torch.randn(5, generator=generator),
        "bn.num_batches_tracked": torch.tensor(3),
    }


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert layout_of(found) == layout_of(expected)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def refusal(call: Callable, *arguments: object, **options: object) -> str:
    """Return the message of the CheckpointError that ``call`` must raise, which must be one line."""
    with pytest.raises(CheckpointError) as caught:
        call(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


class TestReading:
    @pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
    @pytest.mark.parametrize(
        "name", ["weights.pt", "weights.pth", "weights.safetensors", "weights"]
    )
    def test_torch_files_are_read_whatever_their_suffix(self, tmp_path, tensors, legacy, name):
        torch.save(tensors, tmp_path / name, _use_new_zipfile_serialization=not legacy)
        assert_same(read_checkpoint(tmp_path / name), tensors)

    @pytest.mark.parametrize("name", ["weights.safetensors", "weights.pt"])
    def test_safetensors_are_read_whatever_their_suffix(self, tmp_path, tensors, name):
        safetensors.torch.save_file(tensors, tmp_path / name, metadata={"format": "pt"})
        assert_same(read_checkpoint(str(tmp_path / name)), tensors)

    def test_the_dict_with_most_tensors_is_read(self, tmp_path, tensors):
        content = {"step": torch.tensor(3), "model": tensors, "optimizer": {"state": {}}}
        torch.save(content, tmp_path / "a.pt")
        assert_same(read_checkpoint(tmp_path / "a.pt"), tensors)

    def test_parameters_become_plain_tensors(self, tmp_path):
        torch.save({"w": torch.nn.Parameter(torch.ones(2))}, tmp_path / "a.pt")
        assert not read_checkpoint(tmp_path / "a.pt")["w"].requires_grad


class TestNotACheckpoint:
    def test_missing_file_is_refused(self, tmp_path):
        path = tmp_path / "none.pt"
        assert f"no file '{path}'" in refusal(read_checkpoint, path)

    def test_folder_is_refused(self, tmp_path):
        assert refusal(read_checkpoint, tmp_path).endswith("expected a .pt or .safetensors file")
        (tmp_path / "model.safetensors").touch()
        expected = f"such as '{tmp_path / 'model.safetensors'}'"
        assert refusal(read_checkpoint, tmp_path).endswith(expected)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX only")
    def test_named_pipe_does_not_hang(self, tmp_path):
        os.mkfifo(tmp_path / "pipe.pt")
        assert "not a regular file" in refusal(read_checkpoint, tmp_path / "pipe.pt")

    @pytest.mark.parametrize("name", ["x" * 300, "a\0b"])
    def test_impossible_name(self, tmp_path, name):
        assert "cannot read" in refusal(read_checkpoint, tmp_path / name)

    @pytest.mark.skipif(
        not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything"
    )
    def test_unreadable_file_is_refused(self, tmp_path, tensors):
        path = tmp_path / "a.pt"
        torch.save(tensors, path)
        path.chmod(0)
        assert "Permission denied" in refusal(read_checkpoint, path)

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            (b"", "is empty (0 bytes)"),
            (
                b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 40728226\n",
                "git-lfs pointer, not the weights: run 'git lfs pull'",
            ),
            (b"\n<!DOCTYPE html>\n<html><body>Not Found</body></html>", "is a web page"),
            (b"<html>404</html>", "is a web page"),
            (b"\x89PNG\r\n\x1a\n", "is a PNG image"),
            (b"\x1f\x8b\x08\x00", "is a gzip archive, not a checkpoint: unpack it first"),
            (b"hello, world\n", "is not a checkpoint but looks like text: get the file again"),
            (
                "Grüße ".encode() * 85 + b"a\xc3",
                "looks like text",
            ),  # a letter is cut in two at the end
            (b' {"message": "Not Found"}', "is not a checkpoint but looks like JSON: get the file"),
            (b"\n[]", "looks like JSON"),
            (b"PK", "is not a checkpoint"),
            (bytes(1000), "is not a checkpoint: expected a file written by torch.save"),
            (b"\xff\xfe", "is not a checkpoint: expected a file written by torch.save"),
            (b"\x80\x02garbage", "is damaged, is not a plain dict of tensors"),
        ],
    )
    def test_other_content_is_refused(self, tmp_path, content, expected):
        path = tmp_path / "mobile_sam.pt"
        path.write_bytes(content)
        message = refusal(read_checkpoint, path)
        assert expected in message
        assert str(path) in message

    def test_jpeg_is_named(self, tmp_path):
        Image.new("RGB", (4, 4)).save(tmp_path / "a.pt", format="JPEG")
        assert "is a JPEG image" in refusal(read_checkpoint, tmp_path / "a.pt")

    def test_other_zip_is_named(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
            archive.writestr("readme.txt", "hello")
        assert "is a zip archive, but" in refusal(read_checkpoint, tmp_path / "a.pt")

    def test_exported_torchscript_is_named(self, tmp_path):
        torch.jit.save(torch.jit.trace(torch.nn.ReLU(), torch.ones(1)), tmp_path / "a.pt")
        assert "exported TorchScript model" in refusal(read_checkpoint, tmp_path / "a.pt")


class TestDamage:
    def test_truncated_zip_is_refused(self, tmp_path, tensors):
        path = tmp_path / "a.pt"
        torch.save(tensors, path)
        os.truncate(path, 1000)
        assert "is truncated: its 1,000 bytes" in refusal(read_checkpoint, path)

    def test_truncated_legacy_names_what_is_missing(self, tmp_path, tensors):
        path = tmp_path / "a.pt"
        torch.save(tensors, path, _use_new_zipfile_serialization=False)
        size = path.stat().st_size
        os.truncate(path, size - 1)
        assert "expected 1 more bytes" in refusal(read_checkpoint, path)
        os.truncate(path, size // 3)
        assert "is truncated or damaged" in refusal(read_checkpoint, path)

    def test_truncated_safetensors_names_both_sizes(self, tmp_path, tensors):
        path = tmp_path / "a.safetensors"
        safetensors.torch.save_file(tensors, path)
        size = path.stat().st_size
        os.truncate(path, size - 5)
        message = refusal(read_checkpoint, path)
        assert f"expected at least {size} bytes, found {size - 5}" in message
        os.truncate(path, 20)
        assert "is truncated" in refusal(read_checkpoint, path)

    def test_a_flipped_bit_in_a_zip_is_found(self, tmp_path, tensors):
        path = tmp_path / "a.pt"
        torch.save(tensors, path)
        content = bytearray(path.read_bytes())
        content[content.index(tensors["weight"].numpy().tobytes()) + 4] ^= 1
        path.write_bytes(content)
        assert "is damaged (checksum of 'a/data/0')" in refusal(read_checkpoint, path)

    @pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
    def test_any_damage_is_a_checkpoint_error(self, tmp_path, tensors, kind):
        path = tmp_path / "a"
        if kind == "safetensors":
            safetensors.torch.save_file(tensors, path)
        else:
            torch.save(tensors, path, _use_new_zipfile_serialization=kind == "zip")
        content = path.read_bytes()
        random = np.random.default_rng(0)
        for length in random.integers(0, len(content), 40):
            path.write_bytes(content[:length])
            refusal(read_checkpoint, path)
        for position in random.integers(0, len(content), 150):
            changed = bytearray(content)
            changed[position] ^= int(random.integers(1, 256))
            path.write_bytes(changed)
            try:  # damage that no checksum covers may still be read, but nothing else is raised
                read_checkpoint(path)
            except CheckpointError as error:
                assert "\n" not in str(error)


class Evil:
    """An object that creates a file when it is unpickled without protection."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


class TestPicklesThatRunCode:
    @pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
    def test_refused_by_name_and_not_run(self, tmp_path, legacy):
        marker, path = tmp_path / "marker", tmp_path / "a.pt"
        torch.save(
            {"weight": torch.ones(1), "evil": Evil(marker)},
            path,
            _use_new_zipfile_serialization=not legacy,
        )
        message = refusal(read_checkpoint, path)
        assert f"wants to run '{os.mkdir.__module__}.mkdir'" in message
        assert "weights_only" not in message  # torch's own advice is to switch the protection off
        assert not marker.exists()

    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_plain_pickles_are_not_run(self, tmp_path, protocol):
        marker, path = tmp_path / "marker", tmp_path / "a.pt"
        path.write_bytes(pickle.dumps({"evil": Evil(marker)}, protocol=protocol))
        message = refusal(read_checkpoint, path)
        assert ".mkdir" in message if protocol >= 2 else "is not a checkpoint" in message
        assert not marker.exists()

    def test_a_whole_module_is_refused_with_advice(self, tmp_path):
        torch.save(torch.nn.Linear(1, 1), tmp_path / "a.pt")
        message = refusal(read_checkpoint, tmp_path / "a.pt")
        assert "torch.nn.modules.linear.Linear" in message
        assert "state_dict()" in message


class TestContent:
    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            ([1.0], "holds one list: expected a model's state_dict()"),
            (torch.ones(1), "holds one Tensor: expected"),
            ({}, "holds no named tensors"),
            ({"model": {}}, "holds no named tensors"),
            ({"epoch": 3}, "holds no named tensors: expected a model's state_dict()"),
            ({3: torch.ones(1)}, "holds no named tensors"),
            ({"w": torch.eye(2).to_sparse()}, "holds 'w' as a sparse"),
            ({"w": torch.ones(2, device="meta")}, "without data"),
            ({"w": torch.nested.nested_tensor([torch.ones(2)])}, "expected a dense tensor"),
            ({"a": torch.ones(2), "b": torch.tensor([1.0, torch.nan])}, "infinity in 'b'"),
            ({"a": torch.tensor(torch.inf, dtype=torch.float16)}, "infinity in 'a'"),
        ],
    )
    def test_content_that_is_no_sound_state_dict_is_refused(self, tmp_path, content, expected):
        torch.save(content, tmp_path / "a.pt")
        assert expected in refusal(read_checkpoint, tmp_path / "a.pt")

    def test_nan_in_safetensors_is_refused(self, tmp_path):
        safetensors.torch.save_file({"w": torch.tensor([torch.nan])}, tmp_path / "a")
        assert "NaN or infinity in 'w'" in refusal(read_checkpoint, tmp_path / "a")


class TestNames:
    @pytest.mark.parametrize(
        ("official", "ours"),
        [
            ("patch_embed.seq.0.c.weight", "patch_embed.conv1.conv.weight"),
            ("patch_embed.seq.2.bn.running_var", "patch_embed.conv2.bn.running_var"),
            ("layers.0.blocks.1.conv3.c.weight", "stages.0.blocks.1.conv3.conv.weight"),
            ("layers.0.downsample.conv1.c.weight", "stages.1.downsample.conv1.conv.weight"),
            ("layers.2.blocks.5.attn.qkv.bias", "stages.2.blocks.5.attn.qkv.bias"),
            ("layers.3.blocks.0.local_conv.c.weight", "stages.3.blocks.0.local_conv.conv.weight"),
            ("neck.2.weight", "neck.2.weight"),
        ],
    )
    def test_names_of_the_image_encoder_are_ours(self, official, ours):
        assert rename_official(f"image_encoder.{official}") == f"image_encoder.{ours}"
        assert official_name(f"image_encoder.{ours}") == f"image_encoder.{official}"

    def test_every_official_tensor_is_used_or_listed(self):
        layout = official_file_layout()
        renamed = {rename_official(name): entry for name, entry in layout.items()}
        assert renamed.pop(None) is not None
        assert renamed == layout_of(Sam(VARIANTS["vit_t"]).state_dict())
        assert {name for name in layout if rename_official(name) is None} == set(UNUSED_TENSORS)

    def test_official_names_come_back(self):
        for name in official_file_layout().keys() - set(UNUSED_TENSORS):
            assert official_name(rename_official(name)) == name


class TestLoading:
    def test_every_tensor_arrives(self, sam, weights):
        load_weights(sam, weights)
        state = sam.state_dict()
        assert_same({name: state[rename_official(name)] for name in weights}, weights)

    def test_unused_tensors_may_be_there(self, sam, weights):
        load_weights(sam, weights | {name: torch.ones(1) for name in UNUSED_TENSORS})

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
    def test_floats_are_converted(self, sam, weights, dtype):
        converted = {
            name: tensor.to(dtype) if tensor.is_floating_point() else tensor.int()
            for name, tensor in weights.items()
        }
        load_weights(sam, converted)
        name = "prompt_encoder.no_mask_embed.weight"
        assert sam.state_dict()[name].dtype == torch.float32
        assert torch.equal(sam.state_dict()[name], converted[name].float())

    def test_new_weights_replace_what_the_model_has_cached(self, sam, weights):
        frame = torch.randn(1, 3, TINY.image_size, TINY.image_size)
        with torch.no_grad():
            before = sam.image_encoder(frame)
            load_weights(sam, weights)
            after = sam.image_encoder(frame)
            fresh = Sam(TINY).eval()
            load_weights(fresh, weights)
            assert not torch.equal(before, after)
            assert torch.equal(after, fresh.image_encoder(frame))
        assert not sam.training

    def check_refused(self, sam: Sam, weights: dict[str, torch.Tensor]) -> str:
        """Check that the weights are refused and that no tensor was loaded, and return the message."""
        before = {name: tensor.clone() for name, tensor in sam.state_dict().items()}
        message = refusal(load_weights, sam, weights)
        assert_same(dict(sam.state_dict()), before)
        return message

    def test_missing_tensors_are_refused(self, sam, weights):
        del weights["image_encoder.layers.0.downsample.conv1.c.weight"]
        expected = "1 tensor missing (image_encoder.layers.0.downsample.conv1.c.weight)"
        assert expected in self.check_refused(sam, weights)

    def test_many_missing_are_counted(self, sam, weights):
        some = dict(
            list(weights.items())[8:]
        )  # one of the eight is a counter, which may be missing
        first = ", ".join(list(weights)[:5])
        assert f"7 tensors missing ({first} and 2 more)" in self.check_refused(sam, some)

    def test_surplus_tensors_are_refused(self, sam, weights):
        weights["image_encoder.head2.weight"] = torch.ones(1)
        assert "1 tensor surplus (image_encoder.head2.weight)" in self.check_refused(sam, weights)

    def test_our_own_names_are_not_official(self, sam):
        message = self.check_refused(sam, sam.state_dict())
        assert "missing (image_encoder.patch_embed.seq.0.c.weight" in message
        assert "surplus (image_encoder.patch_embed.conv1.conv.weight" in message

    def test_misshapen_tensors_are_refused(self, sam, weights):
        name = "mask_decoder.iou_token.weight"
        weights[name] = weights[name].T
        message = self.check_refused(sam, weights)
        assert f"1 tensor of the wrong shape ({name} (32, 1) instead of (1, 32))" in message

    @pytest.mark.parametrize("dtype", [torch.int8, torch.bool, torch.complex64])
    def test_no_floats_where_floats_belong(self, sam, weights, dtype):
        name = "mask_decoder.iou_token.weight"
        weights[name] = weights[name].to(dtype)
        message = self.check_refused(sam, weights)
        assert f"wrong type ({name} {dtype} instead of torch.float32)" in message

    def test_floats_where_integers_belong(self, sam, weights):
        name = "image_encoder.patch_embed.seq.0.bn.num_batches_tracked"
        weights[name] = weights[name].float()
        assert f"wrong type ({name} torch.float32" in self.check_refused(sam, weights)

    def test_float64_beyond_float32_is_refused(self, sam, weights):
        name = "mask_decoder.iou_token.weight"
        weights[name] = torch.full((1, 32), 1e300, dtype=torch.float64)
        assert f"'{name}' that is not finite" in self.check_refused(sam, weights)

    def test_all_problems_at_once_under_the_given_name(self, sam, weights):
        name = "mask_decoder.iou_token.weight"
        weights["surplus"] = weights.pop(name)
        message = refusal(load_weights, sam, weights, name="mine.pt")
        assert message.startswith("mine.pt does not fit the model: ")
        assert f"1 tensor missing ({name}); 1 tensor surplus (surplus)" in message


class TestResolving:
    def test_demo_weights_are_trained_and_fit(self):
        variant = VARIANTS["vit_t"]
        checkpoint = resolve_checkpoint("demo", variant)
        assert (checkpoint.name, checkpoint.trained) == ("demo", True)
        assert checkpoint.sha256 == variant.demo.sha256
        load_weights(Sam(variant), checkpoint.state_dict)

    def test_damaged_demo_weights_are_refused(self):
        variant = VARIANTS["vit_t"]
        damaged = replace(variant, demo=replace(variant.demo, sha256="0" * 64))
        message = refusal(resolve_checkpoint, "demo", damaged)
        assert "is damaged: expected SHA-256 0000" in message
        assert message.endswith("install again")

    def test_variant_without_demo_weights_is_refused(self):
        assert "'tiny' has no demo weights: pass the checkpoint 'seeded'" in refusal(
            resolve_checkpoint, "demo", TINY
        )

    def test_seeded_weights_are_the_same_every_time(self, sam):
        first, second = (resolve_checkpoint("seeded", TINY) for _ in range(2))
        assert (first.name, first.trained) == ("seeded", False)
        assert first == second
        assert_same(first.state_dict, second.state_dict)
        load_weights(sam, first.state_dict)

    def test_seeded_leaves_torchs_random_state_alone(self):
        before = torch.get_rng_state()
        resolve_checkpoint("seeded", TINY)
        assert torch.equal(torch.get_rng_state(), before)

    def test_seeded_is_the_same_everywhere(self):
        assert resolve_checkpoint("seeded", VARIANTS["vit_t"]).sha256 == SEEDED_SHA256

    def test_file_is_known_by_its_name_and_sha256(self, tmp_path, monkeypatch, weights):
        path = tmp_path / "mine.pt"
        torch.save(weights, path)
        checkpoint = resolve_checkpoint(path, TINY)
        assert (checkpoint.name, checkpoint.trained) == ("mine.pt", True)
        assert checkpoint.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert_same(checkpoint.state_dict, weights)
        monkeypatch.chdir(tmp_path)
        assert resolve_checkpoint("mine.pt", TINY) == checkpoint

    @pytest.mark.parametrize("word", ["offical", "none.pt", ""])
    def test_neither_a_word_nor_a_file(self, word):
        message = refusal(resolve_checkpoint, word, TINY)
        assert (
            f"no checkpoint '{word}': expected 'demo', 'official', 'seeded' or the path" in message
        )

    def test_variant_without_an_official_checkpoint_is_refused(self):
        assert "'tiny' has no official checkpoint" in refusal(resolve_checkpoint, "official", TINY)


class TestSeededWeights:
    def test_a_tensor_depends_on_its_own_name_only(self):
        layout = official_file_layout()
        name = "image_encoder.head.weight"
        assert torch.equal(
            seeded_state_dict(layout)[name], seeded_state_dict({name: layout[name]})[name]
        )

    def test_hash_covers_names_dtypes_shapes_and_values(self):
        base = {"a": torch.zeros(2, 3), "b": torch.ones(1)}
        others = [
            {"a": torch.zeros(2, 3), "c": torch.ones(1)},
            {"a": torch.zeros(2, 3, dtype=torch.int32), "b": torch.ones(1)},
            {"a": torch.zeros(3, 2), "b": torch.ones(1)},
            {"a": torch.zeros(2, 3), "b": torch.zeros(1)},
        ]
        assert len({state_dict_sha256(each) for each in [base, *others]}) == 5
        assert state_dict_sha256(base) == state_dict_sha256(dict(reversed(base.items())))


BODY = bytes(range(256)) * 4000  # about 1 MB: several reads


@dataclass
class Server:
    """A web server on the loopback interface that answers as the test says."""

    port: int = 0
    requests: int = 0
    status: int = 200
    body: bytes = BODY
    stated_length: int | None = len(BODY)
    during: Callable[[], None] = field(default=lambda: None)  # called when half was sent

    @property
    def official(self) -> OfficialCheckpoint:
        return OfficialCheckpoint(
            url=f"http://127.0.0.1:{self.port}/weights/mobile_sam.pt",
            size=len(BODY),
            sha256=hashlib.sha256(BODY).hexdigest(),
        )

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        self.requests += 1
        if request.path.startswith("/weights/") and self.status == 302:
            request.send_response(302)
            request.send_header("Location", "/elsewhere")
            request.end_headers()
            return
        request.send_response(200 if self.status == 302 else self.status)
        if self.stated_length is not None:
            request.send_header("Content-Length", str(self.stated_length))
        request.end_headers()
        half = len(self.body) // 2
        request.wfile.write(self.body[:half])
        request.wfile.flush()
        self.during()
        request.wfile.write(self.body[half:])


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    class QuietServer(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass  # the client hung up, as some tests want

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with QuietServer(("127.0.0.1", 0), Handler) as web:
        state.port = web.server_port
        thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        web.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "cache"  # not there yet: the download creates it
    monkeypatch.setenv(CACHE_VARIABLE, str(folder))
    return folder


class TestDownload:
    def check_refused(self, server: Server, cache: Path) -> str:
        """Check that the download is refused with advice and that no file is left, and return the message."""
        message = refusal(fetch_official, server.official)
        assert server.official.url in message
        assert f"put the file at '{cache / 'mobile_sam.pt'}' by hand" in message
        assert "--checkpoint PATH" in message
        assert list(cache.iterdir()) == []
        return message

    def test_checkpoint_is_fetched_once_and_silently_off_a_terminal(self, server, cache, capfd):
        path = fetch_official(server.official)
        assert path == cache / "mobile_sam.pt"
        assert path.read_bytes() == BODY
        assert fetch_official(server.official) == path
        assert server.requests == 1
        assert list(cache.iterdir()) == [path]
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize("progress", [True, False])
    def test_progress_is_shown_on_a_terminal(self, server, cache, progress):
        terminal = io.StringIO()
        terminal.isatty = lambda: True
        with contextlib.redirect_stderr(terminal):
            fetch_official(server.official, progress=progress)
        assert ("official checkpoint" in terminal.getvalue()) == progress

    def test_not_under_its_name_before_it_is_complete(self, server, cache):
        seen = []
        server.during = lambda: seen.extend(cache.iterdir())
        path = fetch_official(server.official)
        assert path not in seen

    def test_redirects_are_followed(self, server, cache):
        server.status = 302
        assert fetch_official(server.official).read_bytes() == BODY

    def test_a_damaged_file_in_the_cache_is_replaced(self, server, cache):
        cache.mkdir()
        for content in (BODY[:-1], BODY[:-1] + b"\0", b""):
            (cache / "mobile_sam.pt").write_bytes(content)
            assert fetch_official(server.official).read_bytes() == BODY
        assert server.requests == 3

    def test_wrong_bytes_are_refused(self, server, cache):
        server.body = BODY[:-1] + b"\0"
        digest = hashlib.sha256(server.body).hexdigest()
        assert f"found {digest}" in self.check_refused(server, cache)

    @pytest.mark.parametrize("stated_length", [len(BODY), 1000, None])
    def test_truncated_body_is_refused(self, server, cache, stated_length):
        server.body, server.stated_length = BODY[:1000], stated_length
        assert "expected 1,024,000 bytes, found 1,000" in self.check_refused(server, cache)

    def test_endless_body_is_given_up(self, server, cache):
        server.body, server.stated_length = BODY * 20, None
        assert "expected 1,024,000 bytes, found 1," in self.check_refused(server, cache)

    def test_missing_page_is_an_error(self, server, cache):
        server.status = 404
        assert "HTTP Error 404" in self.check_refused(server, cache)

    def test_stalled_server_is_an_error(self, server, cache, monkeypatch):
        done = threading.Event()
        server.during = lambda: done.wait(10)
        monkeypatch.setattr(download, "TIMEOUT_S", 0.2)
        assert "timed out" in self.check_refused(server, cache)
        done.set()

    def test_refused_connection_is_an_error(self, cache, monkeypatch):
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with socket.socket() as unused:  # bound but not listening: nobody answers
            unused.bind(("127.0.0.1", 0))
            message = self.check_refused(Server(port=unused.getsockname()[1]), cache)
        assert "refused" in message

    def test_a_failure_keeps_the_file_that_is_there_and_says_so(self, server, cache):
        cache.mkdir()
        (cache / "mobile_sam.pt").write_bytes(b"damaged")
        server.status = 503
        message = refusal(fetch_official, server.official)
        assert "HTTP Error 503" in message
        assert "the file that is there is damaged" in message
        assert [path.name for path in cache.iterdir()] == ["mobile_sam.pt"]

    def test_unusable_cache_is_an_error(self, server, cache):
        cache.write_text("a file where the folder should be")
        message = refusal(fetch_official, server.official)
        assert "cannot use" in message
        assert CACHE_VARIABLE in message

    def test_interrupted_download_leaves_nothing(self, server, cache, monkeypatch):
        def interrupt(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(download, "sha256_of_file", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fetch_official(server.official)
        assert list(cache.iterdir()) == []

    def test_leftovers_of_killed_downloads_are_removed_when_old(self, server, cache):
        cache.mkdir()
        old, recent = (cache / f".mobile_sam.pt.{name}.part" for name in ("old", "recent"))
        old.touch()
        os.utime(old, (0, 0))
        recent.touch()
        path = fetch_official(server.official)
        assert set(cache.iterdir()) == {path, recent}

    def test_downloads_at_the_same_time_give_one_file(self, server, cache):
        barrier = threading.Barrier(4, timeout=10)
        server.during = barrier.wait  # all four are half-way before one goes on
        with ThreadPoolExecutor(4) as pool:
            paths = set(pool.map(lambda _: fetch_official(server.official), range(4)))
        assert paths == {cache / "mobile_sam.pt"}
        assert list(cache.iterdir()) == list(paths)
        assert sha256_of_file(paths.pop()) == server.official.sha256

    def test_users_cache_folder_is_the_default(self, monkeypatch):
        monkeypatch.delenv(CACHE_VARIABLE, raising=False)
        assert cache_folder().is_absolute()
        assert "mobile-sam-export" in cache_folder().parts

    def test_official_checkpoint_is_fetched_and_fits(self, server, cache, weights, sam):
        buffer = io.BytesIO()
        torch.save(weights, buffer)
        server.body = buffer.getvalue()
        server.stated_length = len(server.body)
        official = OfficialCheckpoint(
            url=server.official.url,
            size=len(server.body),
            sha256=hashlib.sha256(server.body).hexdigest(),
        )
        checkpoint = resolve_checkpoint("official", replace(TINY, official=official))
        assert (checkpoint.name, checkpoint.sha256) == ("official", official.sha256)
        assert checkpoint.trained
        load_weights(sam, checkpoint.state_dict)
