"""Makes each mutant, compares it with the reference, and records the outcome."""

import copy
import functools
import json
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from converters.artifact_layout import GOLDENS_FILE, GOLDENS_FOLDER, MANIFEST_FILE
from converters.conversion import Source, load_source
from converters.goldens import compute_goldens, write_goldens
from converters.manifest import list_files
from reference.common.errors import ArtifactError
from reference.modeling.sam import Sam
from validation.artifacts.artifact import Artifact, load_artifact
from validation.comparison.conclusion import conclude
from validation.comparison.pipelines import compare_pipelines
from validation.comparison.results import Comparison
from validation.documents.verdicts import FAILED, PASSED
from validation.engines import engine_for
from validation.engines.artifact_model import ArtifactModel
from validation.evidence.mutation.app_mutants import APP_MUTANTS
from validation.evidence.mutation.decoder_mutants import DECODER_MUTANTS
from validation.evidence.mutation.encoder_mutants import ENCODER_MUTANTS
from validation.evidence.mutation.evidence_mutants import EVIDENCE_MUTANTS
from validation.evidence.mutation.folder_mutants import FOLDER_MUTANTS
from validation.evidence.mutation.manifest_mutants import MANIFEST_MUTANTS
from validation.evidence.mutation.mutant import (
    INTEGRITY,
    REFERENCE,
    AppMutant,
    FolderMutant,
    GoldensMutant,
    ManifestMutant,
    ModelMutant,
    ModuleMutant,
    Mutant,
    PackageMutant,
)
from validation.evidence.mutation.package_edit import EditablePackage
from validation.evidence.mutation.package_mutants import PACKAGE_MUTANTS
from validation.evidence.mutation.tiny_artifacts import (
    EXPORTED,
    TinyArtifacts,
    inputs_of,
    write_lite_file,
)
from validation.gates import gates_for, read_gates
from validation.questions.cases import Question
from validation.questions.goldens import golden_questions
from validation.questions.pipeline import CachedPipeline, PhotoPipeline
from validation.questions.prompt_matrix import built_in_questions

MUTANTS: tuple[Mutant, ...] = (
    *ENCODER_MUTANTS,
    *DECODER_MUTANTS,
    *PACKAGE_MUTANTS,
    *APP_MUTANTS,
    *MANIFEST_MUTANTS,
    *FOLDER_MUTANTS,
    *EVIDENCE_MUTANTS,
)
PHOTOS = ("chelsea",)  # an additional photo, with prompts at its border
# mil_runtime is used even where Core ML is available, so that results are the same everywhere.
ENGINES = {"torchscript": "lite_interpreter", "coreml": "mil_runtime"}


@dataclass(frozen=True)
class Outcome:
    """The outcome of comparing an artifact, with or without a mutation.

    Attributes:
        caught_by: the first reason why it failed; None if it passed.
        blamed: the blamed stage, INTEGRITY, REFERENCE, or None.
        failed: the number of failed cases, and the number of all cases; None if none ran.
    """

    caught_by: str | None
    blamed: str | None
    failed: tuple[int, int] | None

    @property
    def killed(self) -> bool:
        """Whether the comparison failed, as it should for a mutant."""
        return self.caught_by is not None


