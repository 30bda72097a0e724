"""Stand-ins for objects that training scripts save beside the weights.

They replace such objects when a file is read, so that no code of the file's libraries runs.
"""

from collections.abc import Callable, Iterator


class LeftOut:
    """Stands in for an object that does not affect the weights, and accepts any arguments and state."""

    def __init__(self, *arguments: object) -> None: ...

    def __setstate__(self, state: object) -> None: ...

    def __setitem__(self, key: object, value: object) -> None: ...


def _left_out_list(*arguments: object) -> list:
    """Stands in for a deque, which is created first and filled later. The unpickler only fills lists."""
    return []


# Module → names of classes and functions that make numbers, dates, paths and settings. The names are never looked up,
# so the library need not be installed, and none of its code runs.
_NAMES = {
    "argparse": "Namespace",
    "builtins": (
        "range slice xrange "
        "bool dict float frozenset int list object str tuple"  # defaultdict's factories
    ),
    "collections": "ChainMap UserDict UserList UserString defaultdict",
    "array": "array",
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
        "bool bool_ dtype float16 float32 float64 int8 int16 int32 int64 matrix ndarray uint8 uint16 "
        "uint32 uint64"
    ),
    "numpy._core.multiarray": "_reconstruct scalar",  # numpy 2
    "numpy.core.multiarray": "_reconstruct scalar",  # numpy 1
    "numpy.ma": "MaskedArray",
    "numpy.ma.core": "MaskedArray _mareconstruct",
    "numpy.random._mt19937": "MT19937",
    "numpy.random._pcg64": "PCG64 PCG64DXSM",
    "numpy.random._philox": "Philox",
    "numpy.random._pickle": "__bit_generator_ctor __generator_ctor __randomstate_ctor",
    "numpy.random._sfc64": "SFC64",
    "numpy.random.bit_generator": "SeedSequence __pyx_unpickle_SeedSequence",
    "torch.torch_version": "TorchVersion",
    # Lightning, OmegaConf and other libraries for settings.
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
    """Yield a stand-in for every name that may be saved beside weights, in the form of ``torch.serialization``."""
    for module, names in _NAMES.items():
        for name in names.split():
            yield LeftOut, f"{module}.{name}"
    yield _left_out_list, "collections.deque"
