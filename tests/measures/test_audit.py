"""Impossible figures are caught."""

import numpy as np
import pytest

from bench.errors import BenchError
from bench.measures.audit import audit, audited
from bench.measures.measures import Measure

SOUND = {
    "Hits@1": 0.0,
    "MRR@1": 0.0,
    "MRR@10": 0.25,
    "Hits@10": 1.0,
    "nDCG@10": 0.43,
    "Recall@10": 0.5,
    "Recall@100": 1.0,
}


def _audit(**changed: float) -> None:
    figures = SOUND | {name.replace("_at_", "@"): value for name, value in changed.items()}
    values = {Measure.parse(name): np.array([0.0, value]) for name, value in figures.items()}
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
    ],
)
def test_a_violation_names_the_relation_the_query_and_the_numbers(changed: dict[str, float], relation: str) -> None:
    with pytest.raises(BenchError, match=f"audit: {relation}.*second"):
        _audit(**changed)


def test_the_audit_brings_the_measures_it_needs() -> None:
    names = [str(measure) for measure in audited([Measure.parse("nDCG@10")])]
    assert names == ["nDCG@10", "MRR@1", "MRR@10", "Hits@1", "Hits@10", "Recall@1", "Recall@10"]
