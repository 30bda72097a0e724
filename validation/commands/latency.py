"""The commands ``validate latency`` and ``validate targets``."""

from pathlib import Path

import click

from converters.output_folder import reserved
from reference.common.command_line import COMMAND_LINE, print_lines
from validation.artifacts.artifact import load_artifact
from validation.commands.options import FAILED_STATUS, JsonOutput, artifacts_argument, json_option
from validation.latency.targets.registry import find_targets, known_targets
from validation.latency.targets.target import Target, TargetError

DEFAULT_TARGET = "cpu"  # the one that --threads and --cores are for
_LARGEST_CORE = 4095


class Cores(click.ParamType):
    """Numbers of processor cores, such as ``0,2-3``."""

    name = "LIST"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """A string, or what was converted already."""
        if isinstance(value, tuple):
            return value
        cores: list[int] = []
        for part in str(value).split(","):
            first, dash, last = part.partition("-")
            bounds = [first, last if dash else first]
            if not all(_is_core(text) for text in bounds):
                self.fail(f"'{value}' are no cores: expected a list such as 0,2-3", param, ctx)
            cores += range(int(bounds[0]), int(bounds[1]) + 1)
        if not cores:
            self.fail(f"'{value}' are no cores: expected a list such as 0,2-3", param, ctx)
        return tuple(cores)


def _is_core(text: str) -> bool:
    return text.isdecimal() and len(text) <= len(str(_LARGEST_CORE)) and int(text) <= _LARGEST_CORE


@click.command("latency")
@artifacts_argument
@click.option(
    "--target",
    "names",
    metavar="NAME",
    multiple=True,
    default=(DEFAULT_TARGET,),
    show_default=True,
    help="What to measure on; repeatable. validate targets lists them; cpu:phone stands for all "
    "device-like profiles, and coreml for all choices of compute units; android:SERIAL and ios:UDID name one phone "
    "of several.",
)
@click.option(
    "--threads",
    metavar="N",
    type=click.IntRange(min=1, max=1024),
    help="How many threads compute, on the target cpu. [default: one for each core]",
)
@click.option(
    "--cores",
    type=Cores(),
    help="Pin the target cpu to these cores, such as 0,2-3. [default: the system chooses]",
)
@click.option(
    "--thorough",
    is_flag=True,
    help="At least 1024 runs and 60 s of each stage, in place of 50 runs and 2 s.",
)
@click.option(
    "--image",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A photo to run on, with a point and a box in its middle. [default: an artifact's golden]",
)
@click.option(
    "--report",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write a page with distributions, stages and memory over time, and the results as JSON, to "
    "a new folder.",
)
@json_option("the results, with every single time,")
def latency(
    folders: tuple[Path, ...],
    names: tuple[str, ...],
    threads: int | None,
    cores: tuple[int, ...] | None,
    thorough: bool,
    image: Path | None,
    report: Path | None,
    output: JsonOutput,
) -> int:
    """Measure how long each ARTIFACT, a folder that convert wrote, takes, and how much memory.

    \b
    Examples:
      validate latency artifacts/mobile_sam-torchscript-none artifacts/mobile_sam-torchscript-int8
      validate latency artifacts/* --threads 1 --cores 0 --json latency.json --report report
      validate latency artifacts/mobile_sam-torchscript-int8 --target cpu --target cpu:phone
      validate latency artifacts/mobile_sam-torchscript-int8 --target android --json phone.json

    Loading from cold files, the first runs, and then image encoder, mask decoder, and all from the
    photo's file to its mask, after a warm-up. Several artifacts take turns, back and forth, so that
    their ratio to the first holds on a noisy machine as well. Turns during which other processes used
    the processor, or the machine was slowed down for heat or to save power, do not count.

    Exit status: 0 if every artifact was measured, 1 if one cannot be run, 2 for bad input. A target
    that this machine lacks is reported as NOT RUN, and an artifact with too many turns that do not
    count as INVALID, each with the reason and without figures; the status is 0 for both.
    """
    if report is not None:
        click.get_current_context().with_resource(reserved(report, None, "--report"))
    targets = _targets(names, threads, cores)
    artifacts = [load_artifact(folder) for folder in folders]

    # Here: importing torch would slow --help and refusals down.
    from reference.photos.images import read_image
    from validation.latency.document import any_failed, build_document
    from validation.latency.running.plan import QUICK, THOROUGH
    from validation.latency.table import format_result

    if image is not None:
        read_image(image)  # refused now, not by every child
    for target in targets:
        target.require_fitting(artifacts, image)
    plan = THOROUGH if thorough else QUICK
    results = []
    for target in targets:
        results.append(target.measure(artifacts, plan, image))
        document = build_document(results, plan, None if image is None else str(image))
        if not output.replaces_table:
            print_lines([*([""] if len(results) > 1 else []), *format_result(results[-1])])
            output.write(document)  # at once: the next target may take hours
    if output.replaces_table:
        output.write(document)
    if report is not None:
        from validation.report import write_latency_report

        write_latency_report(report, document, click.get_current_context().meta[COMMAND_LINE])
        if not output.replaces_table:
            print_lines([f"report: {report / 'latency.html'}"])
    return FAILED_STATUS if any_failed(results) else 0


@click.command("targets")
def targets() -> None:
    """List what validate latency can measure on, and what of it is missing here.

    \b
    Examples:
      validate targets
    """
    known = known_targets()
    width = max(map(len, known))
    for name, target in known.items():
        missing = target.missing()
        state = "here" if missing is None else f"NOT RUN: {missing}"
        print_lines([f"{name.ljust(width)}  {target.measures}; {state}"])


def _targets(
    names: tuple[str, ...], threads: int | None, cores: tuple[int, ...] | None
) -> list[Target]:
    """What was asked for, with threads and cores for the target that takes them."""
    found = find_targets(names)
    if threads is None and cores is None:
        return found
    if all(target.name != DEFAULT_TARGET for target in found):
        raise TargetError(
            f"--threads and --cores with {', '.join(names)}: expected the target {DEFAULT_TARGET}; "
            "device-like profiles have their own"
        )
    from validation.latency.targets.cpu import adjust

    return [
        adjust(target, threads, cores) if target.name == DEFAULT_TARGET else target
        for target in found
    ]
