"""The documentation site: what ``make docs`` builds, and what it refuses."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from tests.support.pages import CHECKOUT

PACKAGES = ("reference", "converters", "validation", "validation.mil_runtime")
HEADINGS = ["Ship a model", "Check a model", "What we measured", "Reference", "Contributing"]


def build(source: Path, output: Path, builder: str = "html") -> subprocess.CompletedProcess:
    """What ``make docs`` runs, with the configuration that is below ``source``."""
    options = ["--builder", builder, "--fail-on-warning", "--quiet", "--fresh-env"]
    command = [sys.executable, "-m", "sphinx", *options, "--conf-dir", source / "docs" / "site"]
    return subprocess.run([*command, source, output], cwd=CHECKOUT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("site")
    result = build(CHECKOUT, output)
    assert result.returncode == 0, result.stderr
    return output


PAGES = {
    "README.md": "# Home\n\n[photos](docs/photos.md#formats)\n",
    "docs/photos.md": "# Photos\n\n## Formats\n\n[below](#formats), [pyproject](../pyproject.toml)\n",
    "docs/api.md": "# API\n\n<!-- public names: some_names -->\n",
}


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A small checkout with the site's own configuration, the test's own to change."""
    folder = tmp_path / "checkout"
    shutil.copytree(
        CHECKOUT / "docs" / "site",
        folder / "docs" / "site",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    navigation = folder / "docs" / "site" / "navigation.py"
    menu = 'NAVIGATION = {"Menu": ["docs/photos", "docs/api"]}\n'
    navigation.write_text(
        re.sub(r"^NAVIGATION = .*?^}\n", menu, navigation.read_text(), flags=re.M | re.S)
    )
    for name, text in PAGES.items():
        (folder / name).write_text(text)
    (folder / "pyproject.toml").write_text('[project]\nname = "small"\n')
    (folder / "docs" / "site" / "some_names.py").write_text(NAMES)
    return folder


NAMES = '''
__all__ = ["LIMIT", "answer"]

#: The highest value.
LIMIT = 3

def answer(question):
    """Answer a question."""
'''


def test_menu(site):
    home = (site / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'class="caption"[^>]*><span class="caption-text">([^<]*)', home) == HEADINGS


def test_nothing_comes_from_the_network(site):
    loaded = re.compile(
        r'<(?:script|img|link|iframe|source)\b[^>]*\b(?:src|href)="((?:https?:)?//[^"]*)"'
    )
    for page in site.rglob("*.html"):
        assert loaded.findall(page.read_text(encoding="utf-8")) == [], page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", sheet.read_text()), sheet


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_described(site, package):
    page = (site / "docs" / "api.html").read_text(encoding="utf-8")
    anchors = set(re.findall(r'id="([\w.]+)"', page))
    names = {name.rpartition(".")[2] for name in anchors if name.startswith(f"{package}.")}
    module = import_module(package)
    assert {name for name in module.__all__ if not name.startswith("_")} <= names


def test_search_finds_words_of_pages_and_names(site):
    text = (site / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(text[text.index("{") : text.rindex("}") + 1])
    assert {"quantiz", "latenc", "boundari"} & set(index["terms"])  # stems
    assert "compare_artifacts" in json.dumps(index["objects"])


def test_a_sound_checkout_builds(checkout, tmp_path):
    result = build(checkout, tmp_path / "site")
    assert result.returncode == 0, result.stderr
    page = (tmp_path / "site" / "docs" / "api.html").read_text()
    assert "The highest value." in page and "Answer a question." in page
    page = (tmp_path / "site" / "docs" / "photos.html").read_text()
    (address,) = re.findall(
        r'href="([^"]*/pyproject\.toml)"', page
    )  # a copy: there is no repository
    assert (tmp_path / "site" / "docs" / address).resolve().is_file()


def append(name: str, text: str) -> Callable[[Path], None]:
    def change(checkout: Path) -> None:
        with (checkout / name).open("a") as file:
            file.write(f"\n{text}\n")

    return change


def add(name: str, text: str) -> Callable[[Path], None]:
    return lambda checkout: (checkout / name).write_text(text)


def without_its_docstring(checkout: Path) -> None:
    (checkout / "docs/site/some_names.py").write_text(NAMES.replace("Answer a question.", ""))


def without_its_comment(checkout: Path) -> None:
    (checkout / "docs/site/some_names.py").write_text(NAMES.replace("#:", "#"))


FLAWS = {
    "a link to no page": (append("docs/photos.md", "[x](gone.md)"), "gone.md"),
    "an anchor of no heading": (append("README.md", "[x](docs/photos.md#gone)"), "'gone'"),
    "an anchor of no heading here": (append("docs/photos.md", "[x](#gone)"), "'gone'"),
    "a page outside the menu": (add("docs/new.md", "# New\n"), "included in any toctree"),
    "a function untold": (without_its_docstring, "some_names.answer has no docstring"),
    "a constant untold": (without_its_comment, "some_names.LIMIT has no docstring"),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_flaws_fail_the_build(checkout, tmp_path, flaw):
    change, expected = FLAWS[flaw]
    change(checkout)
    result = build(checkout, tmp_path / "site", "dummy")
    assert result.returncode != 0
    assert expected in result.stderr


def test_links_lead_to_the_repository_where_there_is_one(checkout, tmp_path):
    url = "https://example.org/owner/name"
    append("pyproject.toml", f'[project.urls]\nRepository = "{url}"')(checkout)
    append("docs/photos.md", "[code](site)")(checkout)
    result = build(checkout, tmp_path / "site")
    assert result.returncode == 0, result.stderr
    page = (tmp_path / "site" / "docs" / "photos.html").read_text()
    assert f'href="{url}/blob/HEAD/pyproject.toml"' in page
    assert f'href="{url}/blob/HEAD/docs/site"' in page


def test_a_link_to_a_folder_is_text_where_there_is_no_repository(checkout, tmp_path):
    append("docs/photos.md", "[the code](site)")(checkout)
    result = build(checkout, tmp_path / "site")
    assert result.returncode == 0, result.stderr
    page = (tmp_path / "site" / "docs" / "photos.html").read_text()
    assert "the code" in page and 'href="site"' not in page
