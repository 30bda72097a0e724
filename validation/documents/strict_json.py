"""Reads untrusted JSON documents, and checks every value.

Every refusal is one line that names the file, the place in it, the value, the expectation and the fix.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from reference.common.errors import MobileSAMError
from reference.common.input_files import require_regular_file
from reference.common.plain_text import is_plain, quote, shorten

MOST_BYTES = 1 << 24  # size of a document
MOST_DIGITS = 100  # length of a number; no measurement, size or count has half as many characters
MOST_LEVELS = 30  # nesting of objects and lists
_MOST_SHOWN = 200  # characters of a list of expected texts in a message
MOST_PATH = 1000  # characters of a path
_CONTAINERS = dict, list
_TOO_DEEP = f"nested in more than {MOST_LEVELS} levels"

Item = TypeVar("Item")


@dataclass(frozen=True)
class JsonSource:
    """The origin of a document, for error messages.

    Attributes:
        name: name of the file.
        what: what the file should be, in words such as "a prompts file".
        fix: what to do if the file is not as expected.
        error: class of the errors that are raised.
    """

    name: str
    what: str
    fix: str
    error: type[MobileSAMError]

    def read(self, path: Path, most_bytes: int = MOST_BYTES) -> object:
        """Parse a file of at most ``most_bytes``."""
        try:
            require_regular_file(path, self.error, f"expected {self.what}; {self.fix}")
            with path.open("rb") as file:
                data = file.read(most_bytes + 1)
        except FileNotFoundError:
            raise self.error(f"{path}: no such file: expected {self.what}; {self.fix}") from None
        except OSError as error:
            raise self.error(f"{path}: cannot be read ({error.strerror or error})") from None
        except ValueError:
            raise self.error(f"{str(path)!r}: is not a path; name a file") from None
        return self.parse(data, most_bytes)

    def parse(self, data: bytes | str, most_bytes: int = MOST_BYTES) -> object:
        """Parse strict JSON: numbers are finite, keys are unique in an object, and nesting is limited."""
        if len(data) > most_bytes:
            raise self.error(
                f"{self.name}: has more than {most_bytes >> 20} MiB: expected {self.what}; {self.fix}"
            )
        try:
            text = data if isinstance(data, str) else data.decode("utf-8-sig")
            parsed = json.loads(
                text,
                parse_int=_integer,
                parse_float=_float,
                parse_constant=_refuse_constant,
                object_pairs_hook=_unique,
            )
            _refuse_deep(parsed)
        except RecursionError:
            raise self.error(f"{self.name}: is not valid JSON ({_TOO_DEEP}); {self.fix}") from None
        except ValueError as error:
            raise self.error(f"{self.name}: is not valid JSON ({error}); {self.fix}") from None
        return parsed

    def document(self, parsed: object, schema: str) -> "Value":
        """The members of a document other than "schema", which has to be ``schema``."""
        given = parsed.get("schema") if isinstance(parsed, dict) else None
        if given != schema:
            raise self.error(
                f"{self.name}: 'schema' is {quote(given)}: expected '{schema}', of {self.what}; {self.fix}"
            )
        return Value(self, "", {key: value for key, value in parsed.items() if key != "schema"})


@dataclass(frozen=True)
class Value:
    """A value of a document.

    Each method returns the value as the type that it names, or refuses it.

    Attributes:
        source: the document.
        place: where the value is in the document, such as "photos[0].image".
        value: the value as it was parsed.
    """

    source: JsonSource
    place: str
    value: Any

    def refuse(self, expected: str) -> NoReturn:
        """Raise the source's error, which says that the value is not ``expected``."""
        raise self.source.error(
            f"{self.source.name}: {self._where} is {quote(self.value)}: expected {expected}; "
            f"{self.source.fix}"
        )

    def object(self, names: Sequence[str], optional: Sequence[str] = ()) -> "dict[str, Value]":
        """An object with exactly the keys ``names``, and any of ``optional``; a missing optional value is None."""
        if not isinstance(self.value, dict):
            self.refuse(f"an object with {', '.join(names)}")
        known = (*names, *optional)
        start = f"{self.source.name}: {self._where}"
        if missing := [name for name in names if name not in self.value]:
            raise self.source.error(
                f"{start} lacks {', '.join(map(repr, missing))}: expected {', '.join(names)}; "
                f"{self.source.fix}"
            )
        if surplus := [name for name in self.value if name not in known]:
            raise self.source.error(
                f"{start} has {quote(surplus[0])}: expected only {', '.join(known)}; {self.source.fix}"
            )
        return {key: self._member(key) for key in known}

    def get(self, key: str) -> "Value":
        """Return one member of an object that may have others; its value is None if it is missing."""
        if not isinstance(self.value, dict):
            self.refuse("an object")
        return self._member(key)

    def mapping(
        self, read: "Callable[[Value], Item]", low: int = 0, high: int = 1 << 20
    ) -> dict[str, Item]:
        """An object of ``low`` to ``high`` entries with any lines of text as keys; ``read`` reads each value."""
        if not isinstance(self.value, dict) or not low <= len(self.value) <= high:
            self.refuse(f"an object of {low} to {high} entries")
        return {
            Value(self.source, f"{self.place} key".strip(), key).text(): read(self._member(key))
            for key in self.value
        }

    def list(self, read: "Callable[[Value], Item]", high: int = 1 << 20) -> tuple[Item, ...]:
        """A list of at most ``high`` items, each of which ``read`` reads; it may be empty.

        A tuple is accepted too, because documents are checked before they are written.
        """
        if not isinstance(self.value, list | tuple) or len(self.value) > high:
            self.refuse(f"a list of at most {high}")
        return tuple(
            read(Value(self.source, f"{self.place}[{index}]", item))
            for index, item in enumerate(self.value)
        )

    def optional(self, read: "Callable[[Value], Item]") -> Item | None:
        """Return None if the value is null, else the result of ``read``."""
        return None if self.value is None else read(self)

    def text(self, high: int = 300) -> str:
        """A line of text without control characters, of at most ``high`` characters."""
        value = self.value
        if not isinstance(value, str) or not value.strip() or not is_plain(value):
            self.refuse("a line of text without control characters")
        if len(value) > high:
            self.refuse(f"at most {high} characters")
        return value

    def path(self) -> str:
        """A path, which may contain control characters. It is not checked whether the path exists."""
        value = self.value
        if not isinstance(value, str) or not value or "\0" in value or len(value) > MOST_PATH:
            self.refuse(f"a path of at most {MOST_PATH} characters")
        return value

    def choice(self, known: Sequence[str]) -> str:
        """Return the value, which must be one of the texts ``known``."""
        if not isinstance(self.value, str) or self.value not in known:
            self.refuse(
                shorten(" or ".join(known), _MOST_SHOWN)
                or "no name, because there is nothing to choose from"
            )
        return self.value

    def truth(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            self.refuse("true or false")
        return self.value

    def integer(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``."""
        is_integer = isinstance(self.value, int) and not isinstance(self.value, bool)
        if not is_integer or not low <= self.value <= high:
            self.refuse(f"an integer of {low} to {high}")
        return self.value

    def number(self, low: float, high: float) -> float:
        """A finite number from ``low`` to ``high``."""
        is_number = isinstance(self.value, int | float) and not isinstance(self.value, bool)
        if not is_number or not low <= self.value <= high:
            self.refuse(f"a number of {low:g} to {high:g}")
        return float(self.value)

    @property
    def _where(self) -> str:
        return f"'{self.place}'" if self.place else "the document"

    def _member(self, key: str) -> "Value":
        prefix = f"{self.place}." if self.place else ""
        return Value(self.source, f"{prefix}{shorten(key)}", self.value.get(key))


def _integer(text: str) -> int:
    return int(_of_few_digits(text))


def _float(text: str) -> float:
    number = float(_of_few_digits(text))
    if math.isinf(number):
        raise ValueError(f"the number {shorten(text)} is too large")
    return number


def _of_few_digits(text: str) -> str:
    if len(text) > MOST_DIGITS:
        raise ValueError(f"a number has more than {MOST_DIGITS} characters")
    return text


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number in JSON")


def _refuse_deep(parsed: object) -> None:
    """ValueError if a document is nested so deep that a recursive function might fail on it."""
    level = [parsed] if isinstance(parsed, _CONTAINERS) else []
    for _ in range(MOST_LEVELS):
        items = (item.values() if isinstance(item, dict) else item for item in level)
        level = [value for values in items for value in values if isinstance(value, _CONTAINERS)]
    if level:
        raise ValueError(_TOO_DEEP)


def _unique(pairs: list[tuple[str, object]]) -> dict:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("an object has the same key twice")
    return record
