"""An artifact folder is loaded only if it is complete and unaltered."""

import dataclasses
import json
import math
import shutil

import pytest

from converters import manifest
from reference.common.errors import ArtifactError
from reference.common.folders import size_of
from validation import mil_runtime
from validation.artifacts.artifact import MANIFEST_FILE, MANIFEST_SCHEMA, load_artifact
from validation.artifacts.conventions import false_statements
from validation.questions.goldens import golden_questions
from validation.report.provenance import provenance

DECODER = "mobile_sam_tiny_mask_decoder.ptl"


def refuse(folder, *expected):
    with pytest.raises(ArtifactError) as caught:
        load_artifact(folder)
    message = str(caught.value)
    assert "\n" not in message
    for text in expected:
        assert text in message


def test_reads_what_convert_writes(tiny_artifact):
    artifact = load_artifact(str(tiny_artifact))
    assert (MANIFEST_FILE, MANIFEST_SCHEMA) == (manifest.MANIFEST_FILE, manifest.MANIFEST_SCHEMA)
    assert (artifact.model, artifact.format, artifact.scheme) == ("tiny", "torchscript", "none")
    assert artifact.prompt_slots == 8
    assert artifact.checkpoint.name == "seeded"
    assert not artifact.checkpoint.trained
    assert artifact.components["mask_decoder"] == tiny_artifact / DECODER
    assert artifact.padding_rgb == (123.675, 116.28, 103.53)
    assert artifact.name == "tiny-torchscript"
    assert artifact.record() == {
        "name": "tiny-torchscript",
        "path": str(tiny_artifact),
        "model": "tiny",
        "format": "torchscript",
        "scheme": "none",
        "bytes": sum(path.stat().st_size for path in tiny_artifact.glob("*.ptl")),
        "checkpoint": {
            "name": "seeded",
            "sha256": artifact.checkpoint.sha256,
            "trained": False,
        },
    }


def test_reads_packages(tiny_package):
    artifact = load_artifact(tiny_package)
    assert artifact.format == "coreml"
    assert artifact.components["image_encoder"].name == "MobileSAMTinyImageEncoder.mlpackage"
    assert artifact.padding_rgb == (124, 116, 104)


def test_what_operating_systems_leave_is_no_alteration(tiny_package):
    size = size_of(tiny_package)
    package = tiny_package / "MobileSAMTinyMaskDecoder.mlpackage"
    for path in (
        tiny_package / "._manifest.json",
        tiny_package / "Thumbs.db",
        tiny_package / "__MACOSX" / "manifest.json",
        tiny_package / "goldens" / ".DS_Store",
        package / "desktop.ini",
        package / "Data" / "com.apple.CoreML" / "._model.mlmodel",
    ):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"\0")
    artifact = load_artifact(tiny_package)
    mil_runtime.load(artifact.components["mask_decoder"])
    assert size_of(tiny_package) == size


def test_a_manifest_may_have_a_byte_order_mark(tiny_artifact):
    path = tiny_artifact / MANIFEST_FILE
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    artifact = load_artifact(tiny_artifact)
    assert false_statements(artifact) == []
    assert provenance(artifact).files


def test_missing_folder_is_refused(tmp_path):
    refuse(tmp_path / "none", "no such artifact folder", "expected one that 'convert' wrote")
    refuse(tmp_path, "not an artifact: it has no manifest.json")
    (tmp_path / "file").write_text("")
    refuse(tmp_path / "file", "not a folder")


def test_folder_of_artifacts_is_refused_with_their_paths(tiny_artifact, tmp_path):
    folder = tmp_path / "several"
    shutil.copytree(tiny_artifact, folder / "one")
    refuse(folder, f"but holds the artifact 'one': pass {folder / 'one'}")
    shutil.copytree(tiny_artifact, folder / "two")
    (folder / "three").mkdir()
    refuse(folder, f"but holds 2 artifacts: pass one of them, or {folder}/* for all")


