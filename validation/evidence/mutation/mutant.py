"""The kinds of mutants. A mutant is one mistake in an artifact, or in a module before it is traced."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from reference.modeling.sam import Sam
from validation.evidence.mutation.package_edit import EditablePackage
from validation.questions.pipeline import PhotoPipeline

# Blamed if the artifact's folder is refused before anything runs.
INTEGRITY = "integrity"
# Blamed if the model itself is broken, so that an artifact which agrees with it proves nothing.
REFERENCE = "reference"


@dataclass(frozen=True)
class Mutant:
    """A mistake, and the stage that should be blamed for it.

    Attributes:
        name: a unique name, in the words of a commit that would fix the mistake.
        description: an explanation in one line.
        format: the format of the artifact that gets the mistake.
        scheme: the scheme of that artifact.
        expected: the stage that should be blamed: one of ``stages.STAGES``, INTEGRITY or REFERENCE.
    """

    name: str
    description: str
    format: str
    scheme: str
    expected: str

    @property
    def applied_to(self) -> str:
        """The changed part, in the words of the table."""
        raise NotImplementedError


@dataclass(frozen=True)
class ModuleMutant(Mutant):
    """Changes an export module, which is then traced and written as the component's ``.ptl``.

    Attributes:
        component: one of ``artifact_layout.COMPONENTS``.
        change: (module, model) → module. The function may change the module, but not the model.
    """

    component: str
    change: Callable[[nn.Module, Sam], nn.Module]

    @property
    def applied_to(self) -> str:
        return f"{self.component} module → .ptl"


@dataclass(frozen=True)
class ModelMutant(Mutant):
    """Breaks the model itself, so that reference, goldens and artifact agree with each other."""

    change: Callable[[Sam], None]

    @property
    def applied_to(self) -> str:
        return "model, goldens and .ptl"


@dataclass(frozen=True)
class GoldensMutant(Mutant):
    """Changes the document ``goldens.json`` in place. The manifest's hashes are updated."""

    change: Callable[[dict], None]

    @property
    def applied_to(self) -> str:
        return "goldens"


@dataclass(frozen=True)
class PackageMutant(Mutant):
    """Changes a component's ``.mlpackage`` in place."""

    component: str
    change: Callable[[EditablePackage], None]

    @property
    def applied_to(self) -> str:
        return f"{self.component} .mlpackage"


@dataclass(frozen=True)
class AppMutant(Mutant):
    """Uses a sound artifact in a wrong way: ``pipeline`` is what the app does."""

    pipeline: type[PhotoPipeline]

    @property
    def applied_to(self) -> str:
        return "app"


@dataclass(frozen=True)
class ManifestMutant(Mutant):
    """Changes the manifest's document in place. Files and their hashes stay correct."""

    change: Callable[[dict], None]

    @property
    def applied_to(self) -> str:
        return "manifest"


@dataclass(frozen=True)
class FolderMutant(Mutant):
    """Changes files without updating their hashes in the manifest."""

    change: Callable[[Path], None]

    @property
    def applied_to(self) -> str:
        return "files"
