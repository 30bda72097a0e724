"""Documents the public names of a package where a page has the comment ``<!-- public names: PACKAGE -->``.

The names are those of ``dir(PACKAGE)`` when the site is built. A code host shows nothing for a comment.
"""

import inspect
import re
import sys
from importlib import import_module
from types import ModuleType

from sphinx.errors import PycodeError
from sphinx.pycode import ModuleAnalyzer
from sphinx.util import logging

MARKER = re.compile(r"^<!-- public names: ([\w.]+) -->$", re.MULTILINE)
_logger = logging.getLogger(__name__)


def public_names(package: ModuleType) -> list[str]:
    """Return the public names of a package: ``__all__`` where ``dir()`` shows submodules too."""
    return sorted(
        name for name in getattr(package, "__all__", dir(package)) if not name.startswith("_")
    )


def undocumented(package: ModuleType) -> list[str]:
    """Public names without a docstring, and public methods and properties of public classes without one."""
    missing = []
    for name in public_names(package):
        value = getattr(package, name)
        if not _described(package, name, value):
            missing.append(name)
        if inspect.isclass(value):
            missing += [f"{name}.{member}" for member in _bare_members(value)]
    return missing


def _described(package: ModuleType, name: str, value: object) -> bool:
    if _is_constant(value):
        return _home_of_constant(package, name, value) is not None
    # dataclass writes a docstring of its own: the signature.
    return bool(value.__doc__) and not value.__doc__.startswith(f"{name}(")


def _bare_members(value: type) -> list[str]:
    members = inspect.getmembers_static(
        value, lambda member: inspect.isfunction(member) or isinstance(member, property)
    )
    return [
        name
        for name, member in members
        if not name.startswith("_")
        and name in vars(value)
        and not inspect.getdoc(getattr(value, name))
    ]


def _is_constant(value: object) -> bool:
    return not (inspect.isclass(value) or callable(value))


def _home_of_constant(package: ModuleType, name: str, value: object) -> str | None:
    """The module in whose source a ``#:`` comment or a string describes a constant."""
    root = package.__name__.partition(".")[0]
    for module_name, module in sorted(sys.modules.items()):
        if module_name.partition(".")[0] == root and vars(module).get(name) is value:
            try:
                described = ModuleAnalyzer.for_module(module_name).find_attr_docs()
            except PycodeError:
                continue
            if ("", name) in described:
                return module_name
    return None


def _documentation(package: ModuleType, name: str) -> str:
    """The autodoc directive of a name."""
    value = getattr(package, name)
    if _is_constant(value):
        home = _home_of_constant(package, name, value) or package.__name__
        return f".. autodata:: {home}.{name}\n   :no-value:\n"
    if not inspect.isclass(value):
        return f".. autofunction:: {package.__name__}.{name}\n"
    if issubclass(value, BaseException):
        return f".. autoexception:: {package.__name__}.{name}\n"
    return f".. autoclass:: {package.__name__}.{name}\n   :members:\n"


def _write_names(app, docname: str, source: list[str]) -> None:
    def block(marker: re.Match) -> str:
        package = import_module(marker[1])
        for name in undocumented(package):
            _logger.warning("%s.%s has no docstring", package.__name__, name, location=docname)
        entries = "\n".join(_documentation(package, name) for name in public_names(package))
        return f"```{{eval-rst}}\n{entries}```"

    source[0] = MARKER.sub(block, source[0])


def setup(app) -> dict:
    app.connect("source-read", _write_names)
    return {"parallel_read_safe": True}
