"""The origin of an artifact, according to its manifest."""

from dataclasses import dataclass

from converters.artifact_layout import MANIFEST_FILE
from reference.common.errors import ArtifactError
from reference.common.plain_text import shorten
from validation.artifacts.artifact import Artifact, read_manifest


@dataclass(frozen=True)
class ListedFile:
    """A file of an artifact folder."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Provenance:
    """The facts that identify an artifact.

    Attributes:
        tools: tool of the conversion → its version; empty if the manifest does not say.
        files: all files but the manifest, model files first.
    """

    tools: dict[str, str]
    files: tuple[ListedFile, ...]


def provenance(artifact: Artifact) -> Provenance:
    """Read the manifest again; ArtifactError if it is gone or has changed since it was verified."""
    manifest = read_manifest(artifact)
    try:
        files = [
            ListedFile(name, manifest["files"][name]["bytes"], manifest["files"][name]["sha256"])
            for name in sorted(artifact.files)
        ]
    except (LookupError, TypeError) as error:
        raise ArtifactError(
            f"{artifact.folder / MANIFEST_FILE}: changed while the artifact was compared ({error}): "
            "expected the manifest that was verified; compare again"
        ) from error
    goldens = artifact.goldens.relative_to(artifact.folder).parent.as_posix()
    files.sort(key=lambda file: file.name.startswith(f"{goldens}/"))
    tools = manifest.get("tools")
    versions = tools if isinstance(tools, dict) else {}
    shown = {shorten(name): shorten(str(version)) for name, version in versions.items()}
    return Provenance(shown, tuple(files))
