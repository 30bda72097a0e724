"""What training scripts save beside the weights, and what takes its place when a file is read."""

from collections.abc import Callable, Iterator


class LeftOut:
    """Takes the place of an object that has no effect on the weights, whatever it is made from."""

    def __init__(self, *arguments: object) -> None: ...

    def __setstate__(self, state: object) -> None: ...

    def __setitem__(self, key: object, value: object) -> None: ...


# Module → names, of classes and functions that make numbers, dates, paths and settings. They are
# never looked up, so a library need not be installed, and nothing of it runs.
_NAMES = {
    "argparse": "Namespace",
    "builtins": "bool dict float frozenset int list object str tuple",  # defaultdict's factories
    "collections": "defaultdict",
    "copyreg": "_reconstructor",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "pathlib": "Path PosixPath PurePath PurePosixPath PureWindowsPath WindowsPath",
    "pathlib._local": "Path PosixPath PurePath PurePosixPath PureWindowsPath WindowsPath",
    "types": "SimpleNamespace",
    "typing": "Any",
    "uuid": "UUID",
    "numpy": (
        "bool bool_ dtype float16 float32 float64 int8 int16 int32 int64 ndarray uint8 uint16 uint32 "
        "uint64"
    ),
    "numpy._core.multiarray": "_reconstruct scalar",  # numpy 2
    "numpy.core.multiarray": "_reconstruct scalar",  # numpy 1
    "torch.torch_version": "TorchVersion",
    # Lightning, OmegaConf and the other libraries of settings.
    "lightning.fabric.utilities.data": "AttributeDict",
    "lightning_fabric.utilities.data": "AttributeDict",
    "pytorch_lightning.utilities.parsing": "AttributeDict",
    "omegaconf.base": "ContainerMetadata Metadata",
    "omegaconf.dictconfig": "DictConfig",
    "omegaconf.listconfig": "ListConfig",
    "omegaconf.nodes": (
        "AnyNode BooleanNode BytesNode EnumNode FloatNode IntegerNode PathNode StringNode"
    ),
    "addict.addict": "Dict",
    "box.box": "Box",
    "easydict": "EasyDict",
    "mmengine.config.config": "Config ConfigDict",
    "mmengine.logging.history_buffer": "HistoryBuffer",
    "munch": "Munch",
    "yacs.config": "CfgNode",
}


def stand_ins() -> Iterator[tuple[Callable, str]]:
    """``LeftOut`` for every name that may stand beside weights, as ``torch.serialization`` takes them."""
    for module, names in _NAMES.items():
        for name in names.split():
            yield LeftOut, f"{module}.{name}"
