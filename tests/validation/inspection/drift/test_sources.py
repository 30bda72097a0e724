import pytest
from torch import nn

from converters.coreml.trace_scopes import scope_path
from converters.export_modules.channels_first.image_encoder import ChannelsFirstImageEncoder
from converters.export_modules.channels_first.mask_decoder import ChannelsFirstMaskDecoder
from validation.inspection.origins import source_path


@pytest.mark.parametrize(
    ("component", "build"),
    [("image_encoder", ChannelsFirstImageEncoder), ("mask_decoder", ChannelsFirstMaskDecoder)],
)
def test_every_module_of_an_export_module_has_its_source(tiny_sam, component, build):
    known = dict(tiny_sam.named_modules())
    paths = [path for path, _ in build(tiny_sam).named_modules(remove_duplicate=False)]
    assert {source_path(component, path) for path in paths} <= known.keys()
    assert source_path(component, "") == ""


def test_modules_are_found_by_names_and_classes_of_scopes(tiny_sam):
    decoder = ChannelsFirstMaskDecoder(tiny_sam)
    names = ["transformer", "1", "cross_attn_image_to_token", "q_proj"]
    kinds = ["SlotTransformer", "SlotAttentionBlock", "ImageToTokenAttention", "Conv2d"]
    path = scope_path(decoder, names, kinds)
    assert path == "transformer.layers.1.cross_attn_image_to_token.q_proj"
    assert scope_path(decoder, ["2"], ["MLP"]) == "output_hypernetworks_mlps.2"
    assert scope_path(decoder, [], []) == ""


def test_what_is_no_module_belongs_to_its_caller():
    assert scope_path(nn.Sequential(nn.ReLU()), ["0", "inner"], ["ReLU", "Linear"]) == "0"
