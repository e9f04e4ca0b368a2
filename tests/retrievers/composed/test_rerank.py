"""The second system orders the first one's candidates, and nothing else."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from bench.collections.collection import Collection, Query
from bench.rankings import Rankings
from bench.retriever import Retriever, construct
from retrievers.composed.rerank import Rerank, below
from retrievers.lexical.bm25 import BM25


@pytest.fixture
def docs(learnable: Collection) -> Collection:
    return learnable


def same(first: Rankings, second: Rankings) -> None:
    assert first.rows.tolist() == second.rows.tolist()
    assert first.offsets.tolist() == second.offsets.tolist()


@pytest.mark.parametrize("second", ["sbert", "colbert", "sif"])
def test_over_all_documents_it_is_the_second_systems_own_ranking(docs: Collection, second: str) -> None:
    queries, k = docs.queries(), len(docs)
    every = Constant().fit(docs)
    reranked = Rerank(first=every, second=second, depth=k).fit(docs)
    alone = construct(second, {}).fit(docs).rankings(queries, k)
    found = reranked.rankings(queries, k)
    same(found, alone)
    assert found.scores == pytest.approx(alone.scores, abs=1e-5)


@pytest.mark.parametrize("second", ["bm25", "rm3", "splade"])
def test_what_the_second_system_does_not_match_stays_below(docs: Collection, second: str) -> None:
    queries, k = docs.queries(), len(docs)
    found = Rerank(first=Constant(), second=second, depth=k).fit(docs).rankings(queries, k)
    alone = construct(second, {}).fit(docs).rankings(queries, k)
    for position in range(len(queries)):
        matched = alone.of(position)[0].tolist()
        rows = found.of(position)[0].tolist()
        assert rows[: len(matched)] == matched
        assert len(rows) == len(docs)


@pytest.mark.parametrize("second", ["sbert", "colbert", "splade", "bm25", "sif"])
def test_scores_of_given_documents_are_those_of_the_whole_ranking(docs: Collection, second: str) -> None:
    queries = docs.queries()[:6]
    system = construct(second, {}).fit(docs)
    whole = system.rankings(queries, len(docs))
    rows = [np.random.default_rng(position).permutation(len(docs))[:17] for position in range(6)]
    for position, found in enumerate(system.score(queries, rows)):  # type: ignore[attr-defined]
        known = dict(zip(*(part.tolist() for part in whole.of(position)), strict=True))
        expected = [known.get(row, -np.inf) for row in rows[position].tolist()]
        assert found == pytest.approx(expected, abs=1e-5)
    assert [len(found) for found in system.score(queries, [rows[0][:0]] * 6)] == [0] * 6  # type: ignore[attr-defined]


def test_candidates_are_the_first_stages_and_the_rest_keeps_its_order(docs: Collection) -> None:
    queries = docs.queries()
    first = BM25().fit(docs).rankings(queries, 30)
    second = construct("sbert", {}).fit(docs)
    reranked = Rerank(first="bm25", second="sbert", depth=5).fit(docs)
    found = reranked.rankings(queries, 30)
    for position in range(len(queries)):
        before, after = first.of(position)[0], found.of(position)[0]
        (scores,) = second.score([queries[position]], [before[:5]])  # type: ignore[attr-defined]
        assert after[:5].tolist() == before[:5][np.argsort(-scores, kind="stable")].tolist()
        assert after[5:].tolist() == before[5:].tolist()
    assert reranked.candidates().lengths.tolist() == np.minimum(first.lengths, 5).tolist()


def test_more_is_scored_than_is_asked_for(docs: Collection) -> None:
    """The best of ten candidates may stand at any of their places."""
    reranked = Rerank(first="bm25", second="sbert", depth=10).fit(docs)
    few, many = (reranked.rankings(docs.queries(), k) for k in (1, 10))
    assert [few.of(position)[0][0] for position in range(len(few))] == [
        many.of(position)[0][0] for position in range(len(many))
    ]


def test_it_answers_alike_from_its_saved_index(docs: Collection, tmp_path: Path) -> None:
    queries = docs.queries()[:5]
    reranked = Rerank(first="bm25", second="colbert", depth=8).fit(docs)
    reranked.save(tmp_path)
    loaded = Rerank(first="bm25", second="colbert", depth=8)
    loaded.load(tmp_path)
    before, after = (one.retrieve(queries, 10) for one in (reranked, loaded))
    same(before, after)


@pytest.mark.parametrize("second", ["sbert", "colbert", "bm25"])
def test_no_queries_have_no_answers_and_no_candidates(docs: Collection, second: str) -> None:
    reranked = Rerank(first="bm25", second=second).fit(docs)
    reranked.retrieve(docs.queries()[:2], 5)
    assert len(reranked.retrieve([], 5)) == len(reranked.candidates()) == 0


def test_a_part_that_is_fitted_already_is_not_fitted_again(docs: Collection) -> None:
    first = BM25().fit(docs)
    index = first._index
    Rerank(first=first, second="bm25").fit(docs)
    assert first._index is index


def test_what_has_no_score_stays_below_in_its_order() -> None:
    scores = below(np.array([2.0, -np.inf, 5.0]), 5)
    assert np.argsort(-scores).tolist() == [2, 0, 1, 3, 4]
    assert np.isfinite(below(np.array([-1e30, -np.inf]), 3)).all()
    assert np.diff(below(np.array([]), 3)).tolist() == [-1, -1]


class Constant(Retriever):
    """Every document, in the order of the collection."""

    def fit(self, collection: Collection) -> None:
        self.size = len(collection)

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        return Rankings.from_scores(queries, np.ones((len(queries), self.size)), k)


def test_a_tie_of_equal_texts_stays_a_tie(make_collection: Callable[..., Collection]) -> None:
    twins = make_collection({"b": "the cat sat", "a": "the cat sat", "c": "dogs run far", "d": "the cat sat"})
    for second in ("sbert", "colbert"):
        found = Rerank(first=Constant(), second=second).fit(twins).rankings(["a cat"], 4)
        assert [twins.documents[row].id for row in found.rows.tolist()][:3] == ["a", "b", "d"]
