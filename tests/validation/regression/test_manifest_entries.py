"""The entries that a baseline keeps of a manifest."""

from validation.regression.manifest_entries import manifest_entries


def test_names_of_a_long_list_are_shortened_together():
    names = [{"name": "image_embeddings"}] * 1000
    entries = manifest_entries({"checkpoint": {}, "components": {"encoder": {"outputs": names}}})
    assert len(entries["components.encoder.outputs"]) <= 200
