"""Draws the picture of docs/architecture.md, and counts its figures, from pyproject.toml and the imports.

A room is a folder or a file directly in a package, and a floor is one of the layers in pyproject.toml.
"""

import ast
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import grimp

from validation.evidence.page import CHECKOUT

PACKAGES = ("validation", "converters", "reference")  # from top to bottom
LONG_FILE = 300  # lines


@dataclass(frozen=True)
class House:
    """The rooms of the packages, and the imports between them.

    Attributes:
        floors: package → its layers from top to bottom, each a tuple of rooms by their dotted names.
        arrows: pairs of rooms, (importer, imported).
    """

    floors: dict[str, tuple[tuple[str, ...], ...]]
    arrows: frozenset[tuple[str, str]]

    @property
    def rooms(self) -> list[str]:
        """All rooms, from top to bottom."""
        return [room for floors in self.floors.values() for floor in floors for room in floor]

    @property
    def arrows_up(self) -> list[tuple[str, str]]:
        """The arrows to a room of the same floor or of a higher one."""
        height = {
            room: -index
            for index, floor in enumerate(
                floor for floors in self.floors.values() for floor in floors
            )
            for room in floor
        }
        return [(a, b) for a, b in self.arrows if height[b] >= height[a]]


def read_house(checkout: Path = CHECKOUT) -> House:
    """Read the rooms of a checkout and the imports between them.

    Imports inside functions count. Imports for type checkers do not.
    """
    configuration = tomllib.loads((checkout / "pyproject.toml").read_text())
    floors = {}
    for contract in configuration["tool"]["importlinter"]["contracts"]:
        (package,) = contract.get("containers", [None])
        if package is not None:
            floors[package] = tuple(
                tuple(f"{package}.{name}" for name in _names(layer))
                for layer in contract["layers"]
                if _names(layer)
            )
    floors = {package: floors[package] for package in PACKAGES}
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=True)
    rooms = {room for layers in floors.values() for layer in layers for room in layer}
    arrows = {
        (importer, imported)
        for module in graph.modules
        if (importer := _room(module, rooms))
        for other in graph.find_modules_directly_imported_by(module)
        if (imported := _room(other, rooms)) and imported != importer
    }
    return House(floors, frozenset(arrows))


def _names(layer: str) -> list[str]:
    """Return the rooms of a layer. The module that starts a command is not a room."""
    names = (name.strip() for name in layer.split("|"))
    return [name for name in names if name != "__main__"]


def _room(module: str, rooms: set[str]) -> str | None:
    """Return the room that contains a module; None for the packages' own ``__init__``."""
    while module and module not in rooms:
        module = module.rpartition(".")[0]
    return module or None


def diagram_of(house: House) -> list[str]:
    """Return the lines of a Mermaid flow chart with all rooms, and the arrows that no others imply."""
    lines = ["```mermaid", "flowchart TD"]
    for package, floors in house.floors.items():
        lines.append(f"  subgraph {package}")
        lines += [f"    {_id(room)}[{_name(room)}]" for floor in floors for room in floor]
        lines.append("  end")
    lines += [f"  {_id(a)} --> {_id(b)}" for a, b in sorted(_reduced(house.arrows))]
    return [*lines, "```"]


def figures_of(house: House) -> list[str]:
    """Return the lines of a table with the counts."""
    floors = sum(len(layers) for layers in house.floors.values())
    length, place = max(_functions())
    files = {path: len(path.read_text().splitlines()) for path in _sources()}
    long = [path for path, lines in files.items() if lines > LONG_FILE]
    rows = (
        ("rooms", len(house.rooms)),
        ("floors", floors),
        ("arrows between rooms", len(house.arrows)),
        ("arrows that run back up", len(house.arrows_up)),
        ("longest function, lines without its docstring", f"{length}, {place}"),
        (f"files over {LONG_FILE} lines", len(long)),
        ("files", len(files)),
        ("words per sentence of the pages", f"{words_per_sentence(_pages()):.1f}"),
    )
    return [
        "| what | figure |",
        "| :-- | :-- |",
        *(f"| {name} | {value} |" for name, value in rows),
    ]


def words_per_sentence(pages: Iterable[str]) -> float:
    """Return the mean number of words in the sentences of Markdown pages, without code, tables and headings."""
    lengths = []
    for page in pages:
        prose = re.sub(r"^(```|~~~).*?^\1|<!--.*?-->", "", page, flags=re.DOTALL | re.MULTILINE)
        prose = re.sub(r"^(\||#).*$", "", prose, flags=re.MULTILINE)
        prose = re.sub(r"^ *(-|\*|\d+\.) ", "\n\n", prose, flags=re.MULTILINE)
        prose = re.sub(r"\]\([^)]*\)", "]", re.sub(r"`[^`]*`", "code", prose))
        for sentence in re.split(r"[.!?](?=\s|$)|\n\s*\n", prose):
            if words := re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", sentence):
                lengths.append(len(words))
    return fmean(lengths)


def _pages() -> list[str]:
    return [path.read_text() for path in sorted((CHECKOUT / "docs").rglob("*.md"))]


def _reduced(arrows: frozenset[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the arrows without those whose end a longer way reaches too."""
    below: dict[str, set[str]] = {}
    for importer, imported in arrows:
        below.setdefault(importer, set()).add(imported)

    def reachable(room: str, seen: set[str]) -> set[str]:
        for other in below.get(room, set()) - seen:
            seen.add(other)
            reachable(other, seen)
        return seen

    return {
        (a, b)
        for a, b in arrows
        if not any(b in reachable(other, set()) for other in below[a] if other != b)
    }


def _id(room: str) -> str:
    return room.replace(".", "_")


def _name(room: str) -> str:
    return room.partition(".")[2]


def _sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((CHECKOUT / package).rglob("*.py"))


def _functions() -> Iterator[tuple[int, str]]:
    """Yield (lines without the docstring, ``path: name``) for every function."""
    for path in _sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                if body:
                    length = body[-1].end_lineno - body[0].lineno + 1
                    yield length, f"`{path.relative_to(CHECKOUT)}: {node.name}`"
