"""Impossible figures are caught."""

import numpy as np
import pytest

from bench.errors import BenchError
from bench.measures.audit import audit, audited
from bench.measures.names import Effectiveness

SOUND = {
    "Hits@1": 0.0,
    "MRR@1": 0.0,
    "MRR@10": 0.25,
    "Hits@10": 1.0,
    "nDCG@10": 0.43,
    "Recall@10": 0.5,
    "Recall@100": 1.0,
    "P@1": 0.0,
    "P@10": 0.1,
    "MAP@10": 0.2,
    "Judged@10": 0.4,
}


def _audit(**changed: float) -> None:
    figures = SOUND | {name.replace("_at_", "@"): value for name, value in changed.items()}
    values = {Effectiveness.parse(name): np.array([0.0, value]) for name, value in figures.items()}
    audit(values, ["first", "second"])


def test_possible_figures_pass() -> None:
    _audit()
    assert SOUND["MRR@10"] <= SOUND["Hits@10"]


@pytest.mark.parametrize(
    ("changed", "relation"),
    [
        ({"MRR_at_1": 1.0, "MRR_at_10": 1.0}, "MRR@1 <= Hits@1"),
        ({"Hits_at_1": 1.0}, "Hits@1 <= MRR@1"),
        ({"MRR_at_10": 1.0, "Hits_at_10": 0.5}, "MRR@10 <= Hits@10"),
        ({"Recall_at_10": 1.0, "Recall_at_100": 0.5}, "Recall@10 <= Recall@100"),
        ({"nDCG_at_10": 1.2}, "nDCG@10 <= 1"),
        ({"nDCG_at_10": -0.1}, "nDCG@10 >= 0"),
        ({"MRR_at_1": 0.5, "Hits_at_1": 0.5}, "MRR@1 <= MRR@10"),
        ({"nDCG_at_10": float("nan")}, "nDCG@10"),
        ({"P_at_1": 1.0}, "P@1 <= Hits@1"),
        ({"P_at_10": 1.0, "Hits_at_10": 0.9, "MRR_at_10": 0.0}, "P@10 <= Hits@10"),
        ({"MAP_at_10": 0.6}, "MAP@10 <= Recall@10"),
        ({"Judged_at_10": 1.1}, "Judged@10 <= 1"),
    ],
)
def test_a_violation_names_the_relation_the_query_and_the_numbers(changed: dict[str, float], relation: str) -> None:
    with pytest.raises(BenchError, match=f"audit: {relation}.*second"):
        _audit(**changed)


def test_only_the_share_of_judged_documents_may_have_no_value() -> None:
    _audit(Judged_at_10=float("nan"))
    with pytest.raises(BenchError, match="report this as a fault of the harness or of a task plugin"):
        _audit(MAP_at_10=float("nan"))


def test_another_persistence_is_another_measure() -> None:
    values = {Effectiveness("RBP", 5, 0.5): np.array([0.9]), Effectiveness("RBP", 10, 0.9): np.array([0.2])}
    audit(values, ["q"])
    with pytest.raises(BenchError, match=r"audit: RBP@5 <= RBP@10"):
        audit({Effectiveness("RBP", 5): np.array([0.9]), Effectiveness("RBP", 10): np.array([0.2])}, ["q"])


def test_the_audit_brings_the_measures_it_needs() -> None:
    names = [str(measure) for measure in audited([Effectiveness.parse("nDCG@10")])]
    assert names == ["nDCG@10", "MRR@1", "MRR@10", "Hits@1", "Hits@10", "Recall@1", "Recall@10"]
