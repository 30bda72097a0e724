"""The tables that ``validate accuracy`` prints, of made-up scores with every kind of outcome."""

from dataclasses import replace

import pytest

import validation.accuracy.evaluate
from validation.accuracy.document import Data
from validation.accuracy.evaluate import AccuracyResult
from validation.accuracy.evaluation import Evaluation
from validation.accuracy.results import PROTOCOLS, Accuracy, InstanceScore
from validation.artifacts.artifact import load_artifact
from validation.documents.verdicts import Unavailable

LITE, RUNTIME = "lite interpreter of torch 2.7.1", "mil_runtime (declared numerics)"
# Area in pixels, and whether the object is a part of another one.
OBJECTS = ((100, True), (5_000, False), (20_000, False), (30_000, None))


def accuracy(iou):
    """Return scores that rise with the size of the object, and that are different in each protocol."""
    scores = [
        InstanceScore(
            sample="photo",
            instance=str(number),
            area=area,
            is_part=is_part,
            ious={
                protocol: iou * (number + 1) / (len(OBJECTS) + place)
                for place, protocol in enumerate(reversed(PROTOCOLS))
            },
        )
        for number, (area, is_part) in enumerate(OBJECTS)
    ]
    return Accuracy(tuple(scores))


@pytest.fixture
def evaluations(tiny_artifact, tiny_package):
    """Artifacts with every verdict, and two checkpoints: a trained one and an untrained one."""
    script, package = load_artifact(tiny_artifact), load_artifact(tiny_package)
    untrained = script.checkpoint
    trained = replace(untrained, name="demo", trained=True)
    demo = Evaluation("demo", "tiny", trained, accuracy=accuracy(0.9))
    nothing_found = [f"{words}: the reference finds no object" for words in PROTOCOLS.values()]
    seeded = Evaluation(
        "seeded", "tiny", untrained, accuracy=accuracy(0.0), unproven=tuple(nothing_found)
    )

    def evaluation(artifact, weights, engine, **fields):
        artifact = replace(artifact, checkpoint=weights)
        return Evaluation(artifact.name, "tiny", weights, engine, artifact=artifact, **fields)

    return [
        demo,
        evaluation(script, trained, LITE, accuracy=accuracy(0.8999), reference=demo),
        evaluation(
            *(package, trained, RUNTIME),
            accuracy=accuracy(0.5),
            reference=demo,
            failures=("the tight box: mIoU is 0.2500 lower than the reference mIoU, gate 0.01",),
        ),
        evaluation(
            *(script, untrained, LITE),
            accuracy=accuracy(0.0),
            reference=seeded,
            unproven=seeded.unproven,
        ),
        evaluation(
            *(script, trained, LITE),
            accuracy=accuracy(0.7),
            reference=Unavailable("no weights"),
            not_run_reasons=("mIoU lost: no weights",),
        ),
        evaluation(package, trained, None, not_run_reasons=("Core ML runs on macOS only",)),
    ]


def test_what_accuracy_prints(validate, golden_text, evaluations, tiny_artifact, monkeypatch):
    """On a dataset every kind of outcome is shown; on scenes the title is another one."""

    def evaluate_accuracy(sources, *, dataset, scenes, **options):
        if dataset is None:
            return AccuracyResult(evaluations[:1], Data("scenes", None, scenes))
        return AccuracyResult(evaluations, Data("dataset", str(dataset), 2))

    monkeypatch.setattr(validation.accuracy.evaluate, "evaluate_accuracy", evaluate_accuracy)
    text = ""
    for arguments, expected in (
        ((tiny_artifact, "--dataset", "photos"), 1),
        (("demo", "--scenes", 500), 0),
    ):
        status, out, err = validate("accuracy", *arguments)
        assert (status, err) == (expected, "")
        text += f"$ validate accuracy {' '.join(map(str, arguments))}\n{out}"
    golden_text(text, "accuracy.txt", artifact=str(tiny_artifact))