@pytest.mark.parametrize("text", ["", "{", "\xff", "[" * 100_000, '{"threshold": NaN}'])
def test_manifest_that_is_no_json(tiny_artifact, text):
    (tiny_artifact / MANIFEST_FILE).write_bytes(text.encode("latin-1"))
    refuse(tiny_artifact, "manifest.json: is not valid JSON", "convert again")


@pytest.mark.parametrize("text", ["[]", "null", "{}", '{"schema": "mobile-sam-export/artifact/2"}'])
def test_unknown_schema_is_refused(tiny_artifact, text):
    (tiny_artifact / MANIFEST_FILE).write_text(text)
    refuse(tiny_artifact, "'schema' is", "expected", "mobile-sam-export/artifact/1")


def test_altered_byte_is_refused(tiny_artifact):
    path = tiny_artifact / DECODER
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    refuse(tiny_artifact, f"{DECODER}: its SHA-256 is", "expected", "convert again")


def test_truncated_file_is_refused(tiny_artifact):
    path = tiny_artifact / DECODER
    path.write_bytes(path.read_bytes()[:-1])
    refuse(tiny_artifact, f"{DECODER}: has", "bytes: expected")


def test_missing_file_is_refused(tiny_artifact):
    (tiny_artifact / DECODER).unlink()
    refuse(tiny_artifact, f"{DECODER}: is missing")


def test_folder_in_place_of_a_file_is_refused(tiny_artifact):
    (tiny_artifact / DECODER).unlink()
    (tiny_artifact / DECODER).mkdir()
    refuse(tiny_artifact, f"{DECODER}: is missing")


@pytest.mark.parametrize("name", ["extra.bin", "goldens/.extra", "new/extra"])
def test_extra_file_is_refused(tiny_artifact, name):
    (tiny_artifact / name).parent.mkdir(exist_ok=True)
    (tiny_artifact / name).write_text("")
    refuse(tiny_artifact, f"{name}: is not in manifest.json", "remove it")


def test_extra_link_to_a_folder_is_refused(tiny_artifact, tmp_path):
    (tiny_artifact / "link").symlink_to(tmp_path)
    refuse(tiny_artifact, "link: is not in manifest.json")


@pytest.mark.parametrize(
    "name", ["../outside", "goldens/../../outside", "goldens/../goldens/goldens.json"]
)
def test_path_that_leaves_the_folder_is_refused(tiny_artifact, edit_manifest, name):
    (tiny_artifact.parent / "outside").write_text("")
    record = {"bytes": 0, "sha256": ""}
    edit_manifest(tiny_artifact, lambda document: document["files"].update({name: record}))
    refuse(tiny_artifact, f"the path {name!r} leaves the artifact's folder")


def test_path_that_no_terminal_shows(tiny_artifact, edit_manifest):
    record = {"bytes": 0, "sha256": ""}
    edit_manifest(tiny_artifact, lambda document: document["files"].update({"a\0b": record}))
    refuse(tiny_artifact, "'files key' is 'a\\x00b'", "without control characters")


def test_absolute_path_is_refused(tiny_artifact, edit_manifest):
    name = str(tiny_artifact / DECODER)
    edit_manifest(
        tiny_artifact,
        lambda document: document["files"].update({name: document["files"].pop(DECODER)}),
    )
    refuse(tiny_artifact, "leaves the artifact's folder")


def test_link_that_leaves_the_folder_is_refused(tiny_artifact, tmp_path):
    shutil.move(tiny_artifact / DECODER, tmp_path / DECODER)
    (tiny_artifact / DECODER).symlink_to(tmp_path / DECODER)
    refuse(tiny_artifact, f"the path '{DECODER}' leaves the artifact's folder")


def test_links_that_form_a_loop_are_refused(tiny_artifact):
    (tiny_artifact / DECODER).unlink()
    (tiny_artifact / DECODER).symlink_to(tiny_artifact / DECODER)
    refuse(tiny_artifact, DECODER)


