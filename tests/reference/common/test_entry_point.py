"""Commands end properly as processes: when they are interrupted, lack streams, or find a broken library."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from PIL import Image

from tests.support.requirements import needs_path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

START = "from reference.common.entry_point import start; start('tool', 'tool')"

# Imports that something happens in, as in numpy's and torch's; "wait" is as long as an import may take.
PRELUDE = """
import os, signal, sys, time
def interrupt(number=signal.SIGINT):
    os.kill(os.getpid(), number)
def wait(seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.01)
"""
TOOL = """
import click
from reference.common.command_line import run
@click.command("tool")
def tool():
    work()
def main():
    run(tool, [])
"""
BEGINNING_TO_END = {
    "in an import": ("interrupt(); wait()", "pass"),
    "that an import turns into another error": (
        "try:\n    interrupt(); wait()\nexcept BaseException: raise ImportError('broken')",
        "pass",
    ),
    "in the work": ("", "interrupt(); wait()"),
    "in an import of the work": ("", "import late"),
    "that the work turns into another error": (
        "",
        "try:\n        interrupt(); wait()\n    except BaseException: raise ValueError('odd')",
    ),
    "that the work swallows": (
        "",
        "try:\n        interrupt(); wait()\n    except: pass\n    wait()",
    ),
    "that a destructor swallows": (
        "class Thing:\n    def __del__(self):\n        interrupt(); wait(1)",
        "Thing(); wait()",
    ),
    "in code that is compiled": ("", "exec('interrupt(); wait()')"),
}


def run_tool(tmp_path, module, work, **options):
    """Run the tool, and return its status, stdout and stderr."""
    (tmp_path / "late.py").write_text(f"{PRELUDE}\ninterrupt()\nwait()\n")
    (tmp_path / "tool.py").write_text(
        f"{PRELUDE}\n{module}\n{TOOL}\ndef work():\n    {work}\n    print('done')\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    environment |= options.pop("environment", {})
    command = options.pop("command", [sys.executable, "-c", START])
    done = subprocess.run(command, env=environment, capture_output=True, text=True, **options)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("moment", BEGINNING_TO_END)
def test_interrupt_is_one_line_and_status_130(tmp_path, moment):
    outcome = run_tool(tmp_path, *BEGINNING_TO_END[moment])
    assert outcome == (130, "", "tool: error: interrupted\n")


def test_interrupted_while_stderr_is_prepared(tmp_path):
    # A stream whose new encoder cannot be made has none, and drops what is written to it.
    code = """
        import codecs, os, signal
        utf_8 = codecs.lookup("utf-8")
        class Encoder(utf_8.incrementalencoder):
            made = 0
            def __init__(self, errors):
                Encoder.made += 1
                if Encoder.made == 2:  # stdout's was the first
                    os.kill(os.getpid(), signal.SIGINT)
                super().__init__(errors)
        utf_8.incrementalencoder = Encoder
    """
    command = [sys.executable, "-X", "utf8", "-c", f"{textwrap.dedent(code)}\n{START}"]
    outcome = run_tool(tmp_path, "", "wait()", command=command)
    assert outcome == (130, "", "tool: error: interrupted\n")


@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_sigterm_ends_the_tool(tmp_path, name, status):
    work = f"try:\n        interrupt(signal.{name}); wait()\n    finally: print('tidied up')"
    assert run_tool(tmp_path, "", work) == (status, "tidied up\n", "tool: error: terminated\n")


def test_asking_twice_at_once_does_not_keep_it_from_tidying_up(tmp_path):
    tidy = "interrupt(); wait(0.3); print('tidied up')"
    work = f"try:\n        interrupt(); wait()\n    finally: {tidy}"
    assert run_tool(tmp_path, "", work) == (130, "tidied up\n", "tool: error: interrupted\n")


def test_asking_again_later_ends_what_hangs(tmp_path):
    work = "try:\n        interrupt(); wait()\n    finally: time.sleep(1); interrupt(); wait()"
    assert run_tool(tmp_path, "", work) == (130, "", "tool: error: interrupted\n")


def test_what_is_ignored_stays_ignored(tmp_path):
    command = ["sh", "-c", 'trap "" INT HUP; exec "$@"', "sh", sys.executable, "-c", START]
    outcome = run_tool(tmp_path, "", "interrupt(); interrupt(signal.SIGHUP)", command=command)
    assert outcome == (0, "done\n", "")


def test_an_interrupt_after_the_work_is_ignored(tmp_path):
    late = "import atexit; atexit.register(lambda: (interrupt(), wait(0.1)))"
    assert run_tool(tmp_path, late, "pass") == (0, "done\n", "")


COMMANDS = {
    "reference": ["{photo}", "--point", "9,9", "--json"],
    "converters": ["torchscript", "--output", "{folder}/artifacts"],
    "validation": ["accuracy", "demo", "--scenes", "400"],
}
# A command that says when it has begun: before, nobody can do anything about a traceback.
READY = """
import runpy, sys
from reference.common import interrupts
watch = interrupts.watch
def watch_and_say(program):
    watch(program)
    print("ready", file=sys.stderr, flush=True)
