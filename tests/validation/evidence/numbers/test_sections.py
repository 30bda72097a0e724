"""The sections of docs/evidence/numbers.md measure what they state. The tiny model's answers are known."""

import pytest

from converters.conversion import write_artifact
from converters.torchscript.options import TorchScriptOptions
from reference.common.folders import size_of
from validation.artifacts.artifact import load_artifact
from validation.evidence.numbers import accuracy, agreement, conversion, float16
from validation.evidence.page import MET
from validation.gates import read_gates

FLOAT32 = ("torchscript", "none")
INT8 = ("torchscript", "int8")
PACKAGE = ("coreml", "none")


class TinyBench:
    """The tiny model's artifacts, in place of the demo weights'."""

    def __init__(self, source, folders, folder) -> None:
        self.source, self.folders, self.folder = source, folders, folder

    def artifact(self, *pair):
        return load_artifact(self.folders[pair])


@pytest.fixture
def bench(tiny_model, tiny_source, tiny_artifact, tiny_package, tmp_path):
    return TinyBench(tiny_source, {FLOAT32: tiny_artifact, PACKAGE: tiny_package}, tmp_path)


def measure(monkeypatch, module, function, bench, *pairs):
    """Return the tables of a section for these artifacts, each as a list of {column: cell}."""
    monkeypatch.setattr(module, "ARTIFACTS", pairs)
    return cells(function(bench))


def cells(tables):
    return [
        [
            dict(zip((name.strip("<") for name in table.header), row, strict=True))
            for row in table.rows
        ]
        for table in tables
    ]


def test_sizes_are_those_of_the_files(monkeypatch, bench):
    ((script, package),) = measure(
        monkeypatch, conversion, conversion.measure_sizes, bench, FLOAT32, PACKAGE
    )
    assert (script["format"], package["format"]) == ("torchscript", "coreml")
    for row, pair in ((script, FLOAT32), (package, PACKAGE)):
        components = bench.artifact(*pair).components.values()
        size = sum(map(size_of, components))
        assert float(row["together"]) == pytest.approx(size / 1e6, abs=0.01)
        assert 0 < float(row["above the weights"]) < float(row["together"])
    assert (script["verdict"], package["verdict"]) == (MET, "–")


def test_agreement_is_measured(monkeypatch, bench, tmp_path):
    bench.folders[INT8] = write_artifact(
        bench.source, TorchScriptOptions("int8"), tmp_path / "int8"
    )
    (float32, int8, package), cases = measure(
        monkeypatch, agreement, agreement.measure_agreement, bench, FLOAT32, INT8, PACKAGE
    )
    assert "lite interpreter" in float32["engine"]
    assert float(float32["IoU min"]) >= 0.999
    assert (float32["gates"], float32["verdict"]) == ("passed", MET)
    assert float(int8["IoU mean"]) < float(float32["IoU mean"])
    float32_limit = read_gates()["torchscript"]["none"].min_embeddings_sqnr
    assert float(int8["encoder dB"]) < float32_limit <= float(float32["encoder dB"])
    assert package["artifact"] == "coreml none"
    assert len(cases) == int(int8["cases"]) > 0
    lowest = min(float(row[f"mask {index}"]) for row in cases for index in range(4))
    assert lowest == pytest.approx(float(int8["IoU min"]), abs=0.001)


@pytest.mark.slow
def test_float16_is_measured(monkeypatch, bench):
    monkeypatch.setattr(float16, "SIZES", (1e4,))
    monkeypatch.setattr(float16, "SCHEMES", ("fp16",))
    ((as_they_are, one_channel, all_channels),) = cells(float16.measure_float16(bench))
    assert as_they_are["scaled"] == "0"
    for row in (one_channel, all_channels):
        assert int(row["scaled"]) >= 3
        assert float(row["headroom"]) >= 2
        assert float(row["encoder dB"]) > float(as_they_are["encoder dB"]) - 6
        assert float(row["IoU mean"]) > 0.9


def test_accuracy_is_measured(monkeypatch, bench, accept_files):
    damaged = bench.folders[PACKAGE]
    program = next(damaged.rglob("*MaskDecoder.mlpackage/**/*.mlmodel"))
    program.write_bytes(b"no program")
    accept_files(damaged)
    monkeypatch.setattr(accuracy, "SCENES", 1)
    ((reference, float32, failed),) = measure(
        monkeypatch, accuracy, accuracy.measure_accuracy_of_schemes, bench, FLOAT32, PACKAGE
    )
    assert reference["artifact"] == "reference: seeded"
    assert (reference["most lost"], reference["gate held"]) == ("–", "–")
    assert int(reference["objects"]) == int(float32["objects"]) > 0
    assert [float32[name] for name in ("box", "best of 3")] == [
        reference[name] for name in ("box", "best of 3")
    ]
    assert (float32["most lost"], float32["gate held"]) == ("0.000", "passed")
    assert failed["artifact"].startswith("coreml none: ")
    assert (failed["objects"], failed["box"], failed["gate held"]) == ("0", "–", "failed")
