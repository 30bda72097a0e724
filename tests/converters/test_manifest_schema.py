"""The JSON Schema of manifest.json accepts what ``convert`` writes, and refuses what it never writes."""

import copy
import json
import shutil
from functools import cache
from importlib import resources

import pytest
from jsonschema import Draft202012Validator

from converters.artifact_layout import FORMATS, GOLDENS_FILE, GOLDENS_FOLDER, MAX_PROMPT_SLOTS
from converters.conversion import load_source, write_artifact
from converters.coreml.options import DEPLOYMENT_TARGETS, CoreMLOptions
from converters.coreml.schemes import SCHEMES as COREML_SCHEMES
from converters.manifest import MANIFEST_SCHEMA, TOOLS
from converters.torchscript.options import BYTECODE_VERSIONS, TorchScriptOptions
from converters.torchscript.options import SCHEMES as TORCHSCRIPT_SCHEMES
from reference.common.errors import ArtifactError
from tests.support.tiny_variant import TINY
from validation.artifacts.artifact import load_artifact

# Every format and scheme.
OPTIONS = [
    *(TorchScriptOptions(scheme) for scheme in TORCHSCRIPT_SCHEMES),
    *(CoreMLOptions(scheme) for scheme in COREML_SCHEMES),
]
SLOW_SCHEMES = ("lut8", "lut6", "w8a8")  # their manifests differ from lut4's and int8's in one word


@cache
def validator() -> Draft202012Validator:
    return Draft202012Validator(schema())


def schema() -> dict:
    file = resources.files("converters") / "data" / "manifest.schema.json"
    return json.loads(file.read_text(encoding="utf-8"))


def problems(manifest: dict) -> list[str]:
    """Return the places in a manifest where the schema finds something wrong."""
    return [error.json_path for error in validator().iter_errors(manifest)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Return the folder of the tiny model for some options. It is converted once, and tests must not change it."""
    output = tmp_path_factory.mktemp("schemes")
    source = load_source("seeded", TINY.name)
    return cache(lambda options: write_artifact(source, options, output))


@pytest.fixture(params=[TorchScriptOptions("int8"), CoreMLOptions("int8")], ids=FORMATS)
def manifest(request, folders) -> dict:
    """An int8 manifest, the test's own to change."""
    folder = folders(request.param)
    return json.loads((folder / "manifest.json").read_text())


def test_schema_is_a_schema():
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(
            options,
            id=f"{type(options).__name__}-{options.scheme}",
            marks=[pytest.mark.slow] if options.scheme in SLOW_SCHEMES else [],
        )
        for options in OPTIONS
    ],
)
def test_every_scheme_is_accepted(folders, options):
    manifest = json.loads((folders(options) / "manifest.json").read_text())
    assert problems(manifest) == []


def test_schema_and_code_know_the_same_values():
    properties = schema()["properties"]
    torchscript = schema()["allOf"][0]["then"]["properties"]
    assert properties["schema"]["const"] == MANIFEST_SCHEMA
    assert properties["format"]["enum"] == list(FORMATS)
    assert properties["scheme"]["enum"] == list(COREML_SCHEMES)
    assert torchscript["scheme"]["enum"] == list(TORCHSCRIPT_SCHEMES)
    assert properties["deployment_target"]["enum"] == list(DEPLOYMENT_TARGETS)
    versions = properties["bytecode_version"]
    assert range(versions["minimum"], versions["maximum"] + 1) == BYTECODE_VERSIONS
    assert properties["prompt_slots"]["maximum"] == MAX_PROMPT_SLOTS
    assert properties["goldens"]["const"] == f"{GOLDENS_FOLDER}/{GOLDENS_FILE}"
    assert tuple(properties["tools"]["required"]) == TOOLS


def test_every_object_is_closed_and_described():
    def walk(node, place):
        if isinstance(node, dict):
            if node.get("type") == "object" and "properties" in node:
                assert node["additionalProperties"] is False, place
                assert node["required"], place
                for name, item in node["properties"].items():
                    described = "$ref" in item or item.get("description")
                    assert described, f"{place}.{name}"
            for key, item in node.items():
                walk(item, f"{place}.{key}")
        elif isinstance(node, list):
            for index, item in enumerate(node):
                walk(item, f"{place}[{index}]")

    walk({key: value for key, value in schema().items() if key != "allOf"}, "$")


