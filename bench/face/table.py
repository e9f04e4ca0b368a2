"""Results as objects that show themselves: one system's, and a table of several."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.collections.collection import Collection
from bench.errors import UnknownName
from bench.measures.measure import Figure
from bench.rankings import Rankings
from bench.retriever import Retriever
from bench.showing import html_table, text_table
from bench.tasks.exam import Evaluation, Exam

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Asked:
    """A task with all its options, bound to the collection."""

    task: str
    options: Mapping[str, Any]
    exam: Exam


@dataclass(frozen=True, repr=False)
class Result:
    """One system on every task: what it answered, and what that is worth.

    system: None for answers that were made elsewhere
    evaluations: one for each of `asked`
    """

    name: str
    system: Retriever | None
    asked: Sequence[Asked]
    evaluations: Sequence[Evaluation]

    def place(self, task: str = "") -> int:
        """Which of `asked` a task is; by default the first. Raises UnknownName."""
        names = [one.task for one in self.asked]
        if task and task not in names:
            raise UnknownName("task", task, names)
        return names.index(task) if task else 0

    def evaluation(self, task: str = "") -> Evaluation:
        """What a task says of the system, by default the first."""
        return self.evaluations[self.place(task)]

    def __getitem__(self, measure: str) -> Figure:
        """The figure of a measure, of the first task that has it. Raises UnknownName."""
        figures = {f.measure: f for evaluation in reversed(self.evaluations) for f in evaluation.figures}
        if measure not in figures:
            raise UnknownName("measure", measure, figures)
        return figures[measure]

    def rankings(self, task: str = "") -> Rankings:
        """What it answered in its canonical order, to the questions of a task, by default the first."""
        return self.evaluation(task).rankings

    def per_query(self, task: str = "") -> "pd.DataFrame":
        """A pandas frame with the values of every measure, a row for each query of a task, by default the first."""
        import pandas as pd

        evaluation = self.evaluation(task)
        return pd.DataFrame({"query": list(evaluation.query_ids), **evaluation.values})

    def __repr__(self) -> str:
        return _text(self.asked, [self])

    def _repr_html_(self) -> str:
        return _html(self.asked, [self])


@dataclass(frozen=True, repr=False)
class Table:
    """Systems side by side on one collection. `table[NAME]` is one system's result."""

    collection: Collection
    asked: Sequence[Asked]
    results: Sequence[Result]

    def __getitem__(self, name: str) -> Result:
        found = {result.name: result for result in self.results}
        if name not in found:
            raise UnknownName("system", name, found)
        return found[name]

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def frame(self) -> "pd.DataFrame":
        """A pandas frame: for each system and task a row with every figure and the bounds of its 95 % interval."""
        import pandas as pd

        rows = []
        for result in self.results:
            for one, evaluation in zip(self.asked, result.evaluations, strict=True):
                row: dict[str, Any] = {"system": result.name, "task": one.task, "queries": len(one.exam.queries)}
                for figure in evaluation.figures:
                    row |= {figure.measure: figure.value}
                    row |= {f"{figure.measure} low": figure.low, f"{figure.measure} high": figure.high}
                rows.append(row)
        return pd.DataFrame(rows)

    def per_query(self, task: str = "") -> "pd.DataFrame":
        """A pandas frame: for each system and query of a task, by default the first, the values of every measure."""
        import pandas as pd

        frames = [result.per_query(task).assign(system=result.name) for result in self.results]
        frame = pd.concat(frames, ignore_index=True)
        return frame[["system", *(name for name in frame.columns if name != "system")]]

    def rankings(self, task: str = "") -> dict[str, Rankings]:
        """What each system answered to the questions of a task, by default the first."""
        return {result.name: result.rankings(task) for result in self.results}

    def __repr__(self) -> str:
        return f"{self.collection!r}\n\n{_text(self.asked, self.results)}"

    def _repr_html_(self) -> str:
        return _html(self.asked, self.results, repr(self.collection))


def _text(asked: Sequence[Asked], results: Sequence[Result]) -> str:
    blocks = [f"{text_table(header, rows, left=1)}\n{foot}" for _, header, rows, foot in _blocks(asked, results)]
    return "\n\n".join(blocks)


def _html(asked: Sequence[Asked], results: Sequence[Result], title: str = "") -> str:
    blocks = _blocks(asked, results)
    return "".join(
        html_table(header, rows, left=1, caption=f"{title} {task}".strip()) + f"<p><small>{foot}</small></p>"
        for task, header, rows, foot in blocks
    )


def _blocks(
    asked: Sequence[Asked], results: Sequence[Result]
) -> Iterator[tuple[str, list[str], list[list[str]], str]]:
    """For each task its name, the table's header, its rows from the best on, and its foot."""
    for place, one in enumerate(asked):
        found = [(result.name, result.evaluations[place]) for result in results]
        measures = {measure.name: measure for measure in one.exam.measures}
        shown = [measures[name] for name in one.exam.columns]
        counts = list(dict.fromkeys(c.name for _, e in found for c in e.counts if c.header))
        headers = {c.name: c.header for _, e in found for c in e.counts}
        sign = -1 if one.exam.primary.higher_is_better else 1
        found.sort(key=lambda pair: np.nan_to_num(sign * _value(pair[1], one.exam.primary.name), nan=np.inf))
        rows = [
            [name, *(_figure(e, measure.name) for measure in shown), *(_count(e, count) for count in counts)]
            for name, e in found
        ]
        header = [one.task, *(measure.column for measure in shown), *(headers[count] for count in counts)]
        yield one.task, header, rows, one.exam.definition


def _value(evaluation: Evaluation, measure: str) -> float:
    return next((figure.value for figure in evaluation.figures if figure.measure == measure), float("nan"))


def _figure(evaluation: Evaluation, measure: str) -> str:
    figure = next((figure for figure in evaluation.figures if figure.measure == measure), None)
    if figure is None or np.isnan(figure.value):
        return ""
    return f"{_digits(figure.value)} ({_digits(figure.low)}-{_digits(figure.high)})"


def _digits(value: float) -> str:
    """Three decimals, without the zero before them."""
    return f"{value:.3f}".replace("0.", ".", 1) if -1 < value < 1 else f"{value:.3f}"


def _count(evaluation: Evaluation, name: str) -> str:
    return next((f"{count.value:g}" for count in evaluation.counts if count.name == name), "")
