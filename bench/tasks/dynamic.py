"""A collection that grows: what becomes of old and new documents once more are added (Mehta et al. 2023, DSI++)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, NamedTuple

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection, Qrels, Query, part_of
from bench.errors import BenchError
from bench.measures.audit import audited_values
from bench.measures.judged import Judgements
from bench.measures.measure import Count, Measure
from bench.measures.names import Effectiveness
from bench.rankings import Rankings
from bench.tasks.exam import Exam, Stage
from bench.tasks.measured import unanswered
from bench.tasks.probes import Probe

HITS = Effectiveness("Hits", 10)


class Dynamic(Probe):
    """A system is fitted on a part of the documents; the others are added in equal parts, without training queries.

    P(n, o) is Hits@10 of the queries for part o once the parts up to n are there, among all documents so far. Asked
    are, of the first part, the queries of the evaluated split, and of the others the queries of every split, since
    nothing is learned from any of them. The parts are drawn by the task's seed.
    """

    asks_split: ClassVar[bool] = False

    first: float = Field(0.9, gt=0, lt=1, description="share of the documents that the system is fitted on")
    parts: int = Field(5, ge=1, le=100, description="equal parts in which the others are added")

    def on(self, collection: Collection) -> "DynamicExam":
        """Raises BenchError where a part has no document or no query."""
        rows = self._rows(collection)
        asked = _asked(collection, rows)
        last = len(rows) - 1
        at = [(number, one) for number in range(last + 1) for one in asked if one.part <= number]
        names = [f"D{number} {one.name}" for number, one in at]
        stage_of = np.array([number for number, _ in at])
        return DynamicExam(
            collection=collection,
            queries=[replace(one.query, id=name) for name, (_, one) in zip(names, at, strict=True)],
            depth=self.depth,
            measures=list(_measures(last)),
            columns=[f"A@{last}", f"F@{last}", f"GA@{last}", *(f"A@{number}" for number in range(last))],
            definition=self._definition(rows, asked),
            stages=list(_stages(collection, rows, stage_of)),
            stage_of=stage_of,
            part_of=np.array([one.part for _, one in at]),
            qrels=Qrels(
                query_ids=names,
                offsets=np.cumsum([0, *(len(one.rows) for _, one in at)]),
                rows=np.concatenate([one.rows for _, one in at]),
                grades=np.ones(sum(len(one.rows) for _, one in at), dtype=np.int64),
            ),
        )

    def _rows(self, collection: Collection) -> list[np.ndarray]:
        """The rows of each part, ascending."""
        order = np.random.default_rng(self.seed).permutation(len(collection))
        first = round(self.first * len(collection))
        if first < 1 or len(collection) - first < self.parts:
            raise BenchError(
                f"{collection.name}: {len(collection)} documents are too few for a first part of {self.first:g} and "
                f"{self.parts} others; choose fewer `parts` for the task dynamic"
            )
        return [np.sort(part) for part in (order[:first], *np.array_split(order[first:], self.parts))]

    def _definition(self, rows: Sequence[np.ndarray], asked: Sequence["_Asked"]) -> str:
        numbers = [sum(one.part == number for one in asked) for number in range(len(rows))]
        return (
            f"fitted on {len(rows[0])} documents (D0) with their training queries; {len(rows) - 1} parts of about "
            f"{len(rows[1])} are added without any (seed {self.seed}); P(n, o): Hits@10 of the queries of part o "
            "once parts up to n are there, among all documents so far; A@n: mean over o <= n of P(n, o); F@n: mean "
            "over o < n of how far P(n, o) is below the best so far, lower is better; GA@n: mean over 1 <= o <= n of "
            f"P(o, o); queries of each part: {', '.join(map(str, numbers))}"
        )


def _stages(collection: Collection, rows: Sequence[np.ndarray], stage_of: np.ndarray) -> Iterator[Stage]:
    view = collection.training_view()
    for number, part in enumerate(rows):
        documents = collection.documents.take(np.concatenate(rows[: number + 1]))
        start, stop = np.searchsorted(stage_of, [number, number + 1]).tolist()
        yield Stage(part_of(view, part, asked=not number), documents, slice(start, stop))


class _Asked(NamedTuple):
    """A query, with a name that is no other's, the part that first has a document for it, and all such rows."""

    name: str
    query: Query
    part: int
    rows: np.ndarray


