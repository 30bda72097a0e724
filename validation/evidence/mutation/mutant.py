"""What a mutant is: one mistake, applied to a real artifact or to a module before it is traced."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from reference.modeling.sam import Sam
from validation.evidence.mutation.package_edit import EditablePackage
from validation.questions.pipeline import Pipeline

# How a mutant is caught before it is run: the folder is refused.
INTEGRITY = "integrity"
# What is at fault if the model itself is broken: an artifact that agrees with it proves nothing.
REFERENCE = "reference"


@dataclass(frozen=True)
class Mutant:
    """A mistake and what should be made of it.

    Attributes:
        name: unique, in the words that a commit which fixes it would use.
        description: one line.
        format: of the artifact that it is made in.
        scheme: likewise.
        expected: the stage to blame, one of ``stages.STAGES``; INTEGRITY, or REFERENCE.
    """

    name: str
    description: str
    format: str
    scheme: str
    expected: str

    @property
    def applied_to(self) -> str:
        """What is changed, in the table's words."""
        raise NotImplementedError


@dataclass(frozen=True)
class ModuleMutant(Mutant):
    """Changes an export module, which is then traced and written as the component's ``.ptl``.

    Attributes:
        component: one of ``artifact_layout.COMPONENTS``.
        change: (module, model) → module; the module is its own to change, the model is not.
    """

    component: str
    change: Callable[[nn.Module, Sam], nn.Module]

    @property
    def applied_to(self) -> str:
        """See ``Mutant``."""
        return f"{self.component} module → .ptl"


@dataclass(frozen=True)
class ModelMutant(Mutant):
    """Breaks the model itself, so that reference, goldens and artifact are all of it, and agree."""

    change: Callable[[Sam], None]

    @property
    def applied_to(self) -> str:
        """See ``Mutant``."""
        return "model, goldens and .ptl"


@dataclass(frozen=True)
class GoldensMutant(Mutant):
    """Changes the document ``goldens.json`` in place; hashes are brought up to date."""

    change: Callable[[dict], None]

    @property
    def applied_to(self) -> str:
        """See ``Mutant``."""
        return "goldens"


@dataclass(frozen=True)
class PackageMutant(Mutant):
    """Changes a component's ``.mlpackage`` where it lies."""

    component: str
    change: Callable[[EditablePackage], None]

    @property
    def applied_to(self) -> str:
        """See ``Mutant``."""
        return f"{self.component} .mlpackage"


@dataclass(frozen=True)
class AppMutant(Mutant):
    """Does something else than an app should around a sound artifact: ``pipeline`` is the app's way."""

    pipeline: type[Pipeline]

    @property
    def applied_to(self) -> str:
        """See ``Mutant``."""
        return "app"


@dataclass(frozen=True)
class ManifestMutant(Mutant):
    """Changes the manifest's document in place; files and their hashes stay right."""

    change: Callable[[dict], None]

    @property
    def applied_to(self) -> str:
        """See ``Mutant``."""
        return "manifest"


@dataclass(frozen=True)
class FolderMutant(Mutant):
    """Changes files and leaves their hashes as they were."""

    change: Callable[[Path], None]

    @property
    def applied_to(self) -> str:
        """See ``Mutant``."""
        return "files"
