"""An argument may be one item or several."""

from pathlib import Path

import pytest

from reference.common.one_or_more import one_or_more


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ("cpu", ["cpu"]),
        (Path("photo.jpg"), [Path("photo.jpg")]),
        (7, [7]),
        (["cpu", "android"], ["cpu", "android"]),
        ((), []),
        ((str(number) for number in range(2)), ["0", "1"]),
    ],
)
def test_one_item_is_a_list_of_one(items, expected):
    assert one_or_more(items) == expected
