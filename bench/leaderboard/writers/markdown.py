"""README.md of a suite: one table for each collection and task."""

from collections.abc import Sequence

from bench.leaderboard.board import Block, Board
from bench.leaderboard.columns import absence, columns, label, notes, reported_rows
from bench.leaderboard.text import markdown, paragraphs


def as_markdown(board: Board) -> str:
    """All tables, with what stands below them."""
    parts = [f"# {markdown(board.suite)}", markdown(board.title), *map(markdown, paragraphs(board.findings))]
    parts.append(
        "Bold: no system is significantly better. Rank: the ranks that the corrected tests leave open. In brackets: "
        "95 % interval over queries. [Sortable page, which says what each column means](index.html), "
        "[all figures](table.csv), [all pairs](pairs.csv), [answers](runs), [manifests](manifests)."
    )
    parts.append(f"![{markdown(f'{board.suite}: quality and cost')}](overview.svg)")
    for collection in board.collections:
        parts.append(f"## {markdown(collection.name)}")
        split = markdown(str(collection.rules.get("split", "")))
        parts.append(f"fingerprint `{collection.fingerprint[:12]}`, split {split}")
        for block in collection.named_blocks:
            parts += [f"### {markdown(block.task)}", _table(block, collection.hardware)]
            parts.append("\n".join(f"- {markdown(note)}" for note in notes(block, collection.hardware)))
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(block: Block, hardware: Sequence[str]) -> str:
    shown = columns(block, hardware)
    lines = [_line(["system", *(markdown(column.header) for column in shown)])]
    lines.append("|---|" + "".join("---:|" if column.numeric else "---|" for column in shown))
    for row in block.rows:
        name = markdown(label(row))
        if not row.done:
            reason = [markdown(absence(row)), *[""] * (len(shown) - 2)]
            lines.append(_line([name, *(["–"] if len(shown) > 1 else []), *reason]))
            continue
        entries = [markdown(column.entry(row).text) for column in shown]
        lines.append(_line([f"**{name}**" if row.among_best else name, *entries]))
    lines += [_line([*map(markdown, (name, *texts))]) for name, texts in reported_rows(block, shown)]
    return "\n".join(lines)


def _line(fields: Sequence[str]) -> str:
    """A line of a table from fields that are Markdown already."""
    return "| " + " | ".join(fields) + " |"
