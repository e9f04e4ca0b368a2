"""Measures against independent tools, ties included, and the counts that stand beside them."""

import math

import ir_measures
import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.collections.collection import Qrels
from bench.measures.effectiveness import Judgements, evaluate, judged_share, tie_bounds, tied_at
from bench.measures.measures import Measure
from bench.rankings import Rankings

NAMES = ["nDCG@10", "MRR@10", "Hits@1", "Hits@10", "Recall@100", "MAP", "P@5", "nDCG"]


def _measures(*names: str) -> list[Measure]:
    return [Measure.parse(name) for name in names]


def _qrels(judged: list[dict[int, int]]) -> Qrels:
    return Qrels(
        query_ids=[str(i) for i in range(len(judged))],
        offsets=np.cumsum([0, *map(len, judged)]),
        rows=np.array([row for one in judged for row in one], dtype=np.int64),
        grades=np.array([grade for one in judged for grade in one.values()], dtype=np.int64),
    )


def _rankings(lists: list[list[int]], scores: list[list[float]] | None = None) -> Rankings:
    scores = scores or [[float(-i) for i in range(len(one))] for one in lists]
    return Rankings(
        query_ids=[str(i) for i in range(len(lists))],
        offsets=np.cumsum([0, *map(len, lists)]),
        rows=np.array([row for one in lists for row in one], dtype=np.int64),
        scores=np.array([score for one in scores for score in one], dtype=np.float64),
    )


judged_lists = st.lists(
    st.tuples(
        st.dictionaries(st.integers(0, 30), st.integers(-2, 3), min_size=1, max_size=12),
        st.permutations(range(31)).flatmap(lambda rows: st.integers(0, 31).map(lambda n: rows[:n])),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=40, deadline=None)
@given(judged_lists)
def test_measures_equal_those_of_pytrec_eval(cases: list[tuple[dict[int, int], list[int]]]) -> None:
    qrels, rankings = _qrels([judged for judged, _ in cases]), _rankings([found for _, found in cases])
    ours = evaluate(rankings, Judgements(qrels), _measures(*NAMES))
    theirs = _pytrec_eval(cases)
    for name, key in zip(NAMES, _PYTREC_KEYS, strict=True):
        expected = [theirs[str(i)][key] if found else 0.0 for i, (_, found) in enumerate(cases)]
        assert ours[Measure.parse(name)] == pytest.approx(expected, abs=1e-6), name


_PYTREC_KEYS = ["ndcg_cut_10", "recip_rank_10", "success_1", "success_10", "recall_100", "map", "P_5", "ndcg"]


def _pytrec_eval(cases: list[tuple[dict[int, int], list[int]]]) -> dict[str, dict[str, float]]:
    """Figures by query; pytrec_eval crashes on negative grades, so it is given 0 in their place."""
    qrels = {
        str(i): {str(row): max(grade, 0) for row, grade in judged.items()} for i, (judged, _) in enumerate(cases)
    }
    run = {
        str(i): {str(row): float(-place) for place, row in enumerate(found)}
        for i, (_, found) in enumerate(cases)
        if found
    }
    names = {"ndcg_cut.10", "recip_rank", "success.1,10", "recall.100", "map", "P.5", "ndcg"}
    found = pytrec_eval.RelevanceEvaluator(qrels, names).evaluate(run)
    for values in found.values():
        values["recip_rank_10"] = values["recip_rank"] if values["recip_rank"] >= 0.1 - 1e-9 else 0.0
    return found


def test_a_minimum_relevance_applies_to_binary_measures_and_not_to_gains() -> None:
    qrels, rankings = _qrels([{0: 1, 1: 2, 2: 3}]), _rankings([[0, 5, 1]])
    found = evaluate(rankings, Judgements(qrels, minimum_relevance=2), _measures("MRR@10", "Recall@10", "nDCG@10"))
    discounted = 1 / math.log2(2) + 2 / math.log2(4)
    ideal = 3 / math.log2(2) + 2 / math.log2(3) + 1 / math.log2(4)
    assert [float(values[0]) for values in found.values()] == pytest.approx([1 / 3, 1 / 2, discounted / ideal])


def test_gains_linear_exponential_and_binary_differ_as_defined() -> None:
    qrels, rankings = _qrels([{0: 3, 1: 1, 2: 0}]), _rankings([[1, 0]])

    def ndcg(gains: str) -> float:
        return float(evaluate(rankings, Judgements(qrels, 1, gains), _measures("nDCG@10"))[Measure("nDCG", 10)][0])  # type: ignore[arg-type]

    second = 1 / math.log2(3)
    assert ndcg("linear") == pytest.approx((1 + 3 * second) / (3 + second))
    assert ndcg("exponential") == pytest.approx((1 + 7 * second) / (7 + second))
    assert ndcg("binary") == pytest.approx(1.0)


def test_an_unanswered_query_counts_zero() -> None:
    found = evaluate(_rankings([[], [0]]), Judgements(_qrels([{0: 1}, {0: 1}])), _measures(*NAMES))
    assert all(values[0] == 0 for values in found.values())
    assert found[Measure("MRR", 10)].mean() == 0.5


def test_the_same_ties_give_the_same_figures_whatever_the_measure() -> None:
    """Three documents with equal scores, the relevant one first by id: other tools answer 0.33, 0.5 and 1 at once."""
    rankings = _rankings([[0, 1, 2]], [[1.0, 1.0, 1.0]])
    found = evaluate(rankings, Judgements(_qrels([{0: 1}])), _measures("MRR@10", "MRR@1", "Hits@1", "nDCG@10", "MAP"))
    assert {float(values[0]) for values in found.values()} == {1.0}


def test_tie_bounds_are_the_extremes_over_all_orders_of_tied_documents() -> None:
    rankings = _rankings([[4, 0, 1, 2]], [[2.0, 1.0, 1.0, 1.0]])
    worst, best = tie_bounds(rankings, Judgements(_qrels([{1: 1}])), Measure("MRR", 10))
    assert (float(worst[0]), float(best[0])) == (1 / 4, 1 / 2)


def test_a_tie_across_the_cut_is_seen() -> None:
    rankings = _rankings([[0, 1, 2], [0, 1, 2], [0]], [[3.0, 2.0, 2.0], [3.0, 2.0, 1.0], [1.0]])
    assert tied_at(rankings, 2).tolist() == [True, False, False]
    assert tied_at(rankings, 3).tolist() == [False, False, False]


def test_judged_at_k_equals_that_of_ir_measures() -> None:
    cases = [({0: 1, 1: 0, 7: -1}, [7, 8, 0, 9]), ({3: 1}, [4]), ({3: 1}, [])]
    share = judged_share(_rankings([found for _, found in cases]), _qrels([judged for judged, _ in cases]), 3)
    qrels = [ir_measures.Qrel(str(i), str(r), g) for i, (judged, _) in enumerate(cases) for r, g in judged.items()]
    run = [
        ir_measures.ScoredDoc(str(i), str(r), -p) for i, (_, found) in enumerate(cases) for p, r in enumerate(found)
    ]
    theirs = {m.query_id: m.value for m in ir_measures.iter_calc([ir_measures.Judged @ 3], qrels, run)}
    assert share[:2].tolist() == pytest.approx([theirs["0"], theirs["1"]])
    assert math.isnan(share[2])
