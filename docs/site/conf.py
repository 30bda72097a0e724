"""The documentation site: ``make docs`` builds it.

Sphinx was chosen for these reasons:

- autodoc imports the packages, so the API page follows ``dir()`` and the lazy names of a package.
- Our docstrings are reStructuredText, which is the format of Sphinx.
- MyST checks every link and anchor between Markdown pages.
- The search works from the file system, without a server, and nothing is loaded from the network.
- Sphinx, MyST and the theme have regular releases.

MkDocs 1 has had no release since 2024. Its API pages are made from the source text, which does not show lazy names.

The source folder is the whole checkout, so that a relative link means the same here and on a code host.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # the extensions beside this file

from navigation import HOME, PAGES  # noqa: E402  found through the path above

project = "mobile-sam-export"
html_title = project
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "navigation",
    "public_names",
    "outside_links",
    "flowcharts",
]

root_doc = HOME
include_patterns = [f"{page}.md" for page in PAGES] + [
    "docs/**.md"
]  # a page of docs/ that is nowhere fails
exclude_patterns = [
    ".*",
    "artifacts",
    "demo",
    "runs",
    "site",
    "tests",
    "**/build",
    "**/__pycache__",
]

myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]
smartquotes = False  # two hyphens begin an option

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True  # a default function is shown as it is written
autodoc_typehints = "signature"
python_use_unqualified_type_names = True
napoleon_use_rtype = False

html_theme = "furo"
html_show_sphinx = False
html_copy_source = False
