"""The screen, and how texts of others come onto it: as they are, never as markup, never obeyed."""

import codecs
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.visible import visible

PIPE_WIDTH = 140
_ERRORS = "bench.plain"
_PLAIN = {"–": "-", "—": "-", "±": "~", "†": "+", "★": "*", "…": "~", "│": "|", "─": "-", "━": "-", "␛": "^"}
"""What stands for a sign of ours where the output has none of it; always of one character, so that columns hold."""


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
