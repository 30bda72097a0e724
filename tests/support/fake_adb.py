"""A fake adb, run as a program. Its phone is a folder, which the file that FAKE_PHONES names describes.

It prints the same output as the real programs. Sources: adb's client and transport list
(packages/modules/adb: client/commandline.cpp, transport.cpp) and its messages as quoted in
github.com/Genymobile/scrcpy/issues/831; `am instrument -r` (frameworks/base: cmds/am, Instrument.java) as in
github.com/alibaba/macaca/issues/785 and github.com/openatx/uiautomator2/issues/291; `pm list instrumentation`
(PackageManagerShellCommand.java); toybox' mkdir, ls and head; PyTorch's binaries/speed_benchmark_torch.cc.
"""

import json
import os
import shutil
import sys
import time
from pathlib import Path

from tests.support import fake_app

CONFIGURATION = Path(os.environ["FAKE_PHONES"])
STATE = json.loads(CONFIGURATION.read_text())
ROOT = Path(STATE["root"])
RESULTS = "/sdcard/Android/media/org.mobilesam.sample/device-results.json"
RUNNER = "org.mobilesam.sample.test/org.mobilesam.sample.RegressionInstrumentation"


def main(arguments: list[str]) -> int:
    """Answer a call of adb, and log its arguments."""
    with Path(STATE["log"]).open("a") as log:
        log.write(json.dumps(arguments) + "\n")
    if arguments == ["devices"]:
        if STATE.get("server fails"):
            print("* daemon not running; starting now at tcp:5037", file=sys.stderr)
            print("ADB server didn't ACK", file=sys.stderr)
            print("* failed to start daemon", file=sys.stderr)
            print("adb: cannot connect to daemon", file=sys.stderr)
            return 1
        print("List of devices attached")
        for serial, state in STATE["phones"].items():
            print(f"{serial}\t{state}")
        print()
        return 0
    assert arguments[0] == "-s"
    serial, command, *rest = arguments[1:]
    state = STATE["phones"].get(serial)
    if state is None:
        return fail(
            f"adb: device '{serial}' not found"
            if command == "shell"
            else f"error: device '{serial}' not found"
        )
    if state != "device":
        return fail(f"adb: device {state}")
    if command == "get-state":
        print(state)
        return 0
    if command == "push":
        return push(*rest)
    # The phone's own shell reads the words that adb shell joins.
    assert command == "shell"
    return shell(" ".join(rest).split())


def push(source: str, target: str) -> int:
    if STATE.get("full"):
        print(
            f"adb: error: failed to copy '{source}' to '{target}': remote couldn't create file: "
            "No space left on device",
            file=sys.stderr,
        )
        return 1
    if STATE.get("vanishes") == "push":
        vanish()
        return fail("adb: error: failed to read copy response: EOF")
    shutil.copytree(source, on_phone(target))
    print(f"{source}/: 12 files pushed, 0 skipped. 38.5 MB/s (31415926 bytes in 0.778s)")
    return 0


def shell(words: list[str]) -> int:
    name, *rest = words
    if name == "mkdir":
        assert rest[:2] == ["-m", "755"]
        if on_phone(rest[2]).exists():
            return fail(f"mkdir: '{rest[2]}': File exists")
        on_phone(rest[2]).mkdir(parents=True)
    elif name == "rm":
        for path in rest[1:]:
            shutil.rmtree(on_phone(path), ignore_errors=True)
            on_phone(path).unlink(missing_ok=True)
    elif name == "ls":
        if not (rest[0].endswith("speed_benchmark_torch") and STATE["benchmark"]):
            return fail(f"ls: {rest[0]}: No such file or directory")
        print(rest[0])
    elif name == "pm":
        if STATE["app"]:
            print(f"instrumentation:{RUNNER} (target=org.mobilesam.sample)")
    elif name == "getprop":
        print({"ro.product.model": "Pixel 8", "ro.build.version.release": "15"}[rest[0]])
    elif name == "head":
        file = on_phone(rest[2])
        if not file.exists():
            return fail(f"head: {rest[2]}: No such file or directory")
        sys.stdout.buffer.write(file.read_bytes()[: int(rest[1])])
    elif words[:2] == ["am", "instrument"]:
        return instrument(rest)
    elif name.endswith("speed_benchmark_torch"):
        return benchmark(dict(word.removeprefix("--").split("=") for word in rest))
    else:
        assert words[:2] == ["am", "force-stop"]
    return 0


def instrument(words: list[str]) -> int:
    assert words[-1] == RUNNER
    extras = dict(zip(words[4::3], words[5::3], strict=False))
    fault = STATE.get("fault")
    if fault == "no tests":
        print("INSTRUMENTATION_STATUS: id=ActivityManagerService")
        print(
            f"INSTRUMENTATION_STATUS: Error=Unable to find instrumentation info for: ComponentInfo{{{RUNNER}}}"
        )
        print("INSTRUMENTATION_STATUS_CODE: -1")
        print(f"android.util.AndroidException: INSTRUMENTATION_FAILED: {RUNNER}", file=sys.stderr)
        return 1
    print("INSTRUMENTATION_STATUS: step=goldens\nINSTRUMENTATION_STATUS_CODE: 1")
    if STATE.get("vanishes") == "test":
        vanish()
        return 255  # and not a word: adb has lost the connection
    if fault == "hangs":
        time.sleep(60)
    if fault == "crash at once":
        print("INSTRUMENTATION_RESULT: shortMsg=Process crashed.\nINSTRUMENTATION_CODE: 0")
        return 0
    settings = {
        "runs": extras["runs"],
        "seconds": extras["seconds"],
        "min_iou": extras["minIou"],
        "max_score_difference": extras["maxScoreDifference"],
    }
    text = json.dumps(fake_app.results(on_phone(extras["artifact"]), "android", settings, fault))
    if fault == "cut off":
        text = text[:1000]
    on_phone(RESULTS).parent.mkdir(parents=True, exist_ok=True)
    on_phone(RESULTS).write_text(text)
    if STATE.get("vanishes") == "head":
        vanish()
    if fault == "crash":
        print("INSTRUMENTATION_RESULT: shortMsg=Process crashed.\nINSTRUMENTATION_CODE: 0")
        return 0
    print("INSTRUMENTATION_RESULT: results=device-results.json\nINSTRUMENTATION_CODE: -1")
    return 0


def benchmark(flags: dict[str, str]) -> int:
    assert flags["use_bundled_input"] == "0"
    if not on_phone(flags["model"]).is_file():
        return fail("terminating with uncaught exception of type c10::Error: open file failed")
    print("Starting benchmark.\nRunning warmup runs.\nMain runs.")
    micros = 30123.0 if "mask_decoder" in flags["model"] else 1.23457e6
    for _ in range(int(flags["iter"]) - (STATE.get("fault") == "few runs")):
        print(
            f'PyTorchObserver {{"type": "NET", "unit": "us", "metric": "latency", "value": "{micros:g}"}}'
        )
    print(
        f"Main run finished. Microseconds per iter: {micros:g}. Iters per second: {1e6 / micros:g}"
    )
    return 0


def on_phone(path: str) -> Path:
    assert path.startswith(("/data/local/tmp/", "/sdcard/Android/media/org.mobilesam.sample/"))
    return ROOT / path.lstrip("/")


def vanish() -> None:
    CONFIGURATION.write_text(json.dumps({**STATE, "phones": {}}))


def fail(text: str) -> int:
    print(text, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
