"""``validate compare`` for Python: from paths to comparisons."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from itertools import product
from pathlib import Path

from reference.common.one_or_more import one_or_more
from validation.artifacts.artifact import Artifact, load_artifact
from validation.comparison.comparer import Comparer, Extras
from validation.comparison.quick import require_goldens_only
from validation.comparison.results import Comparison
from validation.gates import read_gates
from validation.questions.prompts_file import read_prompts


def compare_artifacts(
    artifacts: Artifact | str | Path | Iterable[Artifact | str | Path],
    *,
    checkpoint: str | Path | None = None,
    images: str | Path | Sequence[str | Path] = (),
    prompts: str | Path | None = None,
    gates: str | Path | None = None,
    engines: str | Sequence[str] = (),
    pictures: bool = False,
    drift: bool = False,
    time_limit: float | None = None,
    cache: bool = False,
    quick: bool = False,
    on_result: Callable[[Comparison], None] = lambda comparison: None,
) -> list[Comparison]:
    """Compare artifacts with the reference, as ``validate compare`` does.

    Example:
        >>> (comparison,) = compare_artifacts("artifacts/mobile_sam-coreml-int8")
        >>> comparison.verdict
        'passed'
        >>> comparison.summary.min_iou  # the lowest IoU of any mask with the reference mask, 0 to 1

    Args:
        artifacts: one or more folders that ``convert`` wrote.
        checkpoint: the weights that the artifacts were converted from. Needed for photos if the manifest names a file;
            None takes the weights that the manifest names.
        images: one or more photos, each with a point and a box in its center.
        prompts: a JSON file of more photos and prompts about them; docs/validation.md has an example.
        gates: a TOML file with limits that replace defaults.
        engines: names of one or more engines to run each artifact with, one after another; docs/validation.md lists
            them. An empty list takes the first engine for the format that this machine has.
        pictures: whether to keep pictures of every case, which ``write_report`` shows.
        drift: whether to find the operations or modules that differ most from the reference.
        time_limit: seconds that an engine may take for one answer, in its own process; None runs it in this process,
            without a limit.
        cache: whether to keep the reference's answers in the user's cache folder, so that later runs need not ask it
            again.
        quick: whether to ask about the goldens only. Their answers are stored, so the reference need not run. This
            takes seconds, and proves less.
        on_result: called with each comparison when it is complete.

    Returns:
        One comparison for each artifact and engine. Its ``verdict`` is "passed", "failed", "not proven", "incomplete"
        (what ran has passed, but some cases did not run) or "not run". ``proven`` says how many cases of each kind
        passed, and ``not_run_reasons`` why others did not run. ``summary`` has the figures over all cases, and is None
        if no case ran or proves anything. ``cases`` has the result of each prompt, and ``failures`` the reasons that
        concern the whole artifact.

    Raises:
        ArtifactError: a folder is incomplete or altered, an artifact was converted from other weights, or an engine
            does not run its format.
        GateError: the file of gates cannot be read, or contains something that is not a limit.
        PromptError: the file of prompts is not as expected, or a prompt does not fit its photo; or ``quick`` is set,
            and so is something that needs the reference.
        ImageError: an image cannot be read.
        CheckpointError: the checkpoint cannot be fetched, read or loaded.
    """
    if quick:
        require_goldens_only(images=images, prompts=prompts, checkpoint=checkpoint, drift=drift)
    loaded = [load_artifact(item) for item in one_or_more(artifacts)]
    questions = () if prompts is None else read_prompts(Path(prompts))
    limits = read_gates(None if gates is None else Path(gates))
    extras = Extras(pictures, drift)
    comparer = Comparer(
        checkpoint, one_or_more(images), questions, limits, extras, time_limit, cache, quick
    )
    pairs = [*product(loaded, one_or_more(engines) or (None,))]
    results = []
    with closing(comparer.compare_all(pairs)) as comparisons:
        for comparison in comparisons:
            on_result(comparison)
            results.append(comparison)
    return results
