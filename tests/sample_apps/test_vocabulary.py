"""The Kotlin and the Swift library have the same rooms and names, which sample_apps/README.md lists."""

import importlib
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

APPS = Path(__file__).parents[2] / "sample_apps"
README = APPS / "README.md"
KOTLIN = APPS / "android/library/src/main/kotlin/org/mobilesam/kit"
KOTLIN_REGRESSION = APPS / "android/regression/org/mobilesam/kit/regression"
SWIFT = APPS / "ios/MobileSAMKit/Sources/MobileSAMKit"
SWIFT_REGRESSION = APPS / "ios/MobileSAMKit/Sources/MobileSAMRegression"
ROOMS = ("arithmetic", "artifact", "engine", "screen")  # without the phone's own frameworks
PLATFORM = "platform"

# A type that is declared in the first column, with the keywords before its name.
_TYPE = re.compile(
    r"^((?:\w+ )*)(?:class|interface|object|struct|enum|protocol|actor) (\w+)", re.MULTILINE
)
_MEMBER = r"\b(?:val|var|let|fun|func) {}\b"


def rooms(folder: Path) -> set[str]:
    return {path.name.lower() for path in folder.iterdir() if path.is_dir()}


def files(folder: Path, room: str) -> set[str]:
    (found,) = (path for path in folder.iterdir() if path.name.lower() == room)
    return {path.stem for path in found.iterdir()}


@cache
def public_types(*folders: Path) -> dict[str, tuple[str, str]]:
    """Return the public types of a library: for each name its room, and the text of its declaration."""
    types = {}
    for path in (path for folder in folders for path in folder.rglob("*.*")):
        text = path.read_text()
        starts = [match.start() for match in _TYPE.finditer(text)]
        for start, end in pairwise([*starts, len(text)]):
            declaration = text[start:end]
            ((words, name),) = _TYPE.findall(declaration)
            if is_public(words.split(), path):
                types[name] = path.parent.name.lower(), declaration
    return types


def is_public(words: list[str], path: Path) -> bool:
    """Whether a type with these keywords is public. In Kotlin every type is that does not say otherwise."""
    return "public" in words if path.suffix == ".swift" else not {"private", "internal"} & {*words}


def kotlin_types() -> dict[str, tuple[str, str]]:
    return public_types(KOTLIN, KOTLIN_REGRESSION)


def swift_types() -> dict[str, tuple[str, str]]:
    return public_types(SWIFT, SWIFT_REGRESSION)


def table(first_heading: str) -> list[list[str]]:
    """Return the rows of the README's table whose head begins with ``first_heading``."""
    _, _, rest = README.read_text().partition(f"\n| {first_heading} |")
    body = rest.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in body]


def names(cell: str) -> list[str]:
    return re.findall(r"`([\w.]+)`", cell)


def same_names() -> Iterator[str]:
    return (name for row in table("Python") for name in names(row[1]))


def require_declared(types: dict[str, tuple[str, str]], name: str) -> None:
    """Fail unless a public type has the name ``Type``, or declares the member of ``Type.member``."""
    kind, _, member = name.partition(".")
    assert kind in types, f"no public type {kind}"
    if member:
        assert re.search(_MEMBER.format(member), types[kind][1]), f"{kind} has no {member}"


def test_both_libraries_have_the_same_rooms():
    assert rooms(KOTLIN) == rooms(SWIFT) == {*ROOMS, PLATFORM}


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_have_the_same_files(room):
    assert files(KOTLIN, room) == files(SWIFT, room)


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_have_the_same_types(room):
    """What only one library has is in the table of names that differ."""
    kotlin, swift = (
        {name for name, (found, _) in types.items() if found == room}
        for types in (kotlin_types(), swift_types())
    )
    different = {name for row in table("Kotlin") for cell in row[:2] for name in names(cell)}
    assert (kotlin ^ swift) <= different
    assert kotlin & swift


def test_python_has_the_names_in_the_table():
    for name in (name for row in table("Python") for name in names(row[0])):
        module, attributes = name, []
        while not Path(APPS.parent, *module.split(".")).with_suffix(".py").is_file():
            module, _, attribute = module.rpartition(".")
            attributes.insert(0, attribute)
        value = importlib.import_module(module)
        for attribute in attributes:
            fields = getattr(value, "__annotations__", {})
            assert attribute in fields or hasattr(value, attribute), f"{module} has no {attribute}"
            value = getattr(value, attribute, None)


def test_kotlin_and_swift_have_the_names_in_the_table():
    listed = list(same_names())
    assert len(listed) == len(table("Python")) > 20
    for name in listed:
        require_declared(kotlin_types(), name)
        require_declared(swift_types(), name)


def test_names_that_differ_are_in_their_language_only():
    rows = table("Kotlin")
    assert len(rows) > 10
    for kotlin, swift, reason in rows:
        assert reason
        for cell, own, other in (
            (kotlin, kotlin_types(), swift_types()),
            (swift, swift_types(), kotlin_types()),
        ):
            for name in names(cell):
                require_declared(own, name)
                with pytest.raises(AssertionError):
                    require_declared(other, name)
