"""table.csv and pairs.csv: every figure and every pair, in full."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from typing import Any

from bench.leaderboard.board import Block, Board, CollectionBoard, Row
from bench.leaderboard.columns import known_costs
from bench.visible import visible

_CSV_HEAD = (
    "collection", "fingerprint", "task", "system", "retriever", "family", "trained", "deterministic", "imported",
    "seeds", "hardware", "measure", "value", "low", "high", "n", "spread", "best_rank", "worst_rank", "groups",
    "problem",
)  # fmt: skip
_PAIRS_HEAD = (
    "collection", "task", "measure", "first", "second", "difference", "low", "high", "effect", "p", "corrected",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@")
"""What a spreadsheet takes for the beginning of a formula."""

_NO_FIGURE = (None,) * 5
_REPORTED = ("reported", "reported", None, None, True, None, None)
"""What is known of a system that was not run here, up to its measure."""

_NO_RANKS = (None,) * 3


def as_csv(board: Board) -> str:
    """table.csv: one line for each figure, count and cost; a system without figures has one line with its problem.

    A text that a spreadsheet would run as a formula begins with an apostrophe.
    """
    return _csv(_CSV_HEAD, (line for collection in board.collections for line in _collection_lines(collection)))


def _collection_lines(collection: CollectionBoard) -> Iterator[Sequence[Any]]:
    for block in collection.named_blocks:
        for row in block.rows:
            head = (collection.name, collection.fingerprint, block.task, *_row_head(row))
            yield from ((*head, *line, row.problem) for line in _row_lines(block, row))
        for one in block.reported:
            known = (collection.name, collection.fingerprint, block.task, one.system, *_REPORTED)
            unknown = (*_NO_FIGURE[1:], *_NO_RANKS)
            yield from ((*known, name, value, *unknown, one.source) for name, value in one.figures.items())


def _row_lines(block: Block, row: Row) -> Iterator[Sequence[Any]]:
    ranks = (row.best_rank, row.worst_rank, " ".join(row.groups))
    for measure, figure in row.figures.items():
        yield (measure, *astuple(figure), *(ranks if measure == block.primary.name else _NO_RANKS))
    others = {**{name: one.value for name, one in row.counts.items()}, **dict(known_costs(row.cost))}
    for name, value in others.items():
        yield (name, value, *_NO_FIGURE[1:], *_NO_RANKS)
    if not row.done:
        yield (None, *_NO_FIGURE, *_NO_RANKS)


def _row_head(row: Row) -> tuple[Any, ...]:
    seeds = "any" if row.deterministic else " ".join(map(str, row.seeds))
    return (
        row.system, row.retriever, row.family, row.trained, row.deterministic, row.imported, seeds, row.hardware,
    )  # fmt: skip


def pairs_as_csv(board: Board) -> str:
    """pairs.csv: one line for each pair of systems that was tested."""
    return _csv(
        _PAIRS_HEAD,
        (
            (collection.name, block.task, block.primary.name, *astuple(pair))
            for collection in board.collections
            for block in collection.named_blocks
            for pair in block.pairs
        ),
    )


def _csv(head: Sequence[str], lines: Iterator[Sequence[Any]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([_harmless(field) for field in line] for line in lines)
    return file.getvalue()


def _harmless(field: Any) -> Any:
    if not isinstance(field, str):
        return field
    shown = visible(field)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) else shown
