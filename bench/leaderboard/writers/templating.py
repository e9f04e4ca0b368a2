"""The templates of pages and pictures."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import MissingExtra
from bench.visible import visible

if TYPE_CHECKING:
    from jinja2 import Template

_FOLDER = Path(__file__).parent / "templates"


def template(name: str) -> "Template":
    """One of the templates; what it is given is escaped, and shown rather than obeyed.

    Raises MissingExtra without the libraries that pages are made with.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError:
        raise MissingExtra("the page", "publish") from None
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        finalize=_finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["asset"] = _asset
    return environment.get_template(name)


def _finalize(value: Any) -> Any:
    return visible(value) if type(value) is str else value


def _asset(name: str) -> Any:
    """A style or script of ours, as it is."""
    from markupsafe import Markup

    return Markup((_FOLDER / name).read_text(encoding="utf-8"))
