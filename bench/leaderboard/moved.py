"""The queries on which a system and the best other one lie furthest apart, with what both answered."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict

from bench.cells.folder import rankings_file
from bench.cells.record import CellRecord, TaskRecord
from bench.collections.collection import Collection
from bench.leaderboard.answers import first_hits
from bench.leaderboard.board import Block, Board, Row
from bench.leaderboard.build import record_of
from bench.leaderboard.paths import published_id
from bench.measures.significance import mean_over_seeds

QUERIES, HITS, RELEVANT = 5, 3, 3
"""How many queries, first answers to each, and relevant documents of each are told."""

_EXCERPT, _HISTORY = 160, 5
"""Characters of a text, and latest items of a history, that are shown."""


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Excerpt(_Data):
    """A document as a page shows it; `relevant` is None where the collection was not at hand."""

    id: str
    text: str = ""
    relevant: bool | None = None


class MovedQuery(_Data):
    """A query with both systems' values, and the first answers of both; of the relevant documents the first few."""

    query: str
    text: str = ""
    value: float
    other_value: float
    relevant: list[Excerpt] = []
    hits: list[Excerpt]
    other_hits: list[Excerpt]


class Moved(_Data):
    """The queries of a table on which a system and the best other one lie furthest apart."""

    collection: str
    task: str
    measure: str
    other: str
    queries: list[MovedQuery]


@dataclass(frozen=True)
class _Answers:
    """One row's records of the table's task, one for each seed."""

    row: Row
    tasks: Sequence[TaskRecord]

    def values(self, measure: str) -> np.ndarray:
        """Shape [queries]: the mean over seeds."""
        return mean_over_seeds([task.values[measure] for task in self.tasks])

    def first(self, query_ids: Sequence[str]) -> dict[str, list[str]]:
        """What the first seed answered."""
        full = rankings_file(self.tasks[0])
        return first_hits(full if full.is_file() else self.tasks[0].run_file, query_ids, HITS)


def moved_queries(
    board: Board, cells: Sequence[CellRecord], collections: Mapping[str, Collection]
) -> dict[str, list[Moved]]:
    """Of each collection's first table, by system: where it and the best other system lie furthest apart."""
    by_name = {published_id(cell): cell for cell in cells}
    found: dict[str, list[Moved]] = {}
    for shown in board.collections:
        block = shown.blocks[0]
        answers = [one for row in block.rows if (one := _answers(row, block, by_name)).tasks]
        texts = _Texts(collections.get(shown.name))
        for place, one in enumerate(answers if len(answers) > 1 else []):
            other = answers[0] if place else answers[1]
            queries = list(_moved(one, other, block.primary.name, texts))
            moved = Moved(
                collection=shown.name,
                task=block.task,
                measure=block.primary.name,
                other=other.row.system,
                queries=queries,
            )
            found.setdefault(one.row.system, []).append(moved)
    return found


def _answers(row: Row, block: Block, cells: Mapping[str, CellRecord]) -> _Answers:
    named = [cells[name] for name in row.cells if name in cells] if block.primary.name in row.figures else []
    records = [record_of(cell, block.task, block.options) for cell in named]
    return _Answers(row, [record for record in records if record is not None])


def _moved(one: _Answers, other: _Answers, measure: str, texts: "_Texts") -> Iterator[MovedQuery]:
    """The queries with the largest differences; those without a value for both are passed over."""
    values, others = one.values(measure), other.values(measure)
    apart = np.nan_to_num(np.abs(values - others))
    order = [place for place in np.argsort(-apart, kind="stable")[:QUERIES].tolist() if apart[place] > 0]
    names = [one.tasks[0].query_ids[place] for place in order]
    hits, other_hits = one.first(names), other.first(names)
    for place, name in zip(order, names, strict=True):
        yield MovedQuery(
            query=name,
            text=texts.query(name),
            value=round(float(values[place]), 6),
            other_value=round(float(others[place]), 6),
            relevant=texts.relevant(name),
            hits=[texts.document(name, document) for document in hits.get(name, [])],
            other_hits=[texts.document(name, document) for document in other_hits.get(name, [])],
        )


class _Texts:
    """Queries and documents of a collection in words; nothing is known of one that is not at hand."""

    def __init__(self, collection: Collection | None) -> None:
        self._collection = collection
        found = collection.relevant(collection.rules.split) if collection else ()
        self._asked = {query.id: (query, rows) for query, rows in found}

    def query(self, name: str) -> str:
        if name not in self._asked:
            return ""
        query, _ = self._asked[name]
        latest = [self._text(item) or item for item in query.history[-_HISTORY:]]
        return _cut(" → ".join(latest)) if latest else _cut(query.text)

    def relevant(self, name: str) -> list[Excerpt]:
        if self._collection is None or name not in self._asked:
            return []
        ids = self._collection.documents.ids(self._asked[name][1][:RELEVANT])
        return [Excerpt(id=one, text=self._text(one), relevant=True) for one in ids]

    def document(self, query: str, name: str) -> Excerpt:
        if self._collection is None or query not in self._asked:
            return Excerpt(id=name, text=self._text(name))
        row = self._collection.documents.rows[name]
        return Excerpt(id=name, text=self._text(name), relevant=bool(np.isin(row, self._asked[query][1])))

    def _text(self, name: str) -> str:
        if self._collection is None:
            return ""
        documents = self._collection.documents
        return _cut(self._collection.rules.render(documents[documents.rows[name]]))


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _EXCERPT else line[: _EXCERPT - 1].rstrip() + "…"
