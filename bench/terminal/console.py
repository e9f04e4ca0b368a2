"""The screen, and how texts of others come onto it: as they are, never as markup, never obeyed."""

import codecs
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Any

from rich.console import Console as RichConsole
from rich.console import RenderableType
from rich.status import Status
from rich.table import Table
from rich.text import Text

from bench.visible import visible

PIPE_WIDTH = 140
_ERRORS = "bench.plain"
_PLAIN = {"–": "-", "—": "-", "±": "~", "†": "+", "★": "*", "…": "~", "│": "|", "─": "-", "━": "-", "␛": "^"}
"""What stands for a sign of ours where the output has none of it; always of one character, so that columns hold."""


class Console(RichConsole):
    """A screen on which a string is a text: brackets are no markup, and nothing in it is obeyed."""

    def render_str(self, text: str, **settings: Any) -> Text:
        """The string as a text."""
        return super().render_str(visible(text, keep="\n"), **settings)

    def status(self, status: RenderableType, **settings: Any) -> Status:
        """A line that says what is at work, until it is done."""
        return _Status(_as_text(status), console=self, **settings)


class _Status(Status):
    def update(self, status: RenderableType | None = None, **settings: Any) -> None:
        super().update(None if status is None else _as_text(status), **settings)


def _as_text(shown: RenderableType) -> RenderableType:
    return text(shown, keep="") if isinstance(shown, str) else shown


def console() -> Console:
    """Standard output; wide enough for a table when it is a file or a pipe."""
    make_printable(sys.stdout)
    return Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)


def make_printable(stream: object) -> None:
    """Let a stream that is not UTF-8 put another sign in place of what it cannot show, rather than raise."""
    if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
        stream.reconfigure(errors=_ERRORS)


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(_PLAIN.get(char, "?") for char in missing), error.end


codecs.register_error(_ERRORS, _plain)


def text(value: object, style: str = "", keep: str = "\n") -> Text:
    """A text for the screen, whatever is in it."""
    return Text(visible(str(value), keep), style=style)


def table(headers: Sequence[str], right: Sequence[str] = ()) -> Table:
    """A table without lines; columns of `right` are numbers, all others break where they must."""
    made = Table(box=None, pad_edge=False)
    for header in headers:
        made.add_column(
            text(header),
            justify="right" if header in right else "left",
            no_wrap=header in right,
            overflow="fold",
        )
    return made


def add(made: Table, *cells: object) -> None:
    """A row of texts; one that is a Text already stays as it is."""
    made.add_row(*(cell if isinstance(cell, Text) else text(cell) for cell in cells))
