"""The menu of the site. The README is the home page, and its text does not contain the menu."""

from pathlib import Path
from shutil import copyfile

HOME = "README"
NAVIGATION = {
    "Ship a model": [
        "docs/tutorial",
        "docs/choosing",
        "docs/conversion",
        "docs/artifact-folder",
        "docs/quantization",
        "docs/photos",
        "docs/prompts",
        "docs/training",
        "docs/demo-weights",
        "sample_apps/README",
        "sample_apps/ios/README",
        "sample_apps/android/README",
        "sample_apps/vectors/README",
    ],
    "Check a model": [
        "docs/validation",
        "docs/accuracy",
        "docs/latency",
        "docs/devices",
        "docs/device-results",
        "docs/environments",
        "docs/cost",
        "docs/regression",
        "docs/mil_runtime",
    ],
    "What we measured": [
        "docs/evidence/numbers",
        "docs/evidence/mutation",
        "docs/evidence/conformance",
        "docs/evidence/peers",
        "docs/evidence/harness",
        "docs/evidence/training-trials",
        "findings/README",
    ],
    "Reference": [
        "docs/commands",
        "docs/troubleshooting",
        "docs/api",
        "docs/architecture",
        "CHANGELOG",
    ],
    "Contributing": ["CONTRIBUTING"],
}
PAGES = [HOME, *(page for pages in NAVIGATION.values() for page in pages)]


def _toctree(caption: str, pages: list[str]) -> str:
    entries = "\n".join(f"/{page}" for page in pages)
    return f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{entries}\n```\n"


def _add_menu(app, docname: str, source: list[str]) -> None:
    if docname == HOME:
        source[0] += "".join(_toctree(*heading) for heading in NAVIGATION.items())


def _copy_home(app, failure: Exception | None) -> None:
    """The home page is also index.html, which is what a server shows for a folder."""
    if failure is None and app.builder.format == "html":
        folder = Path(app.outdir)
        copyfile(folder / f"{HOME}.html", folder / "index.html")


def setup(app) -> dict:
    app.connect("source-read", _add_menu)
    app.connect("build-finished", _copy_home)
    return {"parallel_read_safe": True}