def entries(value: object, place: tuple = ()):
    """Yield the place of every member of every object in a document, outermost first."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        if isinstance(value, dict):
            yield (*place, key)
        if isinstance(item, dict | list):
            yield from entries(item, (*place, key))


def parent(document: dict, place: tuple) -> dict:
    for key in place[:-1]:
        document = document[key]
    return document


FREE = [("exponents",), ("weights",)]


def is_free(place: tuple) -> bool:
    """Return whether the keys at a place are names that the writer chooses, such as names of files."""
    return place[0] == "files" and len(place) == 2 or place[-2:-1] in FREE


def test_no_entry_may_be_missing(manifest):
    for place in entries(manifest):
        if is_free(place):
            continue
        changed = copy.deepcopy(manifest)
        del parent(changed, place)[place[-1]]
        assert problems(changed), f"without {place}"


def test_no_entry_may_be_of_another_type(manifest):
    for place in entries(manifest):
        for other in ([], {}, "", None, True, -7):
            changed = copy.deepcopy(manifest)
            if type(parent(changed, place)[place[-1]]) is type(other):
                continue
            if other is None and place[-1] == "headroom":
                continue
            parent(changed, place)[place[-1]] = other
            # An exponent is any whole number of -24 to 0, and an embedding of no repair has none.
            if place[-2:-1] != ("exponents",):
                assert problems(changed), f"{place} is {other!r}"


def test_no_object_may_have_more_entries(manifest):
    places = [(), *entries(manifest)]
    for place in places:
        changed = copy.deepcopy(manifest)
        at = changed if not place else parent(changed, place)[place[-1]]
        if isinstance(at, dict) and place[-1:] not in [("files",), *FREE]:
            at["surplus"] = 1
            assert problems(changed), f"more in {place}"


REFUSED_BY_READER_TOO = {
    "another version": lambda m: m.update(schema="mobile-sam-export/artifact/2"),
    "an unknown format": lambda m: m.update(format="onnx"),
    "no slots": lambda m: m.update(prompt_slots=0),
    "too many slots": lambda m: m.update(prompt_slots=65),
    "slots that are no integer": lambda m: m.update(prompt_slots=8.5),
    "a truth value in words": lambda m: m["checkpoint"].update(trained="yes"),
    "a color of two": lambda m: m["preprocessing"].update(padding_rgb=[124, 116]),
    "a color beyond white": lambda m: m["preprocessing"].update(padding_rgb=[256, 0, 0]),
    "an enormous threshold": lambda m: m["masks"].update(threshold=1e30),
    "no files": lambda m: m.update(files={}),
    "a path that leaves the folder": lambda m: m["files"].update(
        {"goldens/../../x": {"bytes": 0, "sha256": "0" * 64}}
    ),
    "an absolute path": lambda m: m["files"].update({"/x": {"bytes": 0, "sha256": "0" * 64}}),
    "a file record with more": lambda m: next(iter(m["files"].values())).update(mode=644),
    "other goldens": lambda m: m.update(goldens="goldens/other.json"),
    "a component that is missing": lambda m: m["components"].pop("mask_decoder"),
}


@pytest.fixture(scope="module")
def copies(folders, tmp_path_factory):
    """An artifact of each format whose manifest tests may replace."""
    place = tmp_path_factory.mktemp("copies")
    return {
        name: shutil.copytree(folders(options("none")), place / name)
        for name, options in zip(FORMATS, (TorchScriptOptions, CoreMLOptions), strict=True)
    }


@pytest.mark.parametrize("name", REFUSED_BY_READER_TOO)
@pytest.mark.parametrize("kind", FORMATS)
def test_schema_and_reader_refuse_the_same(copies, kind, name):
    path = copies[kind] / "manifest.json"
    sound = path.read_text()
    load_artifact(copies[kind])
    document = json.loads(sound)
    REFUSED_BY_READER_TOO[name](document)
    assert problems(document), "by the schema"
    path.write_text(json.dumps(document))
    try:
        with pytest.raises(ArtifactError):
            load_artifact(copies[kind])
    finally:
        path.write_text(sound)


ONLY_IN_THE_OTHER_FORMAT = {
    "torchscript": {"deployment_target": "iOS16", "scheme": "lut4"},
    "coreml": {"bytecode_version": 7, "runtime": "pytorch_android_lite-2.1.0"},
}


def test_entries_of_the_other_format_are_refused(manifest):
    for key, value in ONLY_IN_THE_OTHER_FORMAT[manifest["format"]].items():
        assert problems(manifest | {key: value}), key


def test_format_decides_about_files_image_and_float16(manifest):
    other = {"torchscript": "float32", "coreml": "RGB image, uint8"}
    for image_format, dtype in other.items():
        changed = copy.deepcopy(manifest)
        changed["components"]["image_encoder"]["inputs"][0]["dtype"] = dtype
        assert bool(problems(changed)) == (manifest["format"] != image_format)
    changed = copy.deepcopy(manifest)
    changed["components"]["mask_decoder"]["file"] = "model.onnx"
    assert problems(changed)
    changed = copy.deepcopy(manifest)
    if manifest["format"] == "coreml":
        assert problems(changed | {"scheme": "none"}), "float32 needs no fit"
        assert problems(changed | {"scheme": "int4"}), "iOS16 cannot hold int4"
    else:
        changed["components"]["mask_decoder"]["float16"] = {
            "exponents": {},
            "float32": [],
            "headroom": 5,
        }
        assert problems(changed)
