"""A comparison with every kind of outcome, its report, and a browser to read it with."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

from converters.samples import SampleCase, load_photo
from tests.support.latency_documents import document, missing_target, target
from tests.support.requirements import require_tool
from validation.artifacts.artifact import load_artifact
from validation.comparison.comparer import Comparer, Extras
from validation.comparison.conclusion import conclude
from validation.comparison.results import Comparison
from validation.engines.artifact_model import ArtifactModel
from validation.inspection.drift import worst
from validation.inspection.drift.drift import Drift
from validation.metrics import tensor_difference
from validation.questions.cases import PHOTO, Question
from validation.report import write_latency_report, write_report

HOSTILE_PHOTO = "photos/<script>alert(1)</script>\"'.jpg"
COMMAND = "validate compare 'artifacts/<b>&' --report report"

# A page in a browser that phones home is no proof that the page does not.
BROWSER_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def comparisons(tiny_folders) -> list[Comparison]:
    """Three comparisons of the tiny model: one passes, one fails because of its encoder, and one was not run.

    Their artifacts say that the weights are trained.
    """
    cases = (
        SampleCase("face", HOSTILE_PHOTO, points=((224, 112), (60, 60)), labels=(1, 0)),
        SampleCase("<b>box</b>", HOSTILE_PHOTO, box=(166, 40, 286, 196)),
    )
    truth = np.zeros((512, 512), bool)
    truth[40:196, 166:286] = True
    question = Question(
        PHOTO, HOSTILE_PHOTO, lambda: load_photo("astronaut"), cases, {"face": truth}
    )
    with pytest.MonkeyPatch.context() as patch:
        artifact = load_artifact(tiny_folders["torchscript"])
        sound = Comparer(extras=Extras(pictures=True)).compare(artifact)
        encode_image = ArtifactModel.encode_image
        patch.setattr(
            ArtifactModel, "encode_image", lambda self, frame: 0.9 * encode_image(self, frame)
        )
        comparer = Comparer(prompts=[question], extras=Extras(pictures=True))
        unsound = comparer.compare(artifact)
    checkpoint = dataclasses.replace(artifact.checkpoint, name="mine.pt", trained=True)
    artifact = dataclasses.replace(artifact, checkpoint=checkpoint)
    sound = dataclasses.replace(sound, artifact=artifact)
    skipped = [
        dataclasses.replace(
            case,
            status="not run",
            agreement=None,
            stages=(),
            pictures=None,
            reasons=("Core ML needs a Mac",),
        )
        for case in sound.cases[:3]
    ]
    # One whole that has passed and failed cases, for the filter.
    mixed = [*unsound.cases[-2:], *sound.cases[:5]]
    return [
        sound,
        conclude(
            artifact,
            unsound.engine,
            unsound.gates,
            mixed,
            seconds=unsound.seconds,
            drifts=worst([make_drift("<i>mlp</i>", 0.5), make_drift("norm", np.nan)]),
        ),
        conclude(artifact, None, sound.gates, skipped),
    ]


def make_drift(name: str, value: float) -> Drift:
    """Return the drift of an operation that gives (1, ``value``) where (1, 1) is right."""
    error = tensor_difference(np.array([1, value]), np.array([1.0, 1.0]))
    return Drift("mask_decoder", name, "linear", f"mask_decoder.{name}", error, error)


@pytest.fixture(scope="session")
def report(comparisons, tmp_path_factory) -> Path:
    """The report's folder."""
    folder = tmp_path_factory.mktemp("report") / "report"
    write_report(folder, comparisons, command=COMMAND)
    return folder


@pytest.fixture(scope="session")
def chromium(tmp_path_factory) -> Iterator[Chrome]:
    """A headless browser without a history."""
    fix = "apt-get install chromium chromium-driver"
    binary, driver = require_tool("chromium", fix), require_tool("chromedriver", fix)
    options = ChromeOptions()
    options.binary_location = binary
    for option in BROWSER_OPTIONS:
        options.add_argument(option)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('browser')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = Chrome(options, ChromeService(driver))
    try:
        yield browser
    finally:
        browser.quit()


@pytest.fixture(scope="session")
def latency_report(tmp_path_factory) -> Path:
    """The folder of a latency report with every kind of outcome."""
    folder = tmp_path_factory.mktemp("latency") / "report"
    write_latency_report(folder, document(target(), missing_target()), command=COMMAND)
    return folder


@pytest.fixture
def page(chromium, report) -> Chrome:
    """The report, freshly loaded into the browser, in light colors and a wide window."""
    return _load(chromium, report / "report.html")


@pytest.fixture(params=["report.html", "latency.html"])
def any_page(request, chromium, report, latency_report) -> Chrome:
    """The report, and the latency's page, loaded as ``page`` is."""
    folder = report if request.param == "report.html" else latency_report
    return _load(chromium, folder / request.param)


def _load(chromium: Chrome, path: Path) -> Chrome:
    for kind in ("browser", "performance"):
        chromium.get_log(kind)  # empties it
    _emulate(chromium, "light", 1280)
    chromium.get(path.as_uri())
    return chromium


@pytest.fixture
def emulate(chromium):
    """Show the page in other colors, in another size, or on paper."""

    def show(scheme="light", width=1280, height=900, media=""):
        _emulate(chromium, scheme, width, height, media)

    return show


def _emulate(browser: Chrome, scheme: str, width: int, height: int = 900, media: str = "") -> None:
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": [feature]})
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
    )
