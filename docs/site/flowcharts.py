"""Renders a Mermaid flowchart as a table of its arrows.

A code host draws it. Here that would take Mermaid's 3 MB of script, and a table can be searched.
"""

import re

from docutils import nodes
from docutils.parsers.rst import Directive

_GROUP = re.compile(r"subgraph (\w+)")
_NODE = re.compile(r"(\w+)\[(.+)\]")
_ARROW = re.compile(r"(\w+) --> (\w+)")


class Flowchart(Directive):
    """The content of a ``mermaid`` fence: subgraphs of named nodes, and arrows between nodes."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        names, arrows, group = {}, {}, ""
        for line in map(str.strip, self.content):
            if match := _GROUP.fullmatch(line):
                group = match[1]
            elif match := _NODE.fullmatch(line):
                names[match[1]] = f"{group}.{match[2]}"
            elif match := _ARROW.fullmatch(line):
                arrows.setdefault(match[1], []).append(match[2])
            elif line not in ("flowchart TD", "end", ""):
                raise self.error(f"flowchart: cannot read {line!r}")
        rows = [
            (name, ", ".join(names[end] for end in arrows.get(node, [])))
            for node, name in names.items()
        ]
        return [_table(["from", "arrows to"], rows)]


def _table(header: list[str], rows: list[tuple[str, ...]]) -> nodes.table:
    group = nodes.tgroup(cols=len(header))
    group += [nodes.colspec(colwidth=1) for _ in header]
    group += nodes.thead("", _row(header))
    group += nodes.tbody("", *map(_row, rows))
    return nodes.table("", group, classes=["align-left"])


def _row(cells) -> nodes.row:
    return nodes.row("", *(nodes.entry("", nodes.paragraph(text=cell)) for cell in cells))


def setup(app) -> dict:
    app.add_directive("mermaid", Flowchart)
    return {"parallel_read_safe": True}
