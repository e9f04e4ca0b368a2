"""Small tables of texts, for a Python session and for a notebook."""

from collections.abc import Sequence
from html import escape

from bench.visible import visible

_BEYOND = " ..."


def plain(text: str, width: int = 0) -> str:
    """Text on one line, cut at `width` characters (0: whole); what would steer a terminal is seen instead."""
    line = visible(" ".join(text.split()))
    return line if not width or len(line) <= width else line[: width - len(_BEYOND)] + _BEYOND


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> str:
    """Aligned columns: the first `left` ones to the left, the others to the right."""
    lines = [[plain(cell) for cell in line] for line in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def html_table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int, caption: str = "") -> str:
    """The same as an HTML table; every text is escaped."""
    title = f"<caption>{escape(plain(caption))}</caption>" if caption else ""
    body = "".join(_html_line(row, "td", left) for row in rows)
    return f"<table>{title}<thead>{_html_line(header, 'th', left)}</thead><tbody>{body}</tbody></table>"


def _html_line(cells: Sequence[str], tag: str, left: int) -> str:
    sides = ("left" if place < left else "right" for place in range(len(cells)))
    parts = (
        f'<{tag} style="text-align: {side}">{escape(plain(cell))}</{tag}>'
        for side, cell in zip(sides, cells, strict=True)
    )
    return f"<tr>{''.join(parts)}</tr>"
