"""The relevance task: answers against random documents, with a judge that reads a number in each document."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from bench.collections.catalogue import open_dataset
from bench.collections.collection import Collection
from bench.errors import BenchError
from bench.measures.measure import Instrument
from bench.models import MINILM, SPLADE_TINY, find_weights
from bench.rankings import Rankings
from bench.retriever import construct
from bench.tasks import relevance as module
from bench.tasks.exam import Evaluation
from bench.tasks.judges.base import Judge
from bench.tasks.relevance import Relevance, failures

MakeCollection = Callable[..., Collection]

SIZE = 60
RANKED = [f"fail@{rank}" for rank in range(1, 11)]


class Reads(Judge):
    """A judge that finds a document as good as the number it begins with; the second one as bad."""

    model = MINILM
    family = "late interaction"

    def __init__(self, sign: int = 1) -> None:
        self.asked: list[tuple[str, str]] = []
        self.sign = sign
        self.name = self.label = "the reader of numbers" if sign > 0 else "the reader backwards"

    def _score(self, pairs: list[tuple[str, str]]) -> np.ndarray:
        self.asked += pairs
        return np.array([self.sign * float(document.split()[0]) for _, document in pairs])


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Reads:
    """The one called "reader"; every other name is of one that says the contrary."""
    judges = {"reader": Reads()}
    monkeypatch.setattr(module, "open_judge", lambda name, collection: judges.get(name) or Reads(-1))
    return judges["reader"]


def task(**options: Any) -> Relevance:
    return Relevance(**{"judge": "reader", "second_judge": "none", **options})


@pytest.fixture
def numbers(make_collection: MakeCollection) -> Collection:
    """Documents d0 to d59, and 40 queries for each of which d0 and another are judged."""
    return make_collection(
        {f"d{i}": f"{i} bottles" for i in range(SIZE)},
        {f"q{i}": f"question {i}" for i in range(40)},
        {f"q{i}": {f"d{i}": 1, "d0": 0 if i else 1} for i in range(40)},
    )


def evaluated(asked: Relevance, collection: Collection, lists: Sequence[Sequence[int]]) -> Evaluation:
    exam = asked.on(collection)
    return exam.evaluate(Rankings.from_hits(exam.queries, [(rows, -np.arange(float(len(rows)))) for rows in lists]))


def figures(result: Evaluation) -> list[float]:
    """By rank."""
    return [figure.value for figure in result.figures if figure.measure in RANKED]


def test_failures_by_hand() -> None:
    random = np.array([1.0, 2.0, 2.0, 5.0])
    verdicts = failures(np.array([9.0, 2.0, 0.0]), random)
    np.testing.assert_array_equal(verdicts[:3], [[0, 0, 0, 0], [0, 0.5, 0.5, 1], [1, 1, 1, 1]])
    assert np.isnan(verdicts[3:]).all()
    assert np.isnan(failures(np.array([]), random)).all()


def test_the_best_documents_never_fail_and_the_worst_always(numbers: Collection, judge: Reads) -> None:
    best, worst = list(range(SIZE - 1, SIZE - 11, -1)), list(range(10))
    assert figures(evaluated(task(), numbers, [best] * 40)) == [0.0] * 10
    assert figures(evaluated(task(), numbers, [worst] * 40)) == [1.0] * 10


def test_random_answers_fail_half_the_time(make_collection: MakeCollection, judge: Reads) -> None:
    collection = make_collection(
        {f"d{i:03}": f"{i} bottles" for i in range(400)},
        {f"q{i}": f"question {i}" for i in range(150)},
        {f"q{i}": {f"d{i:03}": 1} for i in range(150)},
    )
    generator = np.random.default_rng(0)
    result = evaluated(task(), collection, [generator.permutation(400)[:10] for _ in range(150)])
    by_rank = np.stack([result.values[name] for name in RANKED])
    # Ranks of a query share their random documents, so each rank, and the queries' means, are looked at apart.
    for values in (*by_rank, by_rank.mean(axis=0)):
        standard_error = values.std(ddof=1) / np.sqrt(len(values))
        assert 0 < standard_error < 0.04
        assert abs(values.mean() - 0.5) < 4 * standard_error
    assert "chance level 0.5" in task().on(collection).definition


def test_documents_that_are_equally_good_count_half(make_collection: MakeCollection, judge: Reads) -> None:
    collection = make_collection({f"d{i}": f"7 bottles {i}" for i in range(30)}, {"q": "how many"}, {"q": {"d0": 1}})
    assert figures(evaluated(task(), collection, [range(10)])) == [0.5] * 10


def test_missing_ranks_fail_and_are_counted_apart(numbers: Collection, judge: Reads) -> None:
    best = list(range(SIZE - 1, SIZE - 11, -1))
    result = evaluated(task(), numbers, [best] * 20 + [best[:3]] * 10 + [[]] * 10)
    assert figures(result) == [10 / 40] * 3 + [20 / 40] * 7
    missing = {count.name: count for count in result.counts}
    assert [missing[f"missing@{rank}"].value for rank in (1, 3, 4, 10)] == [10, 10, 20, 20]
    assert [count.header for count in result.counts if count.header] == ["missing @1", "missing @10"]
    assert [figure.n for figure in result.figures] == [40] * 11


def test_random_documents_are_neither_judged_nor_returned(numbers: Collection, judge: Reads) -> None:
    returned = list(range(30, 50))
    evaluated(task(depth=20, draws=9), numbers, [returned] * 40)
    for query in numbers.queries():
        read = [int(document.split()[0]) for text, document in judge.asked if text == query.text]
        answers, random = read[:10], read[10:]
        assert answers == returned[:10]
        assert len(set(random)) == 9
        assert not {*random} & {*returned, int(query.id[1:]), 0}


def test_the_query_itself_is_not_drawn_where_it_is_no_answer(make_collection: MakeCollection, judge: Reads) -> None:
    documents = {f"d{i}": f"{i} bottles" for i in range(17)}
    collection = make_collection(documents, {"d16": "how many"}, {"d16": {"d0": 1}}, exclude_self=True)
    evaluated(task(), collection, [range(1, 11)])
    assert {int(document.split()[0]) for _, document in judge.asked[10:]} == {11, 12, 13, 14, 15}


def test_all_systems_meet_the_same_random_documents(numbers: Collection, judge: Reads) -> None:
    drawn = []
    for answers in ([1, 2, 3], [3, 2, 1], [4]):
        judge.asked.clear()
        evaluated(task(), numbers, [answers] * 40)
        drawn.append([document for _, document in judge.asked if int(document.split()[0]) not in (1, 2, 3, 4)])
    assert drawn[0] == drawn[1]
    same = [a == b for a, b in zip(drawn[0], drawn[2], strict=False)]
    assert same[:5] == [True] * 5


def test_the_sample_is_the_tasks_own(numbers: Collection, judge: Reads) -> None:
    asked = task(sample=9).on(numbers).queries
    assert len(asked) == 9
    assert list(asked) == list(task(sample=9).on(numbers).queries)
    assert list(asked) != list(task(sample=9, seed=1).on(numbers).queries)
    assert "mean over 9 judged queries drawn from 40" in task(sample=9).on(numbers).definition
    assert list(task().on(numbers).queries) == list(numbers.queries())


def test_a_collection_too_small_to_draw_from_is_refused(numbers: Collection) -> None:
    with pytest.raises(BenchError, match="60 documents, but the task relevance needs 102"):
        task(draws=90).on(numbers)


def test_the_default_judge_shares_no_weights_with_the_usual_encoder() -> None:
    assert Relevance().weights() == [SPLADE_TINY, MINILM]
    assert Relevance(second_judge="own-queries").weights() == [SPLADE_TINY]
    assert Relevance(judge="a/b", second_judge="none").weights() == ["a/b"]
    assert find_weights(SPLADE_TINY).digest != find_weights(MINILM).digest


def test_the_judge_and_its_weights_stand_beside_the_figures(numbers: Collection, judge: Reads) -> None:
    exam = task(second_judge="backwards").on(numbers)
    weights = find_weights(MINILM).digest
    assert exam.instrument == Instrument("judge", "the reader of numbers", weights, "late interaction")
    assert exam.second_instrument == Instrument("judge", "the reader backwards", weights, "late interaction")


def test_systems_are_ranked_by_the_mean_over_ranks_2_to_10(numbers: Collection, judge: Reads) -> None:
    exam = task().on(numbers)
    assert not any(measure.higher_is_better for measure in exam.measures)
    assert exam.primary.name == "fail@2-10"
    assert [measure.name for measure in exam.measures] == list(exam.columns) == ["fail@2-10", *RANKED]
    result = evaluated(task(), numbers, [[0, *range(SIZE - 1, SIZE - 10, -1)]] * 40)
    assert result.figures[0].value == 0
    assert figures(result)[0] == 1


def test_a_second_judge_has_figures_of_its_own_and_the_agreement_is_told(numbers: Collection, judge: Reads) -> None:
    exam = task(second_judge="backwards").on(numbers)
    assert exam.columns[-1] == "fail@2-10 the reader backwards"
    best = list(range(SIZE - 1, SIZE - 11, -1))
    result = evaluated(task(second_judge="backwards"), numbers, [best] * 40)
    by_name = {figure.measure: figure.value for figure in result.figures}
    assert (by_name["fail@2-10"], by_name["fail@2-10 the reader backwards"]) == (0, 1)
    generator = np.random.default_rng(0)
    mixed = evaluated(task(second_judge="backwards"), numbers, [generator.permutation(60)[:10] for _ in range(40)])
    (agreement,) = [count for count in mixed.counts if count.name == "agreement"]
    assert agreement.value == pytest.approx(-1, abs=0.01)
    assert agreement.header


def test_a_judge_is_barred_from_its_own_row_and_never_gives_it_a_0(numbers: Collection, judge: Reads) -> None:
    exam = task().on(numbers)
    own, other = [find_weights(MINILM).digest], [find_weights(SPLADE_TINY).digest]
    assert exam.barred("late interaction", own) == list(exam.columns)
    assert exam.barred("late interaction", other) == exam.barred("dense", own) == []
    result = evaluated(task(), numbers, [list(range(10))] * 40).without(exam.barred("late interaction", own))
    assert list(result.figures) == []
    assert [count.value for count in result.counts if count.name == "barred"] == [11]


def test_a_rate_of_0_is_no_certainty(numbers: Collection, judge: Reads) -> None:
    best = list(range(SIZE - 1, SIZE - 11, -1))
    figure = evaluated(task(), numbers, [best] * 40).figures[1]
    assert (figure.low, figure.value) == (0, 0)
    assert 0.05 < figure.high < 0.12


@pytest.mark.slow
def test_a_judge_that_shares_nothing_finds_many_more_failures_than_bm25s_rank_1_shows() -> None:
    """BM25's answers on pydoc-1k under BM25 against the hidden summaries, 50 random documents each."""
    collection = open_dataset("pydoc-1k").collection
    exam = Relevance(judge="own-queries", second_judge="none", draws=50).on(collection)
    system = construct("bm25", {}).fit(collection)
    found = {one.measure: one.value for one in exam.evaluate(system.retrieve(exam.queries, exam.reach)).figures}
    expected = {"fail@1": 0.06, "fail@2": 0.14, "fail@5": 0.26, "fail@10": 0.28}
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=0.015)
