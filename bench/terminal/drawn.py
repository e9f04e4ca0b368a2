"""What the screen would show, as text: for objects that show themselves in a Python session."""

from io import StringIO
from shutil import get_terminal_size

from rich.console import Console, RenderableType

from bench.terminal.console import PIPE_WIDTH


def drawn(*parts: RenderableType) -> str:
    """Plain text without colours, as wide as the terminal, or as a pipe's where there is none."""
    width = get_terminal_size((PIPE_WIDTH, 24)).columns
    screen = Console(file=StringIO(), width=width, color_system=None, highlight=False, markup=False, emoji=False)
    with screen.capture() as shown:
        screen.print(*parts, sep="\n")
    return "\n".join(line.rstrip() for line in shown.get().splitlines()).rstrip()
