"""What a screen of a given width shows of something."""

import io
from typing import Any

from rich.console import Console


def shown(view: Any, width: int = 140) -> str:
    """The view as plain text."""
    screen = Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False)
    screen.print(view)
    return screen.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def as_written(view: Any, width: int = 140) -> str:
    """The view with the codes that a terminal obeys."""
    screen = Console(file=io.StringIO(), width=width, force_terminal=True, color_system="truecolor")
    screen.print(view)
    return screen.file.getvalue()  # type: ignore[attr-defined,no-any-return]
