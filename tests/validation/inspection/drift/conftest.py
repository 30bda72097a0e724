"""The input on which drift is measured."""

import pytest


@pytest.fixture
def question(tiny_source):
    """A frame in 8 bits, and a prompt of points and a box."""
    return tiny_source.goldens.encoder_inputs()[0][0].round(), tiny_source.goldens.cases[3].prompt
