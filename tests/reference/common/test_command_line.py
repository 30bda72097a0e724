"""All commands end an error with one line and a status, and read prompts from the same options."""

import contextlib
import io
import json
import re
import subprocess
import sys
import tempfile
import threading

import click
import pytest

from reference.common.command_line import print_json, print_lines, run, warn
from reference.common.errors import ImageError, OutputError, PromptError
from reference.common.progress import progress
from reference.options import BOX, POINT, prompt_options, prompts_from_options

SIZE = (100, 200)  # height, width


def command_that(action):
    @click.command("tool")
    @click.option("--count", type=int, required=False)
    @click.option("--kind", type=click.Choice(["a", "b"]), default="a")
    def tool(count, kind):
        return action()

    return tool


def fail_with(error):
    def action():
        raise error

    return command_that(action)


def outcome(capsys, command, *arguments):
    """Run a command, and return its exit status, stdout and stderr."""
    with pytest.raises(SystemExit) as caught:
        run(command, arguments)
    captured = capsys.readouterr()
    return caught.value.code, captured.out, captured.err


# What is shown


def test_an_error_of_any_length_keeps_its_beginning_and_its_end(capsys):
    status, out, err = outcome(capsys, fail_with(ImageError(f"{'a' * 5000}.jpg: no such file")))
    assert (status, out) == (2, "")
    assert err.startswith("tool: error: aaa")
    assert err.endswith("aaa.jpg: no such file\n")
    assert len(err) < 1100


def test_a_line_on_stdout_is_one_line(capsys):
    print_lines(
        [
            "a table",
            "one\nPASS: 37 of 37 cases passed",
            "\x1b[1A\x9b2K\u2028",
            "caf\u00e9\u00a0\u6f22",
        ]
    )
    assert capsys.readouterr().out.splitlines() == [
        "a table",
        r"one\nPASS: 37 of 37 cases passed",
        r"\x1b[1A\x9b2K\u2028",
        "caf\u00e9\u00a0\u6f22",
    ]


# Exit statuses


@pytest.mark.parametrize(("returned", "status"), [(None, 0), (0, 0), (1, 1)])
def test_status_is_what_the_callback_returns(capsys, returned, status):
    assert outcome(capsys, command_that(lambda: returned)) == (status, "", "")


def test_output_is_printed(capsys):
    assert outcome(capsys, command_that(lambda: print("done"))) == (0, "done\n", "")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ImageError("photo.jpg: no such file"), "photo.jpg: no such file"),
        (PromptError("two\nlines"), r"two\nlines"),
        (
            ImageError("\x1b[2J\u202egpj.\udc80: no such file"),
            r"\x1b[2J\u202egpj.\udc80: no such file",
        ),
        (click.ClickException("no good"), "no good"),
        (
            FileNotFoundError(2, "No such file or directory", "x.pt"),
            "x.pt: No such file or directory",
        ),
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError("odd"), "odd"),
        (MemoryError(), "out of memory: use a smaller photo, or a machine with more memory"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried …"),
            "out of memory: use a smaller photo, or a machine with more memory",
        ),
    ],
)
def test_expected_errors_are_one_line_and_status_2(capsys, error, message):
    assert outcome(capsys, fail_with(error)) == (2, "", f"tool: error: {message}\n")


class Unprintable(Exception):
    def __str__(self):
        raise ValueError("no text")


def recurse():
    return recurse()


def fail_in_thread():
    thread = threading.Thread(target=fail_with(ValueError("elsewhere")).callback, args=(None, "a"))
    thread.start()
    thread.join()


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder that tracebacks are written to."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("shapes\ndo not fit"), "RuntimeError: shapes do not fit"),
        (KeyError("x"), "KeyError: 'x'"),
        (AssertionError(), "AssertionError"),
        (UnicodeEncodeError("ascii", "é", 0, 1, "why"), "UnicodeEncodeError: 'ascii' codec"),
        (BaseExceptionGroup("two", [SystemExit(1), ValueError()]), "BaseExceptionGroup: two"),
        (SystemExit(1), "SystemExit: 1"),  # of a library: not a gate that failed
        (SystemExit("x"), "SystemExit: x"),
        (SystemExit(), "SystemExit"),
        (GeneratorExit(), "GeneratorExit"),
        (Unprintable(), "Unprintable"),
        (ValueError("long " * 1000), "ValueError: long long"),
    ],
)
def test_bugs_are_one_line_that_names_the_file_with_the_traceback(capsys, temporary, error, words):
    status, out, err = outcome(capsys, fail_with(error))
    (file,) = temporary.iterdir()
    assert (status, out, err.count("\n")) == (70, "", 1)
    assert err.startswith(f"tool: error: unexpected {words}")
    assert f"this is a bug: please report it, with the file {file}," in err
    assert len(err) < 500
    assert "test_command_line.py" in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("action", "words"), [(recurse, "RecursionError"), (fail_in_thread, "ValueError: elsewhere")]
)
def test_bugs_wherever_they_are(capsys, temporary, action, words):
    status, _, err = outcome(capsys, command_that(action))
    assert (status, err.count("\n")) == (70, 1)
    assert f"unexpected {words}" in err
    assert words.split(":")[0] in next(temporary.iterdir()).read_text()


