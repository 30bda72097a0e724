"""Templates, filters, style and script of the report's pages."""

import base64
import hashlib

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reference.common.plain_text import escape
from validation.report import formatting


def environment() -> Environment:
    """Templates that escape every value, and fail on a name that they are not given."""
    made = Environment(
        loader=PackageLoader("validation.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for write in (
        formatting.fixed,
        formatting.short,
        formatting.percent,
        formatting.change,
        formatting.share,
        formatting.milliseconds,
        formatting.megabytes,
        formatting.words,
        formatting.count,
    ):
        made.filters[write.__name__] = write
    return made


def _shown(value: object) -> str:
    """The value of an expression, without characters that are invisible or change the direction of writing."""
    return value if isinstance(value, Markup) else escape(str(value))


def page_sources(made: Environment) -> dict[str, object]:
    """Style and script of ``base.html``, and the hash of the script that its policy allows."""
    script = _source(made, "script.js")
    return {
        "style": Markup(_source(made, "style.css")),
        "script": Markup(script),
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
    }


def _source(made: Environment, name: str) -> str:
    return made.loader.get_source(made, name)[0]
