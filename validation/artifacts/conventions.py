"""Checks that an artifact's manifest states the conventions that every artifact follows.

``compare`` runs an artifact by the conventions of this project, with the padding and the threshold that
the manifest states. All other conventions are the same in every artifact. A manifest that states one of
them differently would mislead an app, even if the masks are right here.
"""

import json
from collections.abc import Iterator

import numpy as np

from converters.coreml.package_spec import package_spec
from converters.io_spec import ModuleSpec, TensorSpec, image_encoder_spec, mask_decoder_spec
from converters.manifest import conventions
from reference.common.plain_text import shorten
from validation.artifacts.artifact import MANIFEST_FILE, Artifact, read_manifest

_MOST_SHOWN = 200  # characters of an entry in a message
_TAKEN_AS_STATED = ("preprocessing.padding_rgb", "masks.threshold")
# The only texts that are checked; all others are prose.
_CHECKED_TEXTS = ("preprocessing.channels", "preprocessing.placement")


def false_statements(artifact: Artifact) -> list[str]:
    """The statements of the manifest that are false, in words; empty if all are true."""
    manifest = read_manifest(artifact)
    expected = conventions(artifact.variant, np.array(artifact.padding_rgb))
    checks = [
        (name, value, _find(manifest, name))
        for name, value in _leaves(expected)
        if name in _CHECKED_TEXTS or not isinstance(value, str)
        if name not in _TAKEN_AS_STATED
    ]
    for spec in (
        image_encoder_spec(artifact.variant),
        mask_decoder_spec(artifact.variant, artifact.prompt_slots),
    ):
        checks += _tensor_checks(manifest, package_spec(spec) if _is_package(artifact) else spec)
    return [
        f"{MANIFEST_FILE} states {_shown(stated)} as {name}: expected {_shown(wanted)}"
        for name, wanted, stated in checks
        if not _is_same(stated, wanted)
    ]


def _is_same(stated: object, wanted: object) -> bool:
    """Whether two values are equal in JSON, where true is not 1 as it is in Python."""
    if isinstance(stated, list) and isinstance(wanted, list) and len(stated) == len(wanted):
        return all(map(_is_same, stated, wanted))
    return isinstance(stated, bool) == isinstance(wanted, bool) and stated == wanted


def _shown(value: object) -> str:
    return shorten(json.dumps(value), _MOST_SHOWN)


def _is_package(artifact: Artifact) -> bool:
    return artifact.format == "coreml"


def _tensor_checks(manifest: dict, spec: ModuleSpec) -> Iterator[tuple[str, object, object]]:
    """The checks of names, shapes and types of a component's inputs and outputs."""
    for key, tensors in (("inputs", spec.inputs), ("outputs", spec.outputs)):
        name = f"components.{spec.name}.{key}"
        stated = _find(manifest, name)
        yield (
            name,
            [_tensor(tensor) for tensor in tensors],
            [_stated_tensor(item) for item in stated] if isinstance(stated, list) else stated,
        )


def _tensor(spec: TensorSpec) -> list:
    return [spec.name, list(spec.shape), spec.dtype]


def _stated_tensor(record: object) -> object:
    if not isinstance(record, dict):
        return record
    return [record.get(key) for key in ("name", "shape", "dtype")]


def _leaves(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    """The values of a document that are not objects, with their names, which have dots between levels."""
    if not isinstance(value, dict):
        yield name, value
        return
    for key, item in value.items():
        yield from _leaves(item, f"{name}.{key}" if name else key)


def _find(document: object, name: str) -> object:
    for key in name.split("."):
        document = document.get(key) if isinstance(document, dict) else None
    return document
