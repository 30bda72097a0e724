"""Tools to follow the graph of a TorchScript module node by node."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Submodule:
    """A module within a script module.

    Attributes:
        path: dotted path from the root module; empty for the root itself.
        script: the module.
    """

    path: str
    script: torch.jit.ScriptModule

    def attribute(self, name: str) -> "Submodule | object":
        """Return the attribute ``name``. A module becomes a ``Submodule``, and anything else is unchanged."""
        value = getattr(self.script, name)
        if isinstance(value, torch.jit.ScriptModule):
            return Submodule(self.path_of(name), value)
        return value

    def path_of(self, name: str) -> str:
        """Dotted path of the attribute ``name`` from the root module."""
        return f"{self.path}.{name}".removeprefix(".")


def names(values: Iterable[torch.Value]) -> list[str]:
    """The names of values of a graph, which are unique in it."""
    return [value.debugName() for value in values]


def run_container(node: torch.Node, arguments: list) -> Sequence | None:
    """Outputs of a node that packs or unpacks a list or a tuple; None for any other node."""
    match node.kind():
        case "prim::ListConstruct":
            return [arguments]
        case "prim::TupleConstruct":
            return [tuple(arguments)]
        case "prim::ListUnpack" | "prim::TupleUnpack":
            return arguments[0]
    return None


def run_operator(node: torch.Node, arguments: Sequence) -> Sequence:
    """Outputs of a node that calls an operator, computed by the overload that the node's schema names."""
    schema = torch._C.parse_schema(node.schema())
    namespace, name = schema.name.split("::")
    overload = getattr(
        getattr(getattr(torch.ops, namespace), name), schema.overload_name or "default"
    )
    bound = list(zip(schema.arguments, arguments, strict=True))
    result = overload(
        *(value for parameter, value in bound if not parameter.kwarg_only),
        **{parameter.name: value for parameter, value in bound if parameter.kwarg_only},
    )
    return result if isinstance(result, tuple) else [result]
