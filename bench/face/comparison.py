"""Two systems of a table side by side, query by query."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bench.collections.collection import Query
from bench.errors import BenchError, UnknownName
from bench.face.table import Result
from bench.measures import significance
from bench.showing import html_table, plain, text_table

if TYPE_CHECKING:
    import pandas as pd

_EQUAL = 1e-9
_MOVED = 5


class Line(NamedTuple):
    """Two systems by one measure, over the queries for which both have a value; difference: first minus second."""

    task: str
    measure: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float
    wins: int
    losses: int
    ties: int


class Moved(NamedTuple):
    """A query with its value in each of two systems."""

    query: Query
    first: float
    second: float

    @property
    def difference(self) -> float:
        return self.first - self.second


@dataclass(frozen=True, repr=False)
class Comparison:
    """Two systems by every measure that both have, diagnostic ones aside, and their queries by the first of them.

    p is of the paired randomisation test, the interval the 95 % percentile bootstrap over queries drawn in pairs.
    """

    names: tuple[str, str]
    lines: Sequence[Line]
    moved: Sequence[Moved]

    def __getitem__(self, measure: str) -> Line:
        found = {line.measure: line for line in reversed(self.lines)}
        if measure not in found:
            raise UnknownName("measure", measure, found)
        return found[measure]

    def frame(self) -> "pd.DataFrame":
        """A pandas frame with a row for each measure."""
        import pandas as pd

        return pd.DataFrame(self.lines, columns=list(Line._fields))

    def per_query(self) -> "pd.DataFrame":
        """A pandas frame of the queries by the first measure, from the best for the first system on."""
        import pandas as pd

        rows = [(one.query.id, one.query.text, one.first, one.second, one.difference) for one in self.moved]
        return pd.DataFrame(rows, columns=["query", "text", *self.names, "difference"])

    def __repr__(self) -> str:
        return "\n\n".join(text_table(*table) for table in (self._lines(), self._moved()))

    def _repr_html_(self) -> str:
        return "".join(html_table(*table) for table in (self._lines(), self._moved()))

    def _lines(self) -> tuple[list[str], list[list[str]], int]:
        header = ["measure", *self.names, "difference", "95 %", "p", "wins", "losses", "ties"]
        rows = [
            [
                line.measure,
                f"{line.first:.3f}",
                f"{line.second:.3f}",
                f"{line.difference:+.3f}",
                f"{line.low:+.3f} to {line.high:+.3f}",
                f"{line.p:.4f}",
                *(f"{count:,}" for count in (line.wins, line.losses, line.ties)),
            ]
            for line in self.lines
        ]
        return header, rows, 1

    def _moved(self) -> tuple[list[str], list[list[str]], int]:
        """The queries that moved most, in either direction."""
        most = sorted(self.moved, key=lambda one: -abs(one.difference))[:_MOVED]
        rows = [
            [plain(one.query.text or one.query.id, 60), f"{one.first:.3f}", f"{one.second:.3f}"]
            for one in most
            if abs(one.difference) > _EQUAL
        ]
        return [f"moved most, by {self.lines[0].measure}", *self.names], rows, 1


def compare(first: Result, second: Result, measure: str = "", seed: int = 0) -> Comparison:
    """As `bench.compare`: by every measure that both have, with `measure` first, by default the primary one.

    Raises BenchError for systems that were not asked the same questions.
    """
    lines = [line for place in range(len(first.asked)) for line in _lines(first, second, place, seed)]
    if not lines:
        raise BenchError(f"{first.name} and {second.name} have no measure in common")
    names = [line.measure for line in lines]
    if measure and measure not in names:
        raise UnknownName("measure", measure, names)
    lines.sort(key=lambda line: line.measure != (measure or names[0]))
    return Comparison((first.name, second.name), lines, _moved(first, second, lines[0]))


def _lines(first: Result, second: Result, place: int, seed: int) -> list[Line]:
    one = first.asked[place]
    ours, theirs = first.evaluations[place], second.evaluation(one.task)
    same = list(ours.query_ids) == list(theirs.query_ids)
    other = second.asked[second.place(one.task)].exam.collection
    if not same or other.fingerprint != one.exam.collection.fingerprint:
        raise BenchError(f"the two answered different questions of {one.task}; compare results of one collection")
    results = [measure.name for measure in one.exam.measures if not measure.diagnostic]
    shared = [name for name in results if name in ours.values and name in theirs.values]
    return [_line(one.task, name, ours.values[name], theirs.values[name], seed) for name in shared]


def _line(task: str, measure: str, ours: np.ndarray, theirs: np.ndarray, seed: int) -> Line:
    both = np.stack([ours, theirs])
    known = both[:, np.isfinite(both).all(axis=0)]
    if not known.size:
        return Line(task, measure, *[float("nan")] * 6, 0, 0, len(ours))
    (test,) = significance.compare_all(known, seed)
    difference = known[0] - known[1]
    wins, losses = int((difference > _EQUAL).sum()), int((difference < -_EQUAL).sum())
    return Line(
        task,
        measure,
        *known.mean(axis=1).tolist(),
        *(test.difference, test.low, test.high, test.p),
        *(wins, losses, known.shape[1] - wins - losses),
    )


def _moved(first: Result, second: Result, by: Line) -> list[Moved]:
    """Every query with a value in both, from the best for the first system on."""
    queries = first.asked[first.place(by.task)].exam.queries
    values = (result.evaluation(by.task).values[by.measure].tolist() for result in (first, second))
    moved = [Moved(*row) for row in zip(queries, *values, strict=True)]
    return sorted((one for one in moved if np.isfinite(one.difference)), key=lambda one: -one.difference)
