"""Two results side by side, query by query."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.errors import BenchError, UnknownName
from bench.face.results import Result
from bench.leaderboard import compare as sides
from bench.leaderboard.compare import Comparisons, MeasureComparison, Side
from bench.leaderboard.text import bounds
from bench.showing import html_table

if TYPE_CHECKING:
    import pandas as pd

_MOVED = 5


@dataclass(frozen=True, repr=False)
class Comparison:
    """Two systems by every measure that both have. `comparison[MEASURE]` is one; it shows itself as on the screen."""

    found: Comparisons

    def __getitem__(self, measure: str) -> MeasureComparison:
        by_name = {one.measure: one for one in self.found.measures}
        if measure not in by_name:
            raise UnknownName("measure", measure, by_name)
        return by_name[measure]

    def frame(self) -> "pd.DataFrame":
        """A pandas frame with a row for each measure; the difference is the first minus the second."""
        import pandas as pd

        names = [side.name for side in self.found.sides]
        counts = ("wins", "losses", "ties")
        tested = ("difference", "low", "high", "effect", "p")
        rows = [
            {"measure": one.measure, **dict(zip(names, one.means, strict=True))}
            | {name: getattr(one.test, name) for name in tested}
            | {name: getattr(one, name) for name in counts}
            for one in self.found.measures
        ]
        return pd.DataFrame(rows)

    def per_query(self) -> "pd.DataFrame":
        """A pandas frame of the queries by the first measure, from those on where the first system is better."""
        import pandas as pd

        first, second = self.found.sides
        measure = self.found.measures[0].measure
        frame = pd.DataFrame(
            {
                "query": list(first.query_ids),
                "text": [query.text for query in first.exam.queries],
                first.name: first.values[measure],
                second.name: second.values[measure],
                "difference": first.values[measure] - second.values[measure],
            }
        )
        return frame.sort_values("difference", ascending=False, ignore_index=True)

    def __repr__(self) -> str:
        from bench.terminal.comparison import comparison_view
        from bench.terminal.drawn import drawn

        return drawn(comparison_view(self.found))

    def _repr_html_(self) -> str:
        names = [side.name for side in self.found.sides]
        rows = [
            [
                one.column,
                *(f"{mean:.4f}" for mean in one.means),
                f"{one.test.difference:+.4f}",
                bounds(one.test.low, one.test.high, "+.4f"),
                f"{one.test.p:.4f}",
                *(f"{count:,}" for count in (one.wins, one.losses, one.ties)),
            ]
            for one in self.found.measures
        ]
        header = ["measure", *names, "difference", "95 % interval", "p", "wins", "losses", "ties"]
        moved = [
            [one.query.text or one.query.id, f"{one.first:.3f}", f"{one.second:.3f}"] for one in self.found.moved
        ]
        most = f"moved most by {self.found.measures[0].measure}"
        return html_table(header, rows, 1) + html_table([most, *names], moved, 1)


def compare(first: Result, second: Result, measure: str = "", task: str = "", seed: int = 0) -> Comparison:
    """As `bench.compare`. Raises BenchError for results on different collections or to different questions."""
    ours, theirs = _side(first, task), _side(second, task)
    if ours.fingerprint != theirs.fingerprint:
        raise BenchError(
            f"{first.name} was asked on {first.cell.identity.collection}, {second.name} on "
            f"{second.cell.identity.collection}; compare results on one collection"
        )
    return Comparison(sides.compare(ours, theirs, measure, _MOVED, seed))


def _side(result: Result, task: str) -> Side:
    if not isinstance(result, Result):
        raise BenchError(f"{type(result).__name__} is no result; give two of a table, as table['bm25']")
    record, identity = result.record(task), result.cell.identity
    return Side(
        path=result.cell.folder,
        name=result.name,
        fingerprint=identity.fingerprint,
        exam=result.exam(task),
        task_name=record.result.task,
        query_ids=record.query_ids,
        values=record.values,
    )