class Suite:
    """Makes mutants and compares them. Each sound artifact is converted once, when it is first needed."""

    def __init__(self, folder: Path) -> None:
        """Take a folder to work in."""
        self._folder = folder
        self._gates = read_gates()
        self.artifact = functools.cache(self._load_sound)
        self.sound = functools.cache(self._compare_sound)

    @functools.cached_property
    def source(self) -> Source:
        """The seeded weights."""
        return load_source("seeded", "tiny")

    @functools.cached_property
    def tiny(self) -> TinyArtifacts:
        """What the mutants are made of."""
        return TinyArtifacts(self.source, self._folder / "sound")

    @functools.cached_property
    def _reference(self) -> PhotoPipeline:
        return CachedPipeline(self.source.sam)

    @functools.cached_property
    def _built_in(self) -> list[Question]:
        return built_in_questions(self.source.prompt_slots, PHOTOS)

    def _load_sound(self, format_name: str, scheme: str) -> Artifact:
        return load_artifact(self.tiny.folder(format_name, scheme))

    def _compare_sound(self, format_name: str, scheme: str) -> Comparison:
        return self.compare(self.artifact(format_name, scheme))

    def run_unmutated(self, format_name: str, scheme: str) -> Outcome:
        """Return the outcome of comparing a sound artifact."""
        return _outcome(self.sound(format_name, scheme))

    def run(self, mutant: Mutant) -> Outcome:
        """Make a mutant and compare it."""
        sound = self.artifact(mutant.format, mutant.scheme)
        if isinstance(mutant, AppMutant):
            return _outcome(self.compare(sound, mutant.pipeline))
        folder = self._folder / "mutant"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(sound.folder, folder)
        reference = self._reference
        if isinstance(mutant, ModelMutant):
            sam = copy.deepcopy(self.source.sam)
            mutant.change(sam)
            reference = CachedPipeline(sam)
            self._write_model(sam, sound, folder)
        self._mutate(mutant, sound, folder)
        try:
            return _outcome(self.compare(load_artifact(folder), reference=reference))
        except ArtifactError as error:
            return Outcome(_plain(str(error), folder), INTEGRITY, None)

    def _mutate(self, mutant: Mutant, sound: Artifact, folder: Path) -> None:
        manifest = folder / MANIFEST_FILE
        if isinstance(mutant, FolderMutant):
            mutant.change(folder)
            return
        document = json.loads(manifest.read_text())
        if isinstance(mutant, ManifestMutant):
            mutant.change(document)
        elif isinstance(mutant, GoldensMutant):
            path = folder / GOLDENS_FOLDER / GOLDENS_FILE
            goldens = json.loads(path.read_text())
            mutant.change(goldens)
            path.write_text(json.dumps(goldens))
        elif isinstance(mutant, PackageMutant):
            package = EditablePackage(folder / sound.components[mutant.component].name)
            mutant.change(package)
            package.save()
        elif isinstance(mutant, ModuleMutant):
            sam = self.source.sam
            exported = EXPORTED[mutant.component](sam).eval()
            stored = self.tiny.quantized(
                mutant.change(exported, sam), mutant.component, mutant.scheme
            )
            inputs = inputs_of(mutant.component, self.source.goldens)
            write_lite_file(stored, inputs, folder / sound.components[mutant.component].name)
        if not isinstance(mutant, ManifestMutant):
            document["files"] = list_files(folder)
        manifest.write_text(json.dumps(document))

    def _write_model(self, sam: Sam, sound: Artifact, folder: Path) -> None:
        """Replace both modules and the goldens by those of another model."""
        for component, path in sound.components.items():
            module, inputs = EXPORTED[component](sam), inputs_of(component, self.source.goldens)
            stored = self.tiny.quantized(module.eval(), component, sound.scheme)
            write_lite_file(stored, inputs, folder / path.name)
        goldens = compute_goldens(sam, self.source.prompt_slots)
        shutil.rmtree(folder / GOLDENS_FOLDER)
        write_goldens(goldens, folder / GOLDENS_FOLDER, self.source.sam.frame_size)

    def compare(
        self,
        artifact: Artifact,
        pipeline: type[PhotoPipeline] = PhotoPipeline,
        reference: PhotoPipeline | None = None,
        pictures: bool = False,
    ) -> Comparison:
        """Compare an artifact as ``validate compare`` does, by the default gates."""
        limits = gates_for(artifact, self._gates)
        engine = engine_for(artifact, ENGINES[artifact.format])
        candidate = pipeline(ArtifactModel(engine, artifact), artifact.mask_threshold)
        questions = [*golden_questions(artifact), *self._built_in]
        cases = compare_pipelines(
            artifact, questions, reference or self._reference, candidate, limits, pictures
        )
        return conclude(artifact, engine.name, limits, cases)


def _outcome(comparison: Comparison) -> Outcome:
    failed = comparison.count(FAILED), len(comparison.cases)
    if comparison.verdict == PASSED:
        return Outcome(None, None, failed)
    reasons = [reason for case in comparison.cases for reason in case.reasons]
    reason = [*comparison.unproven, *reasons, *comparison.failures][0]
    blamed = comparison.blamed
    if blamed is None and comparison.unproven:
        blamed = REFERENCE
    return Outcome(_plain(reason, comparison.artifact.folder), blamed, failed)


def _plain(reason: str, folder: Path) -> str:
    """Remove this run's folder, and the advice, from a reason."""
    return re.sub(rf"{re.escape(str(folder))}[/:]? ?", "", reason).split("; ")[0]


def artifacts_of(mutants: Iterable[Mutant]) -> list[tuple[str, str]]:
    """Return the (format, scheme) of all artifacts that the mutants are made of."""
    return sorted({(mutant.format, mutant.scheme) for mutant in mutants}, reverse=True)
