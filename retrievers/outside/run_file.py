"""A TREC run as a system."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.numbering import Ids
from bench.rankings import Rankings
from bench.runfiles import read_answers
from bench.trec import query_name, read_run
from retrievers.outside.outside import Kept


class RunFile(Kept):
    """The answers of a run file, such as a first stage that somebody else has run.

    What it cost to make them is not known. A query that the file lacks is an error, since the file may be one of
    another collection or split, unless `missing` says otherwise.
    """

    recorded = True
    remote = True

    path: Path = Field(description="TREC's lines or another form that `bench score` reads, plain or .gz")
    missing: Literal["refuse", "empty"] = Field(
        "refuse", description="a query that the file lacks: an error, or no answer"
    )
    repeats: Literal["refuse", "first"] = Field(
        "refuse", description="a document that the file repeats for a query: an error, or the first counts"
    )

    def files(self) -> list[Path]:
        if not self.path.is_file():
            raise BenchError(f"there is no run file {self.path}; correct run-file.path")
        return [self.path]

    def fit(self, collection: Collection) -> Self:
        """Raises BadLine as `read_run` does."""
        super().fit(collection)
        return self._read()

    def load(self, folder: Path) -> None:
        super().load(folder)
        self._read()

    def _read(self) -> Self:
        names = [Query(name, "") for name in dict.fromkeys(answer.query for answer in read_answers(self.path))]
        found = read_run(self.path, names, self._documents, self.repeats)
        self._answers = {name: (rows, scores) for name, rows, scores in found}
        self._names = Ids(self._answers)
        return self

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        return Rankings.from_hits(queries, [(rows[:k], scores[:k]) for rows, scores in map(self._of, queries)])

    def _of(self, query: Query) -> tuple[np.ndarray, np.ndarray]:
        known = self._answers
        name = self._names.find(query_name(query.id)) or self._names.find(query.id)
        if name is not None:
            rows, scores = known[name]
            order = np.lexsort((self._documents.id_order[rows], -scores))
            return rows[order], scores[order]
        if self.missing == "refuse":
            some = f"it has {len(known):,} others, such as '{next(iter(known))}'" if known else "it is empty"
            raise BenchError(
                f"{self.path} does not answer the query '{query.id}' ({some}); take a run of these queries, or set "
                "run-file.missing=empty to count it as unanswered"
            )
        return np.zeros(0, dtype=np.int64), np.zeros(0)

    def facts(self) -> dict[str, Any]:
        return {"queries": len(self._answers)}