def _asked(collection: Collection, rows: Sequence[np.ndarray]) -> list[_Asked]:
    """Raises BenchError for a part that no query is for."""
    owner = np.empty(len(collection), dtype=np.int64)
    for number, part in enumerate(rows):
        owner[part] = number
    own = collection.rules.split
    found = [
        _Asked(f"{split} {query.id}", query, int(owner[relevant].min()), relevant)
        for split in collection.splits
        for query, relevant in collection.relevant(split)
        if len(relevant) and (split == own or owner[relevant].min() > 0)
    ]
    missing = sorted(set(range(len(rows))) - {one.part for one in found})
    if missing:
        raise BenchError(
            f"{collection.name}: no query asks for the documents of part {missing[0]}; choose fewer `parts` or a "
            "smaller `first` for the task dynamic"
        )
    return sorted(found, key=lambda one: one.part)


def _measures(last: int) -> Iterator[Measure]:
    """The averages after the last part first, then those of each part, then every P(n, o)."""
    yield Measure(f"A@{last}", f"mean over all parts of Hits@10 once D{last} is there")
    yield Measure(f"F@{last}", "forgetting: how far old parts fall below their best", higher_is_better=False)
    yield Measure(f"GA@{last}", "generalisation: mean over added parts of Hits@10 just after each was added")
    for number in range(last):
        yield Measure(f"A@{number}", f"mean over parts of Hits@10 once D{number} is there")
    for number in range(last + 1):
        for part in range(number + 1):
            yield Measure(f"P({number},{part})", f"Hits@10 of the queries of D{part} once D{number} is there")


@dataclass(frozen=True, kw_only=True)
class DynamicExam(Exam):
    """Every query is asked again at each stage from that of its part on.

    stage_of, part_of: shape [queries]
    """

    stage_of: np.ndarray = field(repr=False)
    part_of: np.ndarray = field(repr=False)
    qrels: Qrels = field(repr=False)

    def measured(
        self,
        rankings: Rankings,
        groups: np.ndarray | None,  # noqa: ARG002
    ) -> tuple[Mapping[str, np.ndarray], Sequence[Count]]:
        hits = audited_values(rankings, Judgements(self.qrels), [HITS])[str(HITS)]
        last = len(self.stages) - 1
        values = {
            f"P({number},{part})": np.where(self._at(number, part), hits, np.nan)
            for number in range(last + 1)
            for part in range(number + 1)
        }
        for number in range(last + 1):
            values[f"A@{number}"] = self._mean(hits, [(number, part) for part in range(number + 1)])
        values[f"GA@{last}"] = self._mean(hits, [(part, part) for part in range(1, last + 1)])
        values[f"F@{last}"] = self._mean(self._fallen(hits, last), [(last, part) for part in range(last)])
        return {measure.name: values[measure.name] for measure in self.measures}, [unanswered(rankings)]

    def _at(self, number: int, part: int) -> np.ndarray:
        return (self.stage_of == number) & (self.part_of == part)

    def _mean(self, values: np.ndarray, cells: Sequence[tuple[int, int]]) -> np.ndarray:
        """Values whose mean is that over cells of the mean within each: a query counts by its cell's size."""
        places = [self._at(*cell) for cell in cells]
        total = sum(int(place.sum()) for place in places)
        found = np.full(len(values), np.nan)
        for place in places:
            found[place] = values[place] * (total / (len(cells) * int(place.sum())))
        return found

    def _fallen(self, hits: np.ndarray, last: int) -> np.ndarray:
        """At the last stage, how far each query of an older part is below the stage at which its part was best."""
        fallen = np.full(len(hits), np.nan)
        for part in range(last):
            before = [hits[self._at(number, part)] for number in range(part, last)]
            best = max(before, key=lambda found: float(found.mean()))
            now = self._at(last, part)
            fallen[now] = best - hits[now]
        return fallen
