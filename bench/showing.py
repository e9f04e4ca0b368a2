"""Small tables of results, for a terminal without colours and for a notebook."""

from collections.abc import Sequence
from html import escape

_BEYOND = "..."


def plain(text: str, width: int = 0) -> str:
    """Text on one line, without characters that steer a terminal, cut at `width` characters (0: as it is)."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if not width or len(line) <= width else line[: width - len(_BEYOND)].rstrip() + _BEYOND


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

    def line(cells: Sequence[str], tag: str) -> str:
        sides = ["left" if place < left else "right" for place in range(len(cells))]
        return "".join(
            f'<{tag} style="text-align: {side}">{escape(plain(cell))}</{tag}>'
            for side, cell in zip(sides, cells, strict=True)
        )

    body = "".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    title = f"<caption>{escape(plain(caption))}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{line(header, 'th')}</tr></thead><tbody>{body}</tbody></table>"
