"""Mutants are killed for the expected reason, and artifacts without a mutation pass."""

import hashlib
import shutil

import numpy as np
import pytest
import torch

from converters.export_modules.channels_last.image_encoder import ChannelsLastImageEncoder
from converters.export_modules.channels_last.mask_decoder import ChannelsLastMaskDecoder
from tests.support.tiny_variant import TINY
from validation.documents.verdicts import PASSED
from validation.engines.mil_runtime import open_engine
from validation.evidence.mutation.mutant import ModuleMutant
from validation.evidence.mutation.package_edit import EditablePackage
from validation.evidence.mutation.report import as_expected, kill_table, unmutated_table
from validation.evidence.mutation.suite import MUTANTS, Outcome, artifacts_of
from validation.evidence.mutation.weight_faults import ALL
from validation.stages import IMAGE_ENCODER, STAGES

FAST = (
    "encoder: layer norm epsilon 1e-3",
    "decoder: last slot never hidden",
    "decoder: outputs exchanged",
    "package: float16 overflow",
    "app: photo not antialiased",
    "app: mask resize aligns corners",
    "manifest: padding black",
    "files: a byte of a .ptl",
    "files: a .ptl cut off",
    "files: a byte of a golden",
    "files: one too many",
    "model: mask of NaN",
    "model: no mask at all",
    "model: every score equal",
    "goldens: one case",
)


def by_name(name):
    (found,) = (mutant for mutant in MUTANTS if mutant.name == name)
    return found


@pytest.mark.parametrize("name", FAST)
def test_mutant_is_killed(suite, name):
    mutant = by_name(name)
    outcome = suite.run(mutant)
    assert outcome.killed
    assert outcome.blamed == mutant.expected
    assert str(suite.artifact(mutant.format, mutant.scheme).folder.parent) not in outcome.caught_by


@pytest.mark.parametrize("artifact", artifacts_of(map(by_name, FAST)))
def test_unmutated_artifacts_pass(suite, artifact):
    outcome = suite.run_unmutated(*artifact)
    assert outcome == Outcome(None, None, (0, 11))


@pytest.mark.slow
def test_every_mutant_is_killed(suite):
    wrong = {
        mutant.name: outcome
        for mutant in MUTANTS
        if not as_expected(mutant, outcome := suite.run(mutant))
    }
    assert wrong == {}
    assert {suite.sound(*pair).verdict for pair in ALL} == {PASSED}


def test_page_lists_the_mutants_that_there_are(rows_of_page):
    """The page lists the mutants in their order, each with the stage that is expected to be blamed."""
    rows = rows_of_page("mutants")
    assert [row[:2] for row in rows] == [[item.name, item.description] for item in MUTANTS]
    assert [row[6:] for row in rows] == [[item.expected] * 2 for item in MUTANTS]


def test_page_lists_the_sound_artifacts(rows_of_page):
    assert [row[:2] for row in rows_of_page("unmutated")] == [
        [" ".join(pair), "pass"] for pair in ALL
    ]


def test_mutants_are_many_and_of_every_stage():
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 45
    assert {mutant.expected for mutant in MUTANTS} == {*STAGES, "integrity", "reference"}


def test_module_mutants_leave_the_model_as_it_is(suite):
    sam = suite.source.sam
    before = {name: tensor.clone() for name, tensor in sam.state_dict().items()}
    for mutant in MUTANTS:
        if isinstance(mutant, ModuleMutant):
            of_encoder = mutant.component == IMAGE_ENCODER
            mutant.change(
                (ChannelsLastImageEncoder if of_encoder else ChannelsLastMaskDecoder)(sam).eval(),
                sam,
            )
    after = sam.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert not any(module.training for module in sam.modules())


def test_tables_show_what_survived(golden_text):
    encoder_mutants = [mutant for mutant in MUTANTS if mutant.expected == IMAGE_ENCODER]
    survived, misplaced = Outcome(None, None, (0, 11)), Outcome("a|b", "mask_resize", (2, 11))
    refused = Outcome("a long reason " * 10, IMAGE_ENCODER, None)
    table = kill_table(dict(zip(encoder_mutants, (survived, misplaced, refused), strict=False)))
    golden_text(f"{table.to_markdown()}\n{table.note}\n", "mutation.txt")


def test_table_of_sound_artifacts(suite):
    pair = ("torchscript", "none")
    (row,) = unmutated_table({pair: suite.sound(*pair)}).rows
    assert row[:4] == ("torchscript none", "pass", "1.000, 0.999", "1.0000, 0.9998")
    assert row[4].endswith(", 90 dB")


# Packages


@pytest.fixture
def package(suite, tmp_path):
    sound = suite.artifact("coreml", "fp16").components[IMAGE_ENCODER]
    return shutil.copytree(sound, tmp_path / sound.name)


def contents(package):
    return {
        path.relative_to(package): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in package.rglob("*")
        if path.is_file()
    }


def test_package_that_is_not_edited_stays_the_same(package):
    before = contents(package)
    EditablePackage(package).save()
    assert contents(package) == before


def test_edited_numbers_are_where_the_program_looks_for_them(suite, package):
    editable = EditablePackage(package)
    for name in ("encoder_neck_2_weight", "encoder_neck_3_weight"):
        editable.edit(editable.constant(name), np.zeros_like)
    bias = 0.25
    editable.edit(editable.constant("encoder_neck_3_bias"), lambda old: np.full_like(old, bias))
    editable.save()
    artifact = suite.artifact("coreml", "fp16")
    components = {**artifact.components, IMAGE_ENCODER: package}
    engine = open_engine(type(artifact)(**{**vars(artifact), "components": components}))
    frame = torch.zeros(1, 3, TINY.image_size, TINY.image_size)
    assert torch.all(engine.encode(frame) == bias)


def test_edit_keeps_the_number_of_bytes(package):
    editable = EditablePackage(package)
    with pytest.raises(ValueError, match="bytes: expected 73728"):
        editable.edit(editable.constant("encoder_neck_2_weight"), lambda weights: weights[:1])
