"""The leaderboard as Markdown, LaTeX, CSV and JSON."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from bench.leaderboard.board import Block, Board, CollectionBoard, Row
from bench.leaderboard.grid import absence, columns, label, notes
from bench.leaderboard.text import latex, markdown

_CSV_HEAD = (
    "collection", "fingerprint", "task", "system", "retriever", "family", "trained", "imported", "seeds", "hardware",
    "measure", "value", "low", "high", "n", "spread", "best_rank", "worst_rank", "groups", "problem",
)  # fmt: skip
_PAIRS_HEAD = (
    "collection",
    "task",
    "measure",
    "first",
    "second",
    "difference",
    "low",
    "high",
    "effect",
    "p",
    "corrected",
)


def as_json(data: Any) -> str:
    """Indented JSON with a final line end; what is not a number is refused."""
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def as_markdown(board: Board) -> str:
    """README.md: one table for each collection and task."""
    parts = [f"# {markdown(board.suite)}", markdown(board.title)]
    parts.append(
        "Bold: no system is significantly better. Rank: the ranks that the corrected tests leave open. In brackets: "
        "95 % bootstrap interval over queries. [Sortable page](index.html), [all figures](table.csv), "
        "[all pairs](pairs.csv), [run files](runs), [manifests](manifests)."
    )
    parts.append(f"![{markdown(f'{board.suite}: quality and cost')}](overview.svg)")
    for collection in board.collections:
        parts.append(f"## {markdown(collection.name)}")
        parts.append(f"fingerprint `{collection.fingerprint[:12]}`, split {markdown(str(collection.rules['split']))}")
        for block in collection.blocks:
            parts += [f"### {markdown(block.task)}", _markdown_table(block, collection.hardware)]
            parts.append("\n".join(f"- {markdown(note)}" for note in notes(block, collection.hardware)))
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown_table(block: Block, hardware: Sequence[str]) -> str:
    shown = columns(block, hardware)
    lines = [_markdown_line(["system", *(column.header for column in shown)])]
    lines.append("|---|" + "".join("---:|" if column.numeric else "---|" for column in shown))
    for row in block.rows:
        name = markdown(label(row))
        if not row.done:
            lines.append(_markdown_line([name, "–", absence(row)], ready=1, width=len(shown) + 1))
            continue
        entries = [column.entry(row).text for column in shown]
        lines.append(_markdown_line([f"**{name}**" if row.among_best else name, *entries], ready=1))
    return "\n".join(lines)


def _markdown_line(fields: Sequence[str], ready: int = 0, width: int = 0) -> str:
    """A line of a table; the first `ready` fields are Markdown already."""
    shown = [*fields[:ready], *map(markdown, fields[ready:])]
    return "| " + " | ".join([*shown, *[""] * (width - len(shown))]) + " |"


def as_latex(board: Board) -> str:
    """table.tex: one tabular for each collection and task; needs the package booktabs."""
    parts = [r"% \usepackage{booktabs}"]
    for collection in board.collections:
        parts += [_latex_table(board, collection, block) for block in collection.blocks]
    return "\n\n".join(parts) + "\n"


def _latex_table(board: Board, collection: CollectionBoard, block: Block) -> str:
    shown = columns(block, collection.hardware)
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{_latex_caption(board, collection, block)}}}"]
    lines.append(rf"\begin{{tabular}}{{l{''.join('r' if column.numeric else 'l' for column in shown)}}}")
    lines += [r"\toprule", _latex_line(["system", *(column.header for column in shown)]), r"\midrule"]
    for row in block.rows:
        lines.append(_latex_row(row, [column.entry(row).text for column in shown] if row.done else [], len(shown)))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"])


def _latex_caption(board: Board, collection: CollectionBoard, block: Block) -> str:
    head = f"{board.suite}: {block.task} on {collection.name} (fingerprint {collection.fingerprint[:6]})"
    return latex(". ".join([head, *notes(block, collection.hardware)]))


def _latex_row(row: Row, entries: Sequence[str], width: int) -> str:
    if not row.done:
        return rf"{latex(label(row))} & \multicolumn{{{width}}}{{l}}{{{latex(absence(row))}}} \\"
    name = latex(label(row))
    return " & ".join([rf"\textbf{{{name}}}" if row.among_best else name, *map(latex, entries)]) + r" \\"


def _latex_line(fields: Sequence[str]) -> str:
    return " & ".join(map(latex, fields)) + r" \\"


def as_csv(board: Board) -> str:
    """table.csv: one line for each figure; a system without figures has one line with its problem."""
    lines: list[Sequence[Any]] = [_CSV_HEAD]
    for collection in board.collections:
        for block in collection.blocks:
            for row in block.rows:
                head = (collection.name, collection.fingerprint, block.task, *_csv_row_head(row))
                ranks = (row.best_rank, row.worst_rank, " ".join(row.groups))
                for measure, figure in row.figures.items():
                    tail = ranks if measure == block.primary else (None, None, None)
                    lines.append((*head, measure, *asdict(figure).values(), *tail, row.problem))
                for name, value in row.cost.items():
                    lines.append((*head, name, value, *[None] * 7, row.problem))
                if not row.done:
                    lines.append((*head, *[None] * 9, row.problem))
    return _csv(lines)


def _csv_row_head(row: Row) -> tuple[Any, ...]:
    seeds = " ".join(map(str, row.seeds))
    return row.system, row.retriever, row.family, row.trained, row.imported, seeds, row.hardware


def pairs_as_csv(board: Board) -> str:
    """pairs.csv: one line for each pair of systems that was tested."""
    lines: list[Sequence[Any]] = [_PAIRS_HEAD]
    for collection in board.collections:
        for block in collection.blocks:
            head = (collection.name, block.task, block.primary)
            lines += [(*head, *asdict(pair).values()) for pair in block.pairs]
    return _csv(lines)


def _csv(lines: Sequence[Sequence[Any]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(lines)
    return file.getvalue()
