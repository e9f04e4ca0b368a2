"""What measures make of grades, missing answers and ties."""

import math

import numpy as np
import pytest
from made_answers import judgements, measures, rankings

from bench.collections.collection import Gains
from bench.errors import BenchError
from bench.measures.effectiveness import evaluate, tie_bounds, tied_within
from bench.measures.names import Effectiveness

NAMES = ["nDCG@10", "MRR@10", "Hits@1", "Recall@100", "MAP", "P@5", "R-precision", "RBP", "ERR", "bpref", "infAP"]


def test_a_minimum_relevance_applies_to_binary_measures_and_not_to_gains() -> None:
    strict = judgements([{0: 1, 1: 2, 2: 3}], minimum_relevance=2)
    found = evaluate(rankings([[0, 5, 1]]), strict, measures("MRR@10", "Recall@10", "nDCG@10"))
    discounted = 1 / math.log2(2) + 2 / math.log2(4)
    ideal = 3 / math.log2(2) + 2 / math.log2(3) + 1 / math.log2(4)
    assert [float(values[0]) for values in found.values()] == pytest.approx([1 / 3, 1 / 2, discounted / ideal])


def ndcg(judged: dict[int, int], answer: list[int], gains: Gains) -> float:
    (values,) = evaluate(rankings([answer]), judgements([judged], gains=gains), measures("nDCG@10")).values()
    return float(values[0])


def test_gains_linear_exponential_and_binary_differ_as_defined() -> None:
    judged, second = {0: 3, 1: 1, 2: 0}, 1 / math.log2(3)
    assert ndcg(judged, [1, 0], "linear") == pytest.approx((1 + 3 * second) / (3 + second))
    assert ndcg(judged, [1, 0], "exponential") == pytest.approx((1 + 7 * second) / (7 + second))
    assert ndcg(judged, [1, 0], "binary") == pytest.approx(1.0)


def test_grades_too_high_for_exponential_gains_are_named_with_the_remedy() -> None:
    with pytest.raises(
        BenchError, match=r"^nDCG: grade 2000 is too high for gains of 2\^grade - 1; take \?gains=lin"
    ):
        ndcg({0: 2000, 1: 1}, [1, 0], "exponential")
    assert ndcg({0: 2000, 1: 1}, [1, 0], "linear") == pytest.approx(
        (1 + 2000 / math.log2(3)) / (2000 + 1 / math.log2(3))
    )
    assert ndcg(dict.fromkeys(range(20), 1000), list(range(20)), "exponential") == 1.0


def test_an_unanswered_query_counts_zero_and_has_no_share_of_judged_documents() -> None:
    found = evaluate(rankings([[], [0]]), judgements([{0: 1}, {0: 1}]), measures(*NAMES, "Judged@10"))
    *values, judged = found.values()
    assert all(of[0] == 0 for of in values)
    assert found[Effectiveness("MRR", 10)].mean() == 0.5
    assert math.isnan(judged[0])
    assert judged[1] == 1


def test_a_query_without_a_relevant_document_counts_zero() -> None:
    found = evaluate(rankings([[0, 1]] * 3), judgements([{0: 0}, {}, {1: -1}]), measures(*NAMES))
    assert all(values.tolist() == [0, 0, 0] for values in found.values())


def test_nothing_found_at_all_counts_zero() -> None:
    found = evaluate(rankings([[], []]), judgements([{0: 1}, {3: 1}]), measures(*NAMES))
    assert all(values.tolist() == [0, 0] for values in found.values())


def test_a_cut_off_looks_at_so_many_documents_and_no_more() -> None:
    judged = judgements([{0: 1, 1: 0, 2: 1, 3: 1}])
    cut = evaluate(
        rankings([[1, 0, 2, 3]]), judged, measures(*(f"{name}@2" for name in ("MAP", "bpref", "ERR", "P")))
    )
    short = evaluate(rankings([[1, 0]]), judged, measures("MAP", "bpref", "ERR", "P"))
    assert [values[0] for values in cut.values()] == [values[0] for values in short.values()]


def test_the_same_ties_give_the_same_figures_whatever_the_measure() -> None:
    """Three documents with equal scores, the relevant one first by id: other tools answer 0.33, 0.5 and 1 at once."""
    tied = rankings([[0, 1, 2]], [[1.0, 1.0, 1.0]])
    found = evaluate(tied, judgements([{0: 1}]), measures("MRR@10", "MRR@1", "Hits@1", "nDCG@10", "MAP"))
    assert {float(values[0]) for values in found.values()} == {1.0}


def test_tie_bounds_are_the_extremes_over_all_orders_of_tied_documents() -> None:
    tied = rankings([[4, 0, 1, 2], []], [[2.0, 1.0, 1.0, 1.0], []])
    worst, best = tie_bounds(tied, judgements([{1: 1, 2: -1}, {1: 1}]), Effectiveness("MRR", 10))
    assert (worst.tolist(), best.tolist()) == ([1 / 4, 0], [1 / 2, 0])


def test_a_tie_within_the_first_or_across_the_cut_is_seen() -> None:
    answers = rankings(
        [[0, 1, 2], [0, 1, 2], [0], [], [1, 2, 0]],
        [[3.0, 2.0, 2.0], [3.0, 2.0, 1.0], [2.0], [], [2.0, 2.0, 1.0]],
    )
    assert tied_within(answers, 1).tolist() == [False, False, False, False, True]
    assert tied_within(answers, 2).tolist() == [True, False, False, False, True]


def test_the_last_score_of_one_query_and_the_first_of_the_next_are_no_tie() -> None:
    assert not tied_within(rankings([[0], [1], [2]], [[1.0], [1.0], [1.0]]), 10).any()


def test_a_list_that_ties_throughout_its_first_ten_is_flagged_however_short() -> None:
    assert tied_within(rankings([list(range(10))], [[0.5] * 10]), 10).tolist() == [True]
    assert tied_within(rankings([list(range(30))], [np.full(30, 0.5).tolist()]), 10).tolist() == [True]