def set_entry(name, value):
    def change(document):
        *levels, key = name.split(".")
        for level in levels:
            document = document[level]
        document[key] = value

    return change


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("model", "vit_x", "expected vit_t"),
        ("format", "onnx", "expected torchscript or coreml"),
        ("format", None, "expected torchscript or coreml"),
        ("scheme", 8, "expected a line of text"),
        ("prompt_slots", 0, "expected an integer of 1 to"),
        ("prompt_slots", True, "expected an integer of 1 to"),
        ("checkpoint", "seeded", "'checkpoint' is 'seeded': expected an object"),
        ("checkpoint.trained", "no", "expected true or false"),
        ("files", [], "expected an object"),
        ("files.mobile_sam_tiny_mask_decoder", {}, "lacks 'bytes', 'sha256'"),
        ("components.mask_decoder.file", "other.ptl", "expected a file of the list 'files'"),
        ("components.mask_decoder.file", "", "expected a line of text"),
        ("goldens", "goldens", "expected a file of the list 'files'"),
        ("preprocessing.frame_size", 512, "expected 256 for tiny"),
        ("masks.low_res_size", 256, "expected 64 for tiny"),
        ("preprocessing.padding_rgb", [1, 2], "expected red, green and blue"),
        ("preprocessing.padding_rgb", [1, 2, "3"], "expected a number of 0 to 255"),
        ("preprocessing.padding_rgb", [1, 2, 256], "expected a number of 0 to 255"),
    ],
)
def test_entry_that_makes_no_sense(tiny_artifact, edit_manifest, name, value, expected):
    edit_manifest(tiny_artifact, set_entry(name, value))
    refuse(tiny_artifact, "manifest.json: '", expected)


# Goldens


def case(index, key, value):
    return lambda document: document["cases"][index].update({key: value})


def test_goldens_are_read_as_they_were_written(tiny_artifact, tiny_source):
    questions = golden_questions(load_artifact(tiny_artifact))
    assert [question.photo for question in questions] == ["china", "flower_portrait"]
    for question in questions:
        original = tiny_source.goldens.photos[question.photo]
        assert (question.read() == original.pixels).all()
        assert (question.stored.image_embeddings == original.image_embeddings).all()
        cases = [case for case in tiny_source.goldens.cases if case.sample.photo == question.photo]
        # JSON has lists and floats where the samples have tuples and integers.
        assert list(question.cases) == [case.sample for case in cases]
        for answer, case in zip(question.stored.answers, cases, strict=True):
            assert (answer.low_res_masks == case.low_res_masks).all()
            assert (answer.iou_predictions == case.iou_predictions).all()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (set_entry("schema", "mobile-sam-export/goldens/0"), "'schema' is"),
        (set_entry("photos", None), "'photos' is None: expected an object of 1 to 100 entries"),
        (set_entry("photos", {}), "expected an object of 1 to 100 entries"),
        (set_entry("cases", []), "expected at least one case"),
        (set_entry("cases", [{}] * 1001), "a list of at most 1000"),
        (case(0, "low_res_masks", None), r"'cases\[0\].low_res_masks' is None: expected an object"),
        (
            lambda document: document["cases"][0]["low_res_masks"].update(shape=[1, 4, 32, 32]),
            "'cases\\[0\\].low_res_masks.shape' is",
        ),
        (
            lambda document: document["cases"][0]["low_res_masks"].update(file="china.png"),
            "a file of 65536 bytes",
        ),
        (case(0, "iou_predictions", [0.5]), "expected 4 numbers"),
        (case(0, "iou_predictions", [0.5, 0.5, 0.5, 10**50]), "expected a number of"),
        (case(0, "labels", [1, 1]), "do not match"),
        (case(0, "labels", [math.inf]), "is not valid JSON .Infinity"),
        (case(0, "labels", [7]), "label 7"),
        (case(0, "points", [[10**400, 1]]), "is not valid JSON .a number has more than 100"),
        (case(0, "points", [[10**9, 1]]), "outside"),
        (case(2, "box", [1, 2, 3]), "is not a box"),
        (
            case(4, "mask_input", {"case": "portrait_box", "index": 1}),
            "'cases\\[4\\].mask_input.case'",
        ),
        (case(4, "mask_input", {"case": "one_point", "index": 4}), "an integer of 0 to 3"),
        (case(1, "name", "one_point"), "expected a name of its own"),
        (case(1, "name", "\x1b[1A\nPASS: 7 of 7"), "a line of text without control characters"),
        (case(1, "photo", "rome"), "is 'rome': expected china or flower_portrait"),
        (lambda document: document["photos"]["china"].update(height=-1), "an integer of 1 to"),
        (
            lambda document: document["photos"].update(
                {"a\u202eb": document["photos"].pop("china")}
            ),
            "a line of text without control characters",
        ),
    ],
)
def test_damaged_goldens_are_refused(tiny_artifact, change, expected):
    artifact = load_artifact(tiny_artifact)
    rewrite(artifact.goldens, change)
    with pytest.raises(ArtifactError, match=f"goldens.json: .*{expected}.*convert again"):
        golden_questions(artifact)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", "is not valid JSON"),
        (b"[" * 10**6, "nested in more than 30 levels"),
        (b"[" * 900 + b"]" * 900, "nested in more than 30 levels"),
        (b'{"schema": 1, "schema": 2}', "an object has the same key twice"),
        (b'{"schema": 1e999}', "the number 1e999 is too large"),
        (b'{"schema": %s}' % (b"1" * 5000), "a number has more than 100 characters"),
        ("{}".encode("utf-16"), "is not valid JSON"),
        (b'"' + b"a" * (1 << 24), "more than 16 MiB"),
    ],
)
def test_goldens_that_are_no_document(tiny_artifact, text, expected):
    artifact = load_artifact(tiny_artifact)
    artifact.goldens.write_bytes(text)
    with pytest.raises(ArtifactError, match=f"goldens.json: .*{expected}"):
        golden_questions(artifact)


