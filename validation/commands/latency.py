"""The commands ``validate latency`` and ``validate targets``."""

from pathlib import Path
from typing import NoReturn

import click

from reference.common.command_line import COMMAND_LINE, print_lines
from validation.artifacts.artifact import load_artifact
from validation.commands.options import (
    FAILED_STATUS,
    JsonOutput,
    artifacts_argument,
    gates_option,
    json_option,
    report_option,
)
from validation.latency.targets.registry import DEFAULT_TARGET, find_targets, known_targets
from validation.report.folder import LATENCY, LATENCY_PAGE_FILE, reserved_report

_LARGEST_CORE = 4095


class Cores(click.ParamType):
    """Numbers of processor cores, such as ``0,2-3``."""

    name = "LIST"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Parse a string; a tuple that was parsed before is returned as it is."""
        if isinstance(value, tuple):
            return value
        cores: list[int] = []
        for part in str(value).split(","):
            first, dash, last = part.partition("-")
            bounds = [first, last if dash else first]
            if not all(_is_core(text) for text in bounds):
                self._refuse(value, param, ctx)
            cores += range(int(bounds[0]), int(bounds[1]) + 1)
        if not cores:
            self._refuse(value, param, ctx)
        return tuple(cores)

    def _refuse(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> NoReturn:
        self.fail(
            f"'{value}' is not a list of core numbers: expected one such as 0,2-3", param, ctx
        )


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
    help="Measure on this target; validate targets lists all of them. Repeatable. cpu:phone stands "
    "for all device-like profiles and coreml for all choices of compute units. android:SERIAL and "
    "ios:UDID choose one of several phones.",
)
@click.option(
    "--threads",
    metavar="N",
    type=click.IntRange(min=1, max=1024),
    help="Number of threads that compute, on the target cpu. [default: one for each core]",
)
@click.option(
    "--cores",
    type=Cores(),
    help="Pin the target cpu to these cores, such as 0,2-3. [default: the system chooses]",
)
@click.option(
    "--thorough",
    is_flag=True,
    help="Time each stage for at least 1024 runs and 60 s, in place of 50 runs and 2 s.",
)
@click.option(
    "--image",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Run on this photo, with a point and a box in its center. [default: one of the artifact's "
    "goldens]",
)
@gates_option("[coreml.int8] min_iou = 0.9", "Only targets that are phones check masks.")
@report_option("distributions, stages and memory over time")
@json_option("the results, with every single time,")
def latency(
    folders: tuple[Path, ...],
    names: tuple[str, ...],
    threads: int | None,
    cores: tuple[int, ...] | None,
    thorough: bool,
    image: Path | None,
    gates: Path | None,
    report: Path | None,
    output: JsonOutput,
) -> int:
    """Measure how much time and memory each ARTIFACT takes.

    \b
    Examples:
      validate latency artifacts/mobile_sam-torchscript-none artifacts/mobile_sam-torchscript-int8
      validate latency artifacts/* --threads 1 --cores 0 --json latency.json --report report
      validate latency artifacts/mobile_sam-torchscript-int8 --target cpu --target cpu:phone
      validate latency artifacts/mobile_sam-torchscript-int8 --target android --json phone.json

    An ARTIFACT is a folder that convert wrote. The command times loading from cold files and the first
    runs. After a warm-up, it times the image encoder, the mask decoder, and the whole way from the
    photo's file to its mask. Several artifacts are timed in alternating turns, so that their ratio to
    the first is fair on a noisy machine too. A turn does not count if other processes used the
    processor meanwhile, or if the machine was slowed down by heat or to save power.

    Exits with 0 if every artifact was measured, with 1 if one does not load, crashes or hangs, and with
    2 for bad input. A target that this machine lacks is reported as NOT RUN. An artifact with too many
    turns that do not count is INVALID. Both come with the reason and without figures, and the status is
    0.
    """
    if report is not None:
        click.get_current_context().with_resource(reserved_report(report, LATENCY))
    find_targets(names)  # an unknown one is refused here, before torch is imported
    artifacts = [load_artifact(folder) for folder in folders]

    # Imported here so that --help and refusals need not wait for torch.
    from validation.latency.measure import LatencyResult, measure_latency
    from validation.latency.table import format_result

    def show_target(result: LatencyResult) -> None:
        if not output.replaces_table:
            separator = [""] if len(result.targets) > 1 else []
            print_lines([*separator, *format_result(result.targets[-1])])
            output.write(result.document())  # after each target, because the next may take hours

    result = measure_latency(
        artifacts,
        targets=names,
        threads=threads,
        cores=cores,
        thorough=thorough,
        image=image,
        gates=gates,
        on_result=show_target,
    )
    if output.replaces_table:
        output.write(result.document())
    if report is not None:
        from validation.report import write_latency_report

        command = click.get_current_context().meta[COMMAND_LINE]
        write_latency_report(report, result.document(), command=command)
        if not output.replaces_table:
            print_lines([f"report: {report / LATENCY_PAGE_FILE}"])
    return FAILED_STATUS if result.failed else 0


@click.command("targets")
@json_option("the targets")
def targets(output: JsonOutput) -> None:
    """List the targets of validate latency, and what is missing here.

    \b
    Examples:
      validate targets
      validate targets --json -
    """
    known = known_targets()
    width = max(map(len, known))
    found = []
    for name, target in known.items():
        missing = target.missing()
        found.append({"target": name, "description": target.measures, "missing": missing})
        state = "available" if missing is None else f"NOT RUN: {missing}"
        if not output.replaces_table:
            print_lines([f"{name.ljust(width)}  {target.measures}; {state}"])
    output.write({"schema": "mobile-sam-export/targets/1", "targets": found})
