"""Measures are named as the field names them, and each has one name of ours."""

import ir_measures
import pytest

from bench.errors import BenchError
from bench.measures.names import Effectiveness

OURS = [
    "nDCG@10",
    "MRR@1",
    "Hits@10",
    "Recall@1000",
    "P@5",
    "MAP",
    "nDCG",
    "R-precision",
    "MAP@100",
    "RBP@20",
    "bpref",
]


@pytest.mark.parametrize("name", [*OURS, "RBP(p=0.95)@10", "ERR@20", "infAP", "Judged@10", "RBP"])
def test_a_name_survives_reading_and_writing(name: str) -> None:
    assert str(Effectiveness.parse(name)) == name
    assert Effectiveness.parse(name).measure.name == name


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("ndcg_cut_10", "nDCG@10"), ("ndcg_cut.10", "nDCG@10"), ("ndcg", "nDCG"), ("recip_rank", "MRR"),
        ("map", "MAP"), ("map_cut_100", "MAP@100"), ("P_5", "P@5"), ("P.5", "P@5"), ("recall_100", "Recall@100"),
        ("Rprec", "R-precision"), ("R-prec", "R-precision"), ("success_1", "Hits@1"), ("set_recall", "Recall"),
        ("bpref", "bpref"), ("infAP", "infAP"), ("recip_rank_cut_10", None),
    ],
)  # fmt: skip
def test_names_of_trec_eval_are_known(theirs: str, ours: str | None) -> None:
    if ours is None:
        with pytest.raises(BenchError, match="unknown measure"):
            Effectiveness.parse(theirs)
    else:
        assert str(Effectiveness.parse(theirs)) == ours


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (ir_measures.AP, "MAP"), (ir_measures.AP @ 100, "MAP@100"), (ir_measures.RR @ 10, "MRR@10"),
        (ir_measures.MRR, "MRR"), (ir_measures.Success @ 1, "Hits@1"), (ir_measures.R @ 100, "Recall@100"),
        (ir_measures.nDCG @ 10, "nDCG@10"), (ir_measures.P @ 5, "P@5"), (ir_measures.Rprec, "R-precision"),
        (ir_measures.Bpref, "bpref"), (ir_measures.infAP, "infAP"), (ir_measures.ERR @ 20, "ERR@20"),
        (ir_measures.RBP, "RBP"), (ir_measures.RBP(p=0.9) @ 20, "RBP(p=0.9)@20"), (ir_measures.RBP(rel=2), None),
        (ir_measures.RBP(p=0.8, rel=1), "RBP"), (ir_measures.Judged @ 10, "Judged@10"),
    ],
)  # fmt: skip
def test_names_of_ir_measures_are_known(theirs: ir_measures.Measure, ours: str | None) -> None:
    if ours is None:
        with pytest.raises(BenchError, match="only RBP takes an option, p between 0 and 1"):
            Effectiveness.parse(str(theirs))
    else:
        assert str(Effectiveness.parse(str(theirs))) == ours


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("nDGC@10", "did you mean nDCG"),
        ("", "unknown measure"),
        ("MRR@0", "at least 1"),
        ("MRR@ten", "whole number"),
        ("MRR@", "whole number"),
        ("P@5@3", "whole number"),
        ("P@٣", "whole number"),
        ("P_0", "at least 1"),
        ("RBP(p=1)", "p between 0 and 1"),
        ("RBP(p=0)", "p between 0 and 1"),
        ("P(rel=2)@5", "minimum_relevance="),
        ("nDCG(gains={0:1})@5", "gains="),
    ],
)
def test_what_is_not_a_measure_is_refused(name: str, complaint: str) -> None:
    with pytest.raises(BenchError, match=complaint):
        Effectiveness.parse(name)


def test_only_ndcg_and_err_look_at_grades() -> None:
    graded = [name for name in (*OURS, "ERR@20", "infAP") if Effectiveness.parse(name).graded]
    assert graded == ["nDCG@10", "nDCG", "ERR@20"]


def test_a_measure_tells_what_it_is_of_and_whether_it_is_a_result() -> None:
    measure = Effectiveness.parse("MRR@10").measure
    assert (measure.higher_is_better, measure.diagnostic) == (True, False)
    assert measure.meaning == "reciprocal rank of the first relevant document, first 10"
    assert Effectiveness.parse("Judged@10").measure.column == "[Judged@10]"
