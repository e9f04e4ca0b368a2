"""The relevance task: answers against random documents, with a judge that reads a number in each document."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from bench.collections.collection import Collection
from bench.errors import BenchError
from bench.measures.measure import Instrument
from bench.models import MINILM, find_weights
from bench.rankings import Rankings
from bench.tasks import relevance as module
from bench.tasks.exam import Evaluation
from bench.tasks.relevance import Relevance, failures

MakeCollection = Callable[..., Collection]

SIZE = 60


class Reads:
    """A judge that finds a document as good as the number it begins with."""

    model = MINILM
    label = "the reader of numbers"

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def scores(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        self.asked += pairs
        return np.array([float(document.split()[0]) for _, document in pairs])


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Reads:
    reads = Reads()
    monkeypatch.setattr(module, "open_judge", lambda name, collection: reads)
    return reads


@pytest.fixture
def numbers(make_collection: MakeCollection) -> Collection:
    """Documents d0 to d59, and 40 queries for each of which d0 and another are judged."""
    return make_collection(
        {f"d{i}": f"{i} bottles" for i in range(SIZE)},
        {f"q{i}": f"question {i}" for i in range(40)},
        {f"q{i}": {f"d{i}": 1, "d0": 0 if i else 1} for i in range(40)},
    )


def evaluated(task: Relevance, collection: Collection, lists: Sequence[Sequence[int]]) -> Evaluation:
    exam = task.on(collection)
    return exam.evaluate(Rankings.from_hits(exam.queries, [(rows, -np.arange(float(len(rows)))) for rows in lists]))


def figures(result: Evaluation) -> list[float]:
    return [figure.value for figure in result.figures]


def test_failures_by_hand() -> None:
    random = np.array([1.0, 2.0, 2.0, 5.0])
    rates = failures(np.array([9.0, 2.0, 0.0]), random)
    np.testing.assert_allclose(rates[:3], [0, (1 + 0.5 + 0.5) / 4, 1])
    np.testing.assert_allclose(rates[3:], 1)
    np.testing.assert_allclose(failures(np.array([]), random), 1)


def test_the_best_documents_never_fail_and_the_worst_always(numbers: Collection, judge: Reads) -> None:
    best, worst = list(range(SIZE - 1, SIZE - 11, -1)), list(range(10))
    assert figures(evaluated(Relevance(), numbers, [best] * 40)) == [0.0] * 10
    assert figures(evaluated(Relevance(), numbers, [worst] * 40)) == [1.0] * 10


def test_random_answers_fail_half_the_time(make_collection: MakeCollection, judge: Reads) -> None:
    collection = make_collection(
        {f"d{i:03}": f"{i} bottles" for i in range(400)},
        {f"q{i}": f"question {i}" for i in range(150)},
        {f"q{i}": {f"d{i:03}": 1} for i in range(150)},
    )
    generator = np.random.default_rng(0)
    result = evaluated(Relevance(), collection, [generator.permutation(400)[:10] for _ in range(150)])
    by_rank = np.stack(list(result.values.values()))
    # Ranks of a query share their random documents, so each rank, and the queries' means, are looked at apart.
    for values in (*by_rank, by_rank.mean(axis=0)):
        standard_error = values.std(ddof=1) / np.sqrt(len(values))
        assert 0 < standard_error < 0.04
        assert abs(values.mean() - 0.5) < 4 * standard_error
    assert "chance level 0.5" in Relevance().on(collection).definition


def test_documents_that_are_equally_good_count_half(make_collection: MakeCollection, judge: Reads) -> None:
    collection = make_collection({f"d{i}": f"7 bottles {i}" for i in range(30)}, {"q": "how many"}, {"q": {"d0": 1}})
    assert figures(evaluated(Relevance(), collection, [range(10)])) == [0.5] * 10


def test_missing_ranks_fail_and_are_counted_apart(numbers: Collection, judge: Reads) -> None:
    best = list(range(SIZE - 1, SIZE - 11, -1))
    result = evaluated(Relevance(), numbers, [best] * 20 + [best[:3]] * 10 + [[]] * 10)
    assert figures(result) == [10 / 40] * 3 + [20 / 40] * 7
    missing = {count.name: count for count in result.counts}
    assert [missing[f"missing@{rank}"].value for rank in (1, 3, 4, 10)] == [10, 10, 20, 20]
    assert [count.header for count in result.counts if count.header] == ["missing @1", "missing @10"]
    assert [figure.n for figure in result.figures] == [40] * 10


def test_random_documents_are_neither_judged_nor_returned(numbers: Collection, judge: Reads) -> None:
    returned = list(range(30, 50))
    evaluated(Relevance(depth=20, draws=9), numbers, [returned] * 40)
    for query in numbers.queries():
        read = [int(document.split()[0]) for text, document in judge.asked if text == query.text]
        answers, random = read[:10], read[10:]
        assert answers == returned[:10]
        assert len(set(random)) == 9
        assert not {*random} & {*returned, int(query.id[1:]), 0}


def test_the_query_itself_is_not_drawn_where_it_is_no_answer(make_collection: MakeCollection, judge: Reads) -> None:
    documents = {f"d{i}": f"{i} bottles" for i in range(17)}
    collection = make_collection(documents, {"d16": "how many"}, {"d16": {"d0": 1}}, exclude_self=True)
    evaluated(Relevance(), collection, [range(1, 11)])
    assert {int(document.split()[0]) for _, document in judge.asked[10:]} == {11, 12, 13, 14, 15}


def test_all_systems_meet_the_same_random_documents(numbers: Collection, judge: Reads) -> None:
    drawn = []
    for answers in ([1, 2, 3], [3, 2, 1], [4]):
        judge.asked.clear()
        evaluated(Relevance(), numbers, [answers] * 40)
        drawn.append([document for _, document in judge.asked if int(document.split()[0]) not in (1, 2, 3, 4)])
    assert drawn[0] == drawn[1]
    same = [a == b for a, b in zip(drawn[0], drawn[2], strict=False)]
    assert same[:5] == [True] * 5


def test_the_sample_is_the_tasks_own(numbers: Collection, judge: Reads) -> None:
    asked = Relevance(sample=9).on(numbers).queries
    assert len(asked) == 9
    assert list(asked) == list(Relevance(sample=9).on(numbers).queries)
    assert list(asked) != list(Relevance(sample=9, seed=1).on(numbers).queries)
    assert "mean over 9 judged queries drawn from 40" in Relevance(sample=9).on(numbers).definition
    assert list(Relevance().on(numbers).queries) == list(numbers.queries())


def test_a_collection_too_small_to_draw_from_is_refused(numbers: Collection) -> None:
    with pytest.raises(BenchError, match="60 documents, but the task relevance needs 102"):
        Relevance(draws=90).on(numbers)


def test_the_judge_and_its_weights_stand_beside_the_figures(numbers: Collection, judge: Reads) -> None:
    exam = Relevance().on(numbers)
    assert exam.instrument == Instrument("judge", "the reader of numbers", find_weights(MINILM).digest)
    assert Relevance().weights() == [MINILM]
    assert Relevance(judge_model="a/b").weights() == ["a/b"]


def test_to_fail_less_often_is_better(numbers: Collection, judge: Reads) -> None:
    exam = Relevance().on(numbers)
    assert not any(measure.higher_is_better for measure in exam.measures)
    assert [measure.name for measure in exam.measures] == list(exam.columns) == [f"fail@{k}" for k in range(1, 11)]


def test_a_rate_of_0_is_no_certainty(numbers: Collection, judge: Reads) -> None:
    best = list(range(SIZE - 1, SIZE - 11, -1))
    figure = evaluated(Relevance(), numbers, [best] * 40).figures[0]
    assert (figure.low, figure.value) == (0, 0)
    assert 0.05 < figure.high < 0.12
