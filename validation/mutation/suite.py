"""Make each mutant, compare it with the reference, and write down what came of it."""

import functools
import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from converters.artifact_layout import MANIFEST_FILE
from converters.convert import Source, convert, load_source
from converters.coreml import CoreMLOptions
from converters.export_modules import ImageEncoder, MaskDecoder
from converters.torchscript import TorchScriptOptions
from converters.torchscript_quantization import phone_engine, quantize
from reference.errors import ArtifactError
from reference.folders import files_below
from validation.artifact import Artifact, load_artifact
from validation.artifact_comparison import compare_pipelines
from validation.artifact_model import ArtifactModel
from validation.cases import Question
from validation.engines import engine_for
from validation.gates import Gates, gates_for, read_gates
from validation.goldens import golden_questions
from validation.mutation.app_mutants import APP_MUTANTS, MANIFEST_MUTANTS
from validation.mutation.decoder_mutants import DECODER_MUTANTS
from validation.mutation.encoder_mutants import ENCODER_MUTANTS
from validation.mutation.folder_mutants import FOLDER_MUTANTS
from validation.mutation.mutant import (
    INTEGRITY,
    AppMutant,
    FolderMutant,
    ManifestMutant,
    ModuleMutant,
    Mutant,
    PackageMutant,
)
from validation.mutation.package_edit import EditablePackage
from validation.mutation.package_mutants import PACKAGE_MUTANTS
from validation.mutation.small_model import SMALL, SMALL_GATES
from validation.pipeline import IMAGE_ENCODER, CachedPipeline, Pipeline
from validation.prompt_matrix import built_in_questions
from validation.results import FAILED, PASSED, Comparison, conclude

MUTANTS: tuple[Mutant, ...] = (
    *ENCODER_MUTANTS,
    *DECODER_MUTANTS,
    *PACKAGE_MUTANTS,
    *APP_MUTANTS,
    *MANIFEST_MUTANTS,
    *FOLDER_MUTANTS,
)
PHOTOS = ("chelsea",)  # beside the goldens': prompts at its border
OPTIONS = {"torchscript": TorchScriptOptions, "coreml": CoreMLOptions}
# Not Core ML, where a Mac has it: the same result everywhere.
ENGINES = {"torchscript": "lite_interpreter", "coreml": "mil_runtime"}


@dataclass(frozen=True)
class Outcome:
    """What came of an artefact, mutated or not.

    Attributes:
        caught_by: the first reason for which it failed; None if it passed.
        blamed: a stage, INTEGRITY, or None.
        failed: how many cases, of how many, failed; None if none was run.
    """

    caught_by: str | None
    blamed: str | None
    failed: tuple[int, int] | None

    @property
    def killed(self) -> bool:
        """Whether the comparison failed."""
        return self.caught_by is not None


class Suite:
    """Converts each artefact that mutants are made of once, when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        """Take a folder to work in; the small model must be registered."""
        self._folder = folder
        self._gates, self._default_gates = read_gates(SMALL_GATES), read_gates()
        self.artifact = functools.cache(self._convert)

    @functools.cached_property
    def source(self) -> Source:
        """The seeded weights."""
        return load_source("seeded", SMALL.name)

    @functools.cached_property
    def _reference(self) -> Pipeline:
        return CachedPipeline(self.source.sam)

    @functools.cached_property
    def _built_in(self) -> list[Question]:
        return built_in_questions(self.source.prompt_slots, PHOTOS)

    def _convert(self, format_name: str, scheme: str) -> Artifact:
        options = OPTIONS[format_name](scheme)
        return load_artifact(convert(self.source, options, self._folder / "sound"))

    def run_unmutated(self, format_name: str, scheme: str, default_gates: bool = False) -> Outcome:
        """Compare a sound artefact, by the small model's gates or by the default ones."""
        gates = self._default_gates if default_gates else self._gates
        return self._compare(self.artifact(format_name, scheme), gates=gates)

    def run(self, mutant: Mutant) -> Outcome:
        """Make a mutant and compare it."""
        sound = self.artifact(mutant.format, mutant.scheme)
        if isinstance(mutant, AppMutant):
            return self._compare(sound, mutant.pipeline)
        folder = self._folder / "mutant"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(sound.folder, folder)
        self._mutate(mutant, sound, folder)
        try:
            return self._compare(load_artifact(folder))
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
        else:
            component = folder / sound.components[mutant.component].name
            if isinstance(mutant, PackageMutant):
                package = EditablePackage(component)
                mutant.change(package)
                package.save()
            elif isinstance(mutant, ModuleMutant):
                self._write_lite_file(mutant, component)
            document["files"] = _list_files(folder)
        manifest.write_text(json.dumps(document))

    @torch.no_grad()
    def _write_lite_file(self, mutant: ModuleMutant, path: Path) -> None:
        """Without the checks of ``convert``, which would refuse some."""
        sam, goldens = self.source.sam, self.source.goldens
        is_encoder = mutant.component == IMAGE_ENCODER
        module = mutant.change((ImageEncoder if is_encoder else MaskDecoder)(sam).eval(), sam)
        example = (goldens.encoder_inputs() if is_encoder else goldens.decoder_inputs())[0]
        with phone_engine():
            traced = torch.jit.trace(quantize(module, mutant.scheme), example, check_trace=False)
            traced._save_for_lite_interpreter(str(path))

    def _compare(
        self,
        artifact: Artifact,
        pipeline: type[Pipeline] = Pipeline,
        gates: Mapping[str, Mapping[str, Gates]] | None = None,
    ) -> Outcome:
        limits = gates_for(artifact, gates or self._gates)
        engine = engine_for(artifact, ENGINES[artifact.format])
        candidate = pipeline(ArtifactModel(engine, artifact), artifact.mask_threshold)
        questions = [*golden_questions(artifact), *self._built_in]
        cases = compare_pipelines(artifact, questions, self._reference, candidate, limits)
        return _outcome(conclude(artifact, engine.name, limits, cases))


def _outcome(comparison: Comparison) -> Outcome:
    failed = comparison.count(FAILED), len(comparison.cases)
    if comparison.verdict == PASSED:
        return Outcome(None, None, failed)
    reasons = [reason for case in comparison.cases for reason in case.reasons]
    reason = [*reasons, *comparison.failures][0]
    return Outcome(_plain(reason, comparison.artifact.folder), comparison.blamed, failed)


def _plain(reason: str, folder: Path) -> str:
    """Without the folder that this run worked in, and without what to do about it."""
    return re.sub(rf"{re.escape(str(folder))}[/:]? ?", "", reason).split("; ")[0]


def _list_files(folder: Path) -> dict:
    return {
        path.relative_to(folder).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in files_below(folder)
        if path.name != MANIFEST_FILE
    }


def artifacts_of(mutants: Iterable[Mutant]) -> list[tuple[str, str]]:
    """(format, scheme) of everything that the mutants are made of."""
    return sorted({(mutant.format, mutant.scheme) for mutant in mutants}, reverse=True)