def test_bug_is_told_if_its_traceback_cannot_be_written(capsys, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/no/such/folder")
    status, _, err = outcome(capsys, fail_with(RuntimeError("shapes")))
    assert (status, err.count("\n")) == (70, 1)
    assert "unexpected RuntimeError: shapes" in err
    assert "no traceback: FileNotFoundError" in err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_ctrl_c_is_one_line_and_status_130(capsys, error):
    assert outcome(capsys, fail_with(error)) == (130, "", "tool: error: interrupted\n")


def test_broken_pipe_is_quiet(capsys):
    assert outcome(capsys, fail_with(BrokenPipeError(32, "Broken pipe"))) == (141, "", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cuont", "1"], "No such option"),
        (["--count", "many"], "Invalid value for '--count': 'many' is not a valid integer"),
        (["--count"], "Option '--count' requires an argument"),
        (["--kind", "c"], "'c' is not one of 'a', 'b'"),
        (["extra"], "Got unexpected extra argument (extra)"),
    ],
)
def test_bad_usage_is_one_line_that_points_to_help(capsys, arguments, message):
    status, out, err = outcome(capsys, command_that(lambda: None), *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("tool: error: ")
    assert message in err
    assert err.endswith("; try 'tool --help'\n")
    assert err.count("\n") == 1


def test_help_is_printed(capsys):
    status, out, err = outcome(capsys, command_that(lambda: None), "--help")
    assert (status, err) == (0, "")
    assert out.startswith("Usage: tool [OPTIONS]")


def test_group_lists_and_runs_its_commands(capsys):
    @click.group("tools")
    def tools():
        pass

    tools.add_command(command_that(lambda: 1))
    assert outcome(capsys, tools, "tool") == (1, "", "")
    assert outcome(capsys, tools) == (
        2,
        "",
        "tools: error: Missing command: expected one of tool; try 'tools --help'\n",
    )
    status, _, err = outcome(capsys, tools, "nope")
    assert (status, err.count("\n")) == (2, 1)
    assert "No such command 'nope'" in err
    assert outcome(capsys, tools, "tool", "--bad")[2].endswith("; try 'tools tool --help'\n")


SCRIPT = """
import click
from reference.common.command_line import print_json, run

@click.command("tool")
def tool():
    print_json(list(range(100_000)))

run(tool, [])
"""


@pytest.mark.parametrize(
    ("redirect", "status", "message"),
    [
        ("| head -c 9 > /dev/null; exit ${PIPESTATUS[0]}", 141, ""),
        ("> /dev/full", 2, "tool: error: No space left on device\n"),
    ],
)
def test_output_that_cannot_be_written_is_refused(redirect, status, message):
    command = ["bash", "-c", f'"$0" -c "$1" {redirect}', sys.executable, SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (status, message)


# Points and boxes


@click.command("tool")
@prompt_options
def show_prompts(points, background_points, boxes):
    click.echo(repr((points, background_points, boxes)))


def test_prompt_options_are_read(capsys):
    arguments = [
        "--point",
        "1,2",
        "--point=3.5, 4",
        "--background-point",
        "5,6",
        "--box",
        "1,2,3,4",
    ]
    status, out, _ = outcome(capsys, show_prompts, *arguments)
    assert status == 0
    assert out == "(((1.0, 2.0), (3.5, 4.0)), ((5.0, 6.0),), ((1.0, 2.0, 3.0, 4.0),))\n"


def test_negative_coordinates_are_no_options(capsys):
    arguments = ["--point", "-5,10", "--background-point", "-.5,-1", "--box", "-1,-2,3,4"]
    status, out, _ = outcome(capsys, show_prompts, *arguments)
    assert status == 0
    assert out == "(((-5.0, 10.0),), ((-0.5, -1.0),), ((-1.0, -2.0, 3.0, 4.0),))\n"


@pytest.mark.parametrize(
    "text", ["nan,5", "5,inf", "5", "5,6,7", "a,b", "", "5;6", "5,", "400x300"]
)
def test_junk_points_are_refused(capsys, text):
    status, out, err = outcome(capsys, show_prompts, "--point", text)
    assert (status, out) == (2, "")
    assert f"'{text}' is not a point: expected X,Y in pixels, such as 400,300" in err
    assert "'--point'" in err


@pytest.mark.parametrize("text", ["1,2,3", "1,2,3,nan", "1,2,3,4,5", "a"])
def test_junk_boxes_are_refused(capsys, text):
    status, _, err = outcome(capsys, show_prompts, "--box", text)
    assert status == 2
    assert f"'{text}' is not a box: expected X1,Y1,X2,Y2 in pixels" in err


def test_options_are_explained(capsys):
    _, out, _ = outcome(capsys, show_prompts, "--help")
    positions = [
        out.index(text) for text in ("--point X,Y", "--background-point X,Y", "--box X1,Y1")
    ]
    assert positions == sorted(positions)


def test_coordinates_accept_numbers():
    assert POINT.convert((1, 2), None, None) == (1.0, 2.0)
    with pytest.raises(click.BadParameter):
        BOX.convert((1, 2), None, None)
    with pytest.raises(click.BadParameter):
        POINT.convert(5, None, None)


def test_points_are_all_of_one_object():
    (prompt,) = prompts_from_options([(1, 2), (3, 4)], [(5, 6)], [], SIZE)
    assert prompt.point_coords.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert prompt.point_labels.tolist() == [1, 1, 0]
    assert prompt.box is None


def test_points_refine_one_box():
    (prompt,) = prompts_from_options([], [(5, 6)], [(0, 0, 500, 50)], SIZE)
    assert prompt.point_labels.tolist() == [0]
    assert prompt.box.tolist() == [0, 0, 200, 50]


def test_boxes_are_one_object_each():
    prompts = prompts_from_options([], [], [(0, 0, 5, 5), (1, 1, 9, 9)], SIZE)
    assert [prompt.box.tolist() for prompt in prompts] == [[0, 0, 5, 5], [1, 1, 9, 9]]
    assert all(len(prompt.point_coords) == 0 for prompt in prompts)


def test_prompts_that_make_no_sense_are_refused():
    with pytest.raises(PromptError, match="an empty prompt: .* --point 100,50 .*--box X1,Y1,X2,Y2"):
        prompts_from_options([], [], [], SIZE)
    with pytest.raises(PromptError, match="2 boxes with points: expected"):
        prompts_from_options([(1, 2)], [], [(0, 0, 5, 5), (1, 1, 9, 9)], SIZE)
    with pytest.raises(PromptError, match="outside the photo of 200×100 pixels"):
        prompts_from_options([(100, 101)], [], [], SIZE)


# Output


def test_json_is_one_document(capsys):
    print_json({"a": [1, 2.5, None, "é"]})
    assert json.loads(capsys.readouterr().out) == {"a": [1, 2.5, None, "é"]}


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_has_no_nan(capsys, number):
    with pytest.raises(OutputError, match="expected finite numbers"):
        print_json({"a": number})
    assert capsys.readouterr().out == ""


def test_warning_is_one_line_on_stderr(capsys):
    warn("mind\nthe gap")
    assert capsys.readouterr() == ("", "warning: mind\\nthe gap\n")


def test_progress_is_silent_without_a_terminal(capsys):
    assert list(progress(range(3), description="work")) == [0, 1, 2]
    with progress(description="bytes", total=10, unit="B", unit_scale=True) as bar:
        bar.update(10)
    assert capsys.readouterr() == ("", "")


def test_long_work_without_a_terminal_shows_lines(capsys, monkeypatch):
    monkeypatch.setattr("reference.common.progress.LINE_SECONDS", 0)
    with progress(description="work", total=2, unit="case") as bar:
        bar.update(2)
    out, err = capsys.readouterr()
    assert out == ""
    first, *_ = err.splitlines()
    assert re.fullmatch(r"work: 0 of 2 case, 00:00 elapsed, about \? left", first)
    assert "\r" not in err


@pytest.mark.parametrize("same", [True, False])
def test_progress_stays_out_of_a_document(same, tmp_path):
    """``COMMAND --json - > log 2>&1`` has to leave JSON in the log."""
    program = (
        "import click; from reference.common import command_line, progress as p; p.LINE_SECONDS = 0\n"
        "context = click.Context(click.Command('c'))\n"
        "context.meta[command_line.DOCUMENT_ON_STDOUT] = True\n"
        "with context: list(p.progress(range(3), description='work'))"
    )
    with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
        subprocess.run(
            [sys.executable, "-c", program], stdout=out, stderr=out if same else err, check=True
        )
    assert (tmp_path / "out").read_text() == ""
    assert ("work" in (tmp_path / "err").read_text()) is not same


def test_progress_shows_on_a_terminal(capsys):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    with contextlib.redirect_stderr(terminal):
        list(progress(range(3), description="work"))
    assert capsys.readouterr() == ("", "")
    assert "work" in terminal.getvalue()
