"""Random damage to files and protos. The same seed does the same damage."""

from collections.abc import Callable, Iterator
from random import Random

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_STRINGS = (FieldDescriptor.TYPE_STRING,)
_FLOATS = (FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE)
_UNSIGNED = (FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_UINT64)
_WIDE = (FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_UINT64)
_FLOAT_VALUES = (0.0, -1.0, 0.5, 3.0, 1e30, -1e30, float("inf"), float("nan"))


def damage_bytes(data: bytes, random: Random) -> bytes:
    """Flip bits; or remove, insert, zero or repeat a run of bytes; or cut off the end."""
    start = random.randrange(len(data) + 1)
    run = random.choice((1, 1, 2, 4, 8, random.randrange(1, 200)))
    head, middle, tail = data[:start], data[start : start + run], data[start + run :]
    return random.choice(
        (
            lambda: _flip(data, random),
            lambda: _flip(data, random),
            lambda: head + tail,
            lambda: head + random.randbytes(run) + middle + tail,
            lambda: head + bytes(len(middle)) + tail,
            lambda: head + middle + middle + tail,
            lambda: head,
        )
    )()


def damage_proto(message: Message, random: Random) -> str:
    """Change one random field of ``message`` in place, and return the path of the field."""
    names = sorted(set(_texts(message))) or ["x"]
    changes = list(_changes(message, random, names, type(message).__name__))
    path, change = random.choice(changes)
    change()
    return path


def _flip(data: bytes, random: Random) -> bytes:
    flipped = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 8))):
        if flipped:
            flipped[random.randrange(len(flipped))] ^= 1 << random.randrange(8)
    return bytes(flipped)


def _changes(
    message: Message, random: Random, names: list[str], path: str
) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield every possible change of one field, with the path of the field."""
    for field, value in message.ListFields():
        here = f"{path}.{field.name}"
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            yield from _map_changes(value, random, names, here)
        elif hasattr(value, "append"):
            yield from _repeated_changes(field, value, random, names, here)
        elif field.message_type is not None:
            yield here, lambda field=field: message.ClearField(field.name)
            yield from _changes(value, random, names, here)
        else:
            yield (
                here,
                lambda field=field, value=value: _set(
                    lambda new: setattr(message, field.name, new), field, value, random, names
                ),
            )


def _map_changes(values, random: Random, names: list[str], path: str):
    for key in sorted(values):
        if not isinstance(values[key], Message):
            continue
        yield f"{path}[{key}]", lambda key=key: values.pop(key)
        yield f"{path}[{key}]", lambda key=key: values[random.choice(names)].CopyFrom(values[key])
        yield from _changes(values[key], random, names, f"{path}[{key}]")


def _repeated_changes(field: FieldDescriptor, values, random: Random, names: list[str], path: str):
    yield path, lambda: values.__delitem__(random.randrange(len(values)))
    yield path, lambda: values.append(random.choice(values))
    if field.message_type is None:
        index = random.randrange(len(values))
        yield (
            path,
            lambda: _set(
                lambda new: values.__setitem__(index, new), field, values[index], random, names
            ),
        )
        return
    yield path, lambda: _swap(values, random)
    for index, value in enumerate(values):
        yield from _changes(value, random, names, f"{path}[{index}]")


def _swap(values, random: Random) -> None:
    first, second = random.randrange(len(values)), random.randrange(len(values))
    copy = type(values[0])()
    copy.CopyFrom(values[first])
    values[first].CopyFrom(values[second])
    values[second].CopyFrom(copy)


def _set(assign: Callable, field: FieldDescriptor, value, random: Random, names: list[str]) -> None:
    assign(_other_value(field, value, random, names))


def _other_value(field: FieldDescriptor, value, random: Random, names: list[str]):
    if field.type in _STRINGS:
        return random.choice(
            (random.choice(names), "", value + "x", value[:-1], "a\nb", "../" + value)
        )
    if field.type == FieldDescriptor.TYPE_BYTES:
        return damage_bytes(value, random)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return not value
    if field.type == FieldDescriptor.TYPE_ENUM:
        return random.choice([item.number for item in field.enum_type.values])
    if field.type in _FLOATS:
        return random.choice(_FLOAT_VALUES)
    low = 0 if field.type in _UNSIGNED else -(1 << 31)
    high = (1 << 63) - 1 if field.type in _WIDE else (1 << 31) - 1
    near = (0, 1, 2, value - 1, value + 1, 2 * value, -value, 7, 64, 1000, 1 << 20, low, high)
    return min(max(random.choice(near), low), high)


def _texts(message: Message) -> Iterator[str]:
    """Yield every text in a message, including the keys of maps."""
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            yield from value
            for item in value.values():
                if isinstance(item, Message):
                    yield from _texts(item)
        elif field.message_type is not None:
            for item in value if hasattr(value, "append") else [value]:
                yield from _texts(item)
        elif field.type in _STRINGS:
            yield from value if hasattr(value, "append") else [value]
