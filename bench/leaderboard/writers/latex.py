"""table.tex: one table for each collection and task, narrow enough for a paper."""

from collections.abc import Collection, Sequence

from bench.leaderboard.board import Block, Board, CollectionBoard, Row
from bench.leaderboard.columns import Column, Kind, absence, columns, label, notes, reported_rows
from bench.leaderboard.text import latex

PAPER: Collection[Kind] = ("rank", "primary", "quality")
"""What a table of a paper has room for. Every figure is in table.csv."""

_MOST_MEASURES = 5
_BOLD = "bold: no system is significantly better"


def as_latex(board: Board, kinds: Collection[Kind] = PAPER, measures: int = _MOST_MEASURES) -> str:
    r"""All tables, each with a caption of one sentence, a label, and its notes below; needs the package booktabs.

    `kinds` are the columns that are shown, and `measures` how many measures at most. A table is `\input` or copied
    and referred to by `\ref{tab:SUITE-COLLECTION-TASK}`.
    """
    parts = [r"% \usepackage{booktabs}"]
    for collection in board.collections:
        for block in collection.named_blocks:
            shown = _chosen(columns(block, collection.hardware), kinds, measures)
            parts.append(_table(board, collection, block, shown))
    return "\n\n".join(parts) + "\n"


def _chosen(found: Sequence[Column], kinds: Collection[Kind], measures: int) -> list[Column]:
    wanted = [column for column in found if column.kind in kinds]
    kept = [column for column in wanted if column.kind in ("primary", "quality")][:measures]
    return [column for column in wanted if column.kind not in ("primary", "quality") or column in kept]


def _table(board: Board, collection: CollectionBoard, block: Block, shown: Sequence[Column]) -> str:
    caption = f"{block.task} on {collection.name} (suite {board.suite}, fingerprint {collection.fingerprint[:6]})."
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{latex(caption)}}}"]
    lines.append(rf"\label{{tab:{_label(board.suite, collection.name, block.task)}}}")
    lines.append(rf"\begin{{tabular}}{{l{''.join('r' if column.numeric else 'l' for column in shown) or 'l'}}}")
    lines += [r"\toprule", _line(["system", *(latex(column.header) for column in shown)]), r"\midrule"]
    lines += [_row(row, shown) for row in block.rows]
    lines += [_line([*map(latex, (name, *texts))]) for name, texts in reported_rows(block, shown)]
    below = _notes([_BOLD, *notes(block, collection.hardware, shown)])
    lines += [r"\bottomrule", r"\end{tabular}", *below, r"\end{table}"]
    return "\n".join(lines)


def _label(*names: str) -> str:
    return "-".join("".join(c if c.isascii() and c.isalnum() else "-" for c in name) for name in names)


def _row(row: Row, shown: Sequence[Column]) -> str:
    name = latex(label(row))
    if not row.done:
        return _line([name, rf"\multicolumn{{{len(shown) or 1}}}{{l}}{{{latex(absence(row))}}}"])
    entries = [latex(column.entry(row).text) for column in shown]
    return _line([rf"\textbf{{{name}}}" if row.among_best else name, *entries])


def _line(fields: Sequence[str]) -> str:
    r"""A line of a table from fields that are LaTeX already.

    Nothing can be taken for an argument of the `\\` before it, as a name that begins with `[` or `*` would be.
    """
    return "{}" + " & ".join(fields) + r" \\"


def _notes(found: Sequence[str]) -> list[str]:
    text = r" \\ ".join("{}" + latex(note) for note in found)
    return [rf"\begin{{minipage}}{{\linewidth}}\footnotesize {text}\end{{minipage}}"] if text else []
