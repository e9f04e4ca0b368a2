"""Measures are named as the field names them."""

import pytest

from bench.errors import BenchError
from bench.measures.measures import Measure


@pytest.mark.parametrize("name", ["nDCG@10", "MRR@1", "Hits@10", "Recall@1000", "P@5", "MAP", "nDCG"])
def test_a_name_survives_reading_and_writing(name: str) -> None:
    assert str(Measure.parse(name)) == name


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("NDCG@10", "did you mean nDCG"),
        ("MRR@0", "at least 1"),
        ("MRR@ten", "whole number"),
        ("MRR@", "whole number"),
    ],
)
def test_what_is_not_a_measure_is_refused(name: str, complaint: str) -> None:
    with pytest.raises(BenchError, match=complaint):
        Measure.parse(name)


def test_only_ndcg_looks_at_grades() -> None:
    assert [Measure.parse(name).binary for name in ("nDCG@10", "MAP", "MRR@10")] == [False, True, True]
