"""Modules that other programs import can still be imported from their former addresses."""

from importlib import import_module

import pytest


@pytest.mark.parametrize(
    ("former", "home", "name"),
    [
        ("reference.checkpoint", "reference.weights.checkpoint", "resolve_checkpoint"),
        ("reference.errors", "reference.common.errors", "MobileSAMError"),
        ("reference.images", "reference.photos.images", "read_image"),
        ("reference.variants", "reference.modeling.variants", "get_variant"),
    ],
)
def test_former_addresses_lead_home(former, home, name):
    assert getattr(import_module(former), name) is getattr(import_module(home), name)
