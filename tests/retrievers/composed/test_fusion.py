"""Fused scores are those of ranx, where its formula is right, and those of the definitions."""

import statistics
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from retrievers.composed.fusion import Hits, Method, distribution_based, fuse, min_max
from retrievers.composed.hybrid import Hybrid

FIRST = {"a": 12.0, "b": 9.5, "c": 3.25, "d": 0.5}
SECOND = {"c": 0.9, "e": 0.7, "a": 0.1}


def hits(scores: dict[str, float]) -> Hits:
    names = sorted(scores, key=lambda name: -scores[name])
    return np.array([ord(name) for name in names], dtype=np.int64), np.array([scores[name] for name in names])


def fused(method: Method, *lists: dict[str, float], factors: tuple[float, ...] = (1, 1)) -> dict[str, float]:
    rows, scores = fuse([hits(one) for one in lists], factors, method)
    return {chr(row): score for row, score in zip(rows, scores.tolist(), strict=True)}


@pytest.mark.parametrize(
    ("method", "name", "norm"), [("rrf", "rrf", None), ("sum", "sum", None), ("min-max", "sum", "min-max")]
)
def test_fusion_is_that_of_ranx(method: Method, name: str, norm: str | None) -> None:
    import ranx

    runs = [ranx.Run({"q": one}) for one in (FIRST, SECOND)]
    expected = ranx.fuse(runs=runs, norm=norm, method=name).to_dict()["q"]
    assert fused(method, FIRST, SECOND) == pytest.approx(expected)


def test_a_weighted_sum_of_normalised_scores_is_that_of_ranx() -> None:
    import ranx

    runs = [ranx.Run({"q": one}) for one in (FIRST, SECOND)]
    expected = ranx.fuse(runs=runs, norm="min-max", method="wsum", params={"weights": [0.3, 0.7]}).to_dict()["q"]
    assert fused("min-max", FIRST, SECOND, factors=(0.3, 0.7)) == pytest.approx(expected)


def test_reciprocal_ranks_are_those_of_the_paper() -> None:
    assert fused("rrf", FIRST, SECOND) == pytest.approx(
        {"a": 1 / 61 + 1 / 63, "b": 1 / 62, "c": 1 / 63 + 1 / 61, "d": 1 / 64, "e": 1 / 62}
    )


def test_a_distribution_is_mapped_from_three_deviations_below_to_three_above() -> None:
    """Of a sample, as Qdrant computes them: the squares are divided by one less than the number of scores."""
    scores = list(FIRST.values())
    mean, deviation = statistics.fmean(scores), statistics.stdev(scores)
    low, high = mean - 3 * deviation, mean + 3 * deviation
    expected = {name: (score - low) / (high - low) for name, score in FIRST.items()}
    assert fused("dbsf", FIRST, factors=(1,)) == pytest.approx(expected)


def test_a_list_of_equal_scores_still_tells_found_from_missing() -> None:
    """ranx gives the one document of a list 0, as if it had not been found."""
    assert min_max(np.array([2.0])).tolist() == [1.0]
    assert distribution_based(np.array([2.0])).tolist() == [0.5]


@pytest.mark.parametrize(("score", "number"), [(2.0, 2), (0.1, 3), (0.1, 10), (12.7, 6)])
def test_equal_scores_have_equal_places_though_their_deviation_rounds_to_more_than_0(
    score: float, number: int
) -> None:
    assert distribution_based(np.full(number, score)).tolist() == [0.5] * number
    assert min_max(np.full(number, score)).tolist() == [1.0] * number


@given(st.lists(st.integers(-1000, 1000), min_size=1), st.integers(1, 100), st.integers(-1000, 1000))
def test_normalised_scores_depend_on_neither_scale_nor_origin(values: list[int], scale: int, shift: int) -> None:
    scores = np.sort(np.array(values) / 8)[::-1]
    for normalised in (min_max, distribution_based):
        assert normalised(scores * scale + shift) == pytest.approx(normalised(scores))


def test_scores_below_0_are_not_added_as_they_are_since_a_missing_document_has_0() -> None:
    """Log-probabilities, or cosines: what a list does not find would stand above what it finds."""
    likely = {"a": -1.0, "b": -9.0}
    with pytest.raises(BenchError, match="the score -9, and one that it does not find counts 0.*min-max or rrf"):
        fused("sum", likely, SECOND)
    assert fused("sum", {"a": 2.0, "b": 0.0}, {"c": 0.5}) == {"a": 2.0, "b": 0.0, "c": 0.5}
    for method in ("rrf", "min-max"):
        assert fused(method, likely, {})["a"] > fused(method, likely, {})["b"] >= 0  # type: ignore[arg-type]


def test_an_empty_list_adds_nothing() -> None:
    for method in ("rrf", "sum", "min-max", "dbsf"):
        assert fused(method, {}, SECOND) == fused(method, SECOND, factors=(1,))  # type: ignore[arg-type]


@pytest.fixture
def small(make_collection: Callable[..., Collection]) -> Collection:
    texts = {
        "cat": "a cat sat on a mat",
        "dog": "a dog ran",
        "both": "the cat saw the dog run far away",
        "none": "sun",
    }
    return make_collection(texts)


def test_lists_of_parts_are_fused_by_the_parts_own_order(small: Collection) -> None:
    queries = [Query("1", "cat dog"), Query("2", "sun"), Query("3", "unknown")]
    hybrid = Hybrid(parts={"a": "bm25?b=0", "b": "bm25?b=1"}, factors={"a": 2}).fit(small)
    lists = [part.rankings(queries, 100) for part in hybrid.parts.values()]
    expected: list[dict[int, float]] = [{}, {}, {}]
    for position in range(3):
        for one, factor in zip(lists, (2, 1), strict=True):
            for rank, row in enumerate(one.of(position)[0].tolist(), start=1):
                expected[position][row] = expected[position].get(row, 0) + factor / (60 + rank)
    found = hybrid.rankings(queries, 10)
    for position in range(3):
        rows, scores = found.of(position)
        assert dict(zip(rows.tolist(), scores.tolist(), strict=True)) == pytest.approx(expected[position])


def test_a_factor_of_no_part_is_refused() -> None:
    with pytest.raises(Exception, match="factors name 'c', which is no part"):
        Hybrid(parts=["bm25", "sbert"], factors={"c": 1})


def test_documents_with_the_same_ranks_in_different_lists_tie() -> None:
    """1/61 + 1/62 + 1/67 is not 1/67 + 1/61 + 1/62 in floating point."""
    ranks = {"x": (1, 2, 7), "y": (7, 1, 2), "z": (2, 7, 1)}
    lists = []
    for number in range(3):
        names = {ranks[name][number]: name for name in ranks}
        order = [names.get(rank, f"{number}{rank}"[-1]) for rank in range(1, 8)]
        lists.append({name: -float(place) for place, name in enumerate(order)})
    found = fused("rrf", *lists, factors=(1, 1, 1))
    assert found["x"] == found["y"] == found["z"]
