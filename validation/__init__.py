"""Compares artifacts with the reference, measures their accuracy and speed, and detects regressions.

Each ``validate`` command has a function behind it:

* ``compare_artifacts`` (``validate compare``) compares artifacts with the reference, mask by mask.
* ``open_artifact`` (``validate show``) answers prompts about your own photos with an artifact.
* ``evaluate_accuracy`` (``validate accuracy``) measures masks against true masks.
* ``measure_latency`` (``validate latency``) measures time and memory; ``known_targets`` says where it can.
* ``measure_cost`` (``validate cost``) counts multiply-adds and memory without running anything.
* ``check_regression`` (``validate regress``) compares artifacts with a committed baseline.
* ``check_device_results`` (``validate ingest``) judges what apps measured on phones.
* ``set_up_environments`` (``validate setup``) builds what emulated engines run in.

``write_report`` and ``write_latency_report`` write the pages of ``--report``. ``comparison_document`` and
``cost_document`` return what ``--json`` writes; the results of the other functions have a method ``document``.

``compare(module, artifact, inputs, min_sqnr)`` compares any torch module with its conversion, and
``load_artifact`` reads and verifies an artifact folder.
"""

from reference.common.lazy_names import lazy_names
from reference.common.quiet import quiet_coremltools

quiet_coremltools()

_HOMES = {
    "check_device_results": "validation.regression.check",
    "check_regression": "validation.regression.check",
    "compare": "validation.modules.comparison",
    "compare_artifacts": "validation.comparison.compare_artifacts",
    "comparison_document": "validation.comparison.document",
    "cost_document": "validation.inspection.cost.document",
    "evaluate_accuracy": "validation.accuracy.evaluate",
    "known_targets": "validation.latency.targets.registry",
    "load_artifact": "validation.artifacts.artifact",
    "measure_cost": "validation.inspection.cost.measure",
    "measure_latency": "validation.latency.measure",
    "open_artifact": "validation.engines.artifact_model",
    "set_up_environments": "validation.engines.environments.setting_up",
    "write_latency_report": "validation.report.write",
    "write_report": "validation.report.write",
}
__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