interrupts.watch = watch_and_say
runpy.run_module(sys.argv.pop(1), run_name="__main__")
"""


def interrupt_command(tmp_path, module, arguments, delay):
    """Interrupt a command ``delay`` seconds after it began, and return its status, stdout and stderr."""
    photo = tmp_path / "photo.png"
    Image.effect_noise((40, 30), 100).save(photo)
    words = [word.format(photo=photo, folder=tmp_path) for word in arguments]
    process = subprocess.Popen(
        [sys.executable, "-c", READY, module, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stderr.readline() == "ready\n"
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]
    return process.returncode, out, err


NAMES = {"reference": "segment", "converters": "convert", "validation": "validate"}


@pytest.mark.parametrize(
    ("module", "delay"),
    [("reference", 0), ("reference", 0.9), ("converters", 0.5), ("validation", 0.2)],
)
def test_commands_are_interrupted(tmp_path, module, delay):
    outcome = interrupt_command(tmp_path, module, COMMANDS[module], delay)
    assert outcome == (130, "", f"{NAMES[module]}: error: interrupted\n")


@pytest.mark.slow
@pytest.mark.parametrize("module", COMMANDS)
@pytest.mark.parametrize("step", range(20))
def test_commands_are_interrupted_at_any_moment(tmp_path, module, step):
    status, out, err = interrupt_command(tmp_path, module, COMMANDS[module], step * 0.23)
    if status == 0:  # it was faster
        assert err == ""
    else:
        assert (status, out, err) == (130, "", f"{NAMES[module]}: error: interrupted\n")


ENTRIES = [
    "reference",
    "converters",
    "validation",
    "reference.training",
    "reference.scenes",
    "validation.evidence.app_vectors",
    "validation.evidence.architecture",
    "validation.evidence.conformance",
    "validation.evidence.harness",
    "validation.commands.demo",
    "validation.evidence.mutation",
    "validation.evidence.numbers",
    "validation.evidence.peers",
]


def test_entries_import_nothing_heavy_and_start_a_module_that_is_there():
    code = f"""
        import sys
        sys.path = {sys.path}
        from importlib import import_module, util
        from reference.common import entry_point
        modules = []
        entry_point.start = lambda module, program: modules.append(module)
        for name in {ENTRIES}:
            import_module(name + ".__main__").main()
        heavy = {{"click", "numpy", "PIL", "torch", "tqdm"}} & sys.modules.keys()
        assert not heavy, heavy
        assert len(modules) == {len(ENTRIES)}
        assert all(map(util.find_spec, modules)), modules
    """
    # -S: or site imports what an editable installation needs.
    command = [sys.executable, "-S", "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


# Streams and libraries


def test_a_library_that_is_broken_is_one_line(tmp_path):
    status, out, err = run_tool(tmp_path, "import no_such_library", "pass")
    assert (status, out, err.count("\n")) == (70, "", 1)
    assert err.startswith(
        "tool: error: unexpected ModuleNotFoundError: No module named 'no_such_library'; this is a bug"
    )


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_do_not_stop_the_work(tmp_path, closed):
    command = ["bash", "-c", f'"$@" {closed}', "bash", sys.executable, "-c", START]
    work = (
        "file = open('result', 'w'); print('out'); print('err', file=sys.stderr); "
        "os.write(1, b''); os.write(2, b'noise'); sys.stdin.read(); file.write('result')"
    )
    status, out, _ = run_tool(
        tmp_path, "", work, command=command, cwd=tmp_path, stdin=subprocess.DEVNULL
    )
    assert (status, out) == (0, "" if ">&-" in closed.split() else "out\ndone\n")
    assert (tmp_path / "result").read_text() == "result"


@needs_path("/dev/full")
@pytest.mark.parametrize(
    ("work", "expected"),
    [("raise ValueError", 70), ("interrupt(); wait()", 130), ("raise MobileSAMError", 2)],
)
def test_errors_keep_their_status_if_nothing_can_be_printed(tmp_path, work, expected):
    command = ["sh", "-c", '"$@" 2> /dev/full', "sh", sys.executable, "-c", START]
    module = "from reference.common.errors import MobileSAMError"
    assert run_tool(tmp_path, module, work, command=command)[0] == expected


def test_characters_that_a_terminal_lacks_are_escaped(tmp_path):
    work = "print('é → 测')"
    ascii_only = {"PYTHONIOENCODING": "ascii"}
    outcome = run_tool(tmp_path, "", work, environment=ascii_only)
    assert outcome == (0, "\\xe9 \\u2192 \\u6d4b\ndone\n", "")
