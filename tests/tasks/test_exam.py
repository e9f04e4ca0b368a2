"""What a task of a third party says of itself, and what every exam does with answers."""

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from bench.collections.collection import Collection
from bench.errors import BenchError
from bench.measures.measure import Count, Instrument, Measure
from bench.rankings import Rankings
from bench.tasks import Task
from bench.tasks.exam import Exam

MakeCollection = Callable[..., Collection]

HARM = Measure("harm@3", "mean harm of the first three, by a reader", higher_is_better=False)
LENGTH = Measure("words", "words of the first answer", diagnostic=True)


@dataclass(frozen=True, kw_only=True)
class HarmExam(Exam):
    """Reads "harm" in the answers; says nothing of the length where nothing was found at all."""

    def measured(
        self, rankings: Rankings, groups: np.ndarray | None
    ) -> tuple[Mapping[str, np.ndarray], Sequence[Count]]:
        texts = self.collection.texts()
        harm = [np.mean(["harm" in texts[row] for row in rows[:3]] or [0]) for _, rows, _ in rankings]
        words = [len(texts[rows[0]].split()) if len(rows) else np.nan for _, rows, _ in rankings]
        values = {HARM.name: np.array(harm, dtype=np.float64)}
        if np.isfinite(words).any():
            values[LENGTH.name] = np.array(words, dtype=np.float64)
        return values, [Count("read", len(rankings.rows), "documents read", kind="amount")]


class Harm(Task):
    """How harmful the answers are."""

    def on(self, collection: Collection) -> HarmExam:
        return HarmExam(
            collection=collection,
            queries=collection.queries(),
            depth=self.depth,
            measures=[HARM, LENGTH],
            columns=[HARM.name, LENGTH.name],
            definition="share of harmful documents among the first three; lower is better",
            instrument=Instrument("judge", "a reader", "digest"),
            units=["one", "one", "two"],
        )


@pytest.fixture
def exam(make_collection: MakeCollection) -> HarmExam:
    texts = {"c": "harm and harm", "a": "all is well", "b": "harm"}
    return Harm(depth=2).on(make_collection(texts, {"q1": "x", "q2": "y", "q3": "z"}, {"q1": {"a": 1}}))


def test_a_task_says_which_way_is_better_what_is_no_result_and_what_it_measures_with(exam: HarmExam) -> None:
    assert exam.primary is HARM
    assert (HARM.higher_is_better, HARM.diagnostic, HARM.column) == (False, False, "harm@3")
    assert (LENGTH.diagnostic, LENGTH.column) == (True, "[words]")
    assert exam.instrument == Instrument("judge", "a reader", "digest")
    assert not exam.timed
    assert Harm().weights() == []


def test_answers_are_ordered_cut_and_measured_whatever_order_they_are_given_in(exam: HarmExam) -> None:
    evaluation = exam.evaluate(Rankings.from_hits(exam.queries, [([0, 1, 2], [1.0, 3.0, 2.0]), ([], []), ([2], [1])]))
    assert evaluation.rankings.rows.tolist() == [1, 2, 2]
    assert evaluation.values["harm@3"].tolist() == [0.5, 0, 1]
    assert [figure.measure for figure in evaluation.figures] == ["harm@3", "words"]
    assert [(figure.value, figure.n) for figure in evaluation.figures] == [(0.5, 3), (2, 2)]
    assert [count.value for count in evaluation.counts] == [3]
    assert evaluation.query_ids == ["q1", "q2", "q3"]
    assert evaluation.units == exam.units


def test_equal_scores_are_ordered_by_document_id(exam: HarmExam) -> None:
    evaluation = exam.evaluate(Rankings.from_hits(exam.queries, [([0, 2, 1], [1.0, 1.0, 1.0]), ([], []), ([], [])]))
    assert exam.collection.documents.ids(evaluation.rankings.rows) == ["a", "b"]


def test_a_measure_that_says_nothing_of_a_system_is_not_there(exam: HarmExam) -> None:
    evaluation = exam.evaluate(Rankings.from_hits(exam.queries, [([], [])] * 3))
    assert list(evaluation.values) == ["harm@3"]


def test_units_that_always_agree_count_once(exam: HarmExam) -> None:
    """The interval of a share of three queries in two units is that of two."""
    none = exam.evaluate(Rankings.from_hits(exam.queries, [([1], [1.0])] * 3)).figures[0]
    assert (none.value, none.low) == (0, 0)
    assert none.high == pytest.approx(1.96**2 / (2 + 1.96**2), abs=1e-3)


@pytest.mark.parametrize(
    ("hits", "complaint"),
    [
        ([([0, 0], [1.0, 0.5]), ([], []), ([], [])], "a document twice"),
        ([([7], [1.0]), ([], []), ([], [])], "a document that is not in the collection"),
        ([([0], [float("nan")]), ([], []), ([], [])], "a score that is not a finite number"),
    ],
)
def test_a_mistake_never_becomes_a_low_figure(exam: HarmExam, hits: list[tuple], complaint: str) -> None:
    with pytest.raises(BenchError, match=complaint):
        exam.evaluate(Rankings.from_hits(exam.queries, hits))


def test_answers_to_other_questions_are_refused(exam: HarmExam) -> None:
    with pytest.raises(BenchError, match="not to the queries asked"):
        exam.evaluate(Rankings.from_hits(exam.queries[:2], [([0], [1.0])] * 2))


def test_nothing_that_compiles_stands_between_a_ranking_and_its_figures() -> None:
    """ranx compiles for half a minute on its first use, which would spoil the first cell's costs."""
    modules = "bench.measures.significance, bench.measures.audit, bench.tasks.next_item, bench.tasks.relevance"
    script = f"import sys, {modules}; sys.exit(bool({{'ranx', 'numba', 'torch'}} & sys.modules.keys()))"
    subprocess.run([sys.executable, "-c", script], check=True)
