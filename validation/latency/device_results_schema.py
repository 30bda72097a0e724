"""The results that both sample apps write on a phone.

The classes are the schema: their fields are the document's keys, and every key is required.
docs/device-results.md describes each key, and ``device_results`` reads a document.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

SCHEMA = "mobile-sam-export/device-results/1"
ANDROID, IOS = PLATFORMS = ("android", "ios")
FORMAT_OF = {ANDROID: "torchscript", IOS: "coreml"}  # the format that a platform's app runs
# Platform → compute units. PyTorch's lite interpreter uses the processor only; Core ML's names are those
# of MLComputeUnits.
COMPUTE_UNITS = {ANDROID: ("cpu",), IOS: ("all", "cpu_and_ne", "cpu_and_gpu", "cpu_only")}
UNKNOWN = "unknown"
# Platform → thermal states, coolest first: PowerManager.THERMAL_STATUS_… (Android 10 and later), and
# ProcessInfo.ThermalState. An older system reports no state, which is recorded as UNKNOWN.
THERMAL_STATES = {
    ANDROID: ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown"),
    IOS: ("nominal", "fair", "serious", "critical"),
}
# The first state in which the system slows the processor down. Android's documentation says that "light"
# is throttling; iOS reduces performance from "serious" on.
_FIRST_THROTTLED = {ANDROID: "light", IOS: "serious"}


@dataclass(frozen=True)
class Device:
    """The device that was measured on.

    Attributes:
        platform: one of PLATFORMS.
        model: the system's name for the model, such as "Pixel 8" or "iPhone15,2".
        os_version: the version of the operating system, such as "15" or "18.1".
    """

    platform: str
    model: str
    os_version: str


@dataclass(frozen=True)
class App:
    """The app that measured.

    Attributes:
        name: the app's application or bundle identifier.
        version: the app's version.
        runtime: the library that ran the artifact, with its version, such as
            "pytorch_android_lite 2.1.0" or "Core ML, iOS 18.1".
    """

    name: str
    version: str
    runtime: str


@dataclass(frozen=True)
class Compute:
    """The processors that the artifact was allowed to use.

    Attributes:
        unit: one of the platform's COMPUTE_UNITS. It says what was allowed, not what was chosen.
        threads: the number of threads on Android; None on iOS, where Core ML decides.
    """

    unit: str
    threads: int | None


@dataclass(frozen=True)
class FileIdentity:
    """A file's size in bytes and its SHA-256, both computed on the device."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class ArtifactIdentity:
    """The artifact that was measured.

    Attributes:
        model: "model" of manifest.json.
        format: the platform's format, which FORMAT_OF names.
        scheme: "scheme" of manifest.json.
        checkpoint_sha256: "checkpoint.sha256" of manifest.json.
        files: path below the artifact's folder → the file's identity, for each file of manifest.json.
    """

    model: str
    format: str
    scheme: str
    checkpoint_sha256: str
    files: Mapping[str, FileIdentity]


@dataclass(frozen=True)
class CaseLimits:
    """The limits that every case must meet.

    Attributes:
        min_iou: the lowest IoU that each of a case's masks may have with the golden mask.
        max_score_difference: the most that each score may differ from the golden score.
    """

    min_iou: float
    max_score_difference: float


@dataclass(frozen=True)
class DeviceCase:
    """The result of one golden case. Cases keep the order of goldens.json.

    Attributes:
        name: the case's name.
        mask_ious: the IoU of each of the four masks with its golden mask, at the photo's own size.
        max_score_difference: the largest difference of the four scores to the golden scores; None if
            a score is not finite.
        passed: whether the case meets the limits.
    """

    name: str
    mask_ious: tuple[float, ...]
    max_score_difference: float | None
    passed: bool


@dataclass(frozen=True)
class DeviceStageTimes:
    """The times of a stage's runs, in milliseconds.

    Attributes:
        first: the time of the first run in the app's process.
        steady: the time of each run after the warm-up, in order.
    """

    first: float
    steady: tuple[float, ...]


@dataclass(frozen=True)
class Milliseconds:
    """All times that the app measured. Times are missing only if the app failed before.

    Attributes:
        load: milliseconds of each load, from the artifact's files until both models are ready.
        image_encoder: from the photo's frame to the embeddings.
        mask_decoder: from the embeddings and a prompt in slots to masks and scores.
        end_to_end: from the photo's file to the best mask at the photo's size.
    """

    load: tuple[float, ...]
    image_encoder: DeviceStageTimes | None
    mask_decoder: DeviceStageTimes | None
    end_to_end: DeviceStageTimes | None

    @property
    def stages(self) -> dict[str, DeviceStageTimes]:
        """The stages that were begun, by name and in order."""
        stages = {
            "image_encoder": self.image_encoder,
            "mask_decoder": self.mask_decoder,
            "end_to_end": self.end_to_end,
        }
        return {name: times for name, times in stages.items() if times is not None}


@dataclass(frozen=True)
class Memory:
    """The app's peak memory in bytes: Android's ``VmHWM``, iOS's ``ledger_phys_footprint_peak``.

    Attributes:
        peak_before: the peak before the artifact was loaded.
        peak_after: the peak at the end; None only if the app failed.
    """

    peak_before: int
    peak_after: int | None


@dataclass(frozen=True)
class DeviceState:
    """The heat and the power saving of the device, which decide whether its times count.

    Attributes:
        thermal_state: one of the platform's THERMAL_STATES, or UNKNOWN.
        battery_saver: whether Android's battery saver or iOS's low power mode is on.
    """

    thermal_state: str
    battery_saver: bool


@dataclass(frozen=True)
class DeviceResults:
    """The results of one run of an app's regression test on one artifact.

    Attributes:
        started_at: the time of the start, in UTC.
        device: the device that was measured on.
        app: the app that measured.
        compute: the processors that the artifact was allowed to use.
        artifact: the artifact that was measured.
        limits: the limits that the cases must meet.
        cases: the cases that ran; these are all goldens, unless the app failed.
        milliseconds: the times.
        memory: the app's peak memory.
        before: the device's state before the test.
        after: the device's state after the test; None only if the app failed.
        failure: the reason why the test ended early; None if it ran to its end, even with failed cases.
    """

    started_at: datetime
    device: Device
    app: App
    compute: Compute
    artifact: ArtifactIdentity
    limits: CaseLimits
    cases: tuple[DeviceCase, ...]
    milliseconds: Milliseconds
    memory: Memory
    before: DeviceState
    after: DeviceState | None
    failure: str | None

    @property
    def wrong_cases(self) -> tuple[DeviceCase, ...]:
        """The cases that do not meet the limits."""
        return tuple(case for case in self.cases if not case.passed)

    @property
    def disturbance(self) -> str | None:
        """The reason why the times do not count; None if no reason is known."""
        states = [state for state in (self.before, self.after) if state is not None]
        if any(state.battery_saver for state in states):
            return "the device saved power (battery saver, or low power mode)"
        known = THERMAL_STATES[self.device.platform]
        throttled = known[known.index(_FIRST_THROTTLED[self.device.platform]) :]
        hot = [state.thermal_state for state in states if state.thermal_state in throttled]
        return f"the device slowed down for heat (thermal state {hot[0]})" if hot else None


def to_document(results: DeviceResults) -> dict:
    """Return the document from which ``device_results`` reads ``results``."""
    record = asdict(results)
    started_at = results.started_at.isoformat().replace("+00:00", "Z")
    return {"schema": SCHEMA, **record, "started_at": started_at}