@pytest.mark.parametrize(
    ("photo", "side", "stated", "size"),
    [
        ("china", "height", 428, "427×640"),
        ("china", "width", 641, "427×640"),
        ("flower_portrait", "width", 640, "640×427"),
    ],
)
def test_a_photo_of_another_size_than_its_goldens_say_is_refused_before_any_is_asked_about(
    tiny_artifact, photo, side, stated, size
):
    artifact = load_artifact(tiny_artifact)
    rewrite(artifact.goldens, lambda document: document["photos"][photo].update({side: stated}))
    expected = (
        f"'photos.{photo}.{side}' is {stated}: expected the photo's size, {size} .height × width."
    )
    with pytest.raises(ArtifactError, match=expected):
        golden_questions(artifact)


def test_names_that_are_too_long_are_refused(tiny_artifact, edit_manifest):
    refuse("a" * 5000, "cannot be read (File name too long)")
    edit_manifest(
        tiny_artifact,
        lambda document: document["files"].update({"a" * 290: {"bytes": 1, "sha256": ""}}),
    )
    refuse(tiny_artifact, "cannot be read (File name too long)")


@pytest.mark.parametrize("name", ["../../secret.png", "/etc/hostname", "unlisted.png"])
def test_goldens_name_only_files_that_the_manifest_lists(tiny_artifact, name):
    artifact = load_artifact(tiny_artifact)
    rewrite(artifact.goldens, lambda document: document["photos"]["china"].update(file=name))
    with pytest.raises(ArtifactError, match="not in the list of files"):
        golden_questions(artifact)


def rewrite(path, change):
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_artifacts_are_values(tiny_artifact):
    artifact = load_artifact(tiny_artifact)
    assert artifact == load_artifact(tiny_artifact)
    with pytest.raises(dataclasses.FrozenInstanceError):
        artifact.scheme = "int8"
