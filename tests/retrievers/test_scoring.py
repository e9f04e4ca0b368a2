"""The one loop over queries: an answer depends neither on the batch nor on what else is asked."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.rankings import Rankings
from retrievers.dense.sbert import SBERT
from retrievers.dense.sif import SIF
from retrievers.late_interaction.colbert import ColBERT
from retrievers.lexical.bm25 import BM25
from retrievers.recommenders.item_knn import ItemKNN
from retrievers.recommenders.markov import Markov
from retrievers.recommenders.popularity import Popularity
from retrievers.scoring import Scoring

TEXTUAL: dict[str, Callable[[], Scoring]] = {
    "bm25": BM25,
    "rank-bm25": lambda: BM25(engine="rank-bm25", variant="okapi"),
    "sif": SIF,
    "sbert": lambda: SBERT(device="cpu"),
    "sbert hnsw": lambda: SBERT(device="cpu", index={"kind": "hnsw"}),
    "colbert": lambda: ColBERT(device="cpu"),
    "colbert candidates": lambda: ColBERT(device="cpu", index={"kind": "candidates", "lists": 4, "probes": 4}),
}
COUNTING: dict[str, Callable[[], Scoring]] = {"popularity": Popularity, "markov": Markov, "item-knn": ItemKNN}
K = 5


class SharedLetters(Scoring):
    """How many letters a query shares with a document; a document that shares none is no answer."""

    def fit(self, collection: Collection) -> "SharedLetters":
        self.texts = [set(text) for text in collection.texts()]
        self.batches: list[int] = []
        return self

    @property
    def documents(self) -> int:
        return len(self.texts)

    def scores(self, read: Sequence[Query]) -> np.ndarray:
        self.batches.append(len(read))
        shared = [[len(text & set(query.text)) for text in self.texts] for query in read]
        return np.where(np.array(shared) > 0, np.array(shared, dtype=float), -np.inf)


@pytest.fixture
def letters(make_collection: Callable[..., Collection]) -> SharedLetters:
    return SharedLetters().fit(make_collection({"first": "abc", "second": "bcd", "third": "xyz"}))


def asked(*texts: str) -> list[Query]:
    return [Query(f"q{number}", text) for number, text in enumerate(texts)]


def test_a_batch_holds_as_many_scores_as_cells(letters: SharedLetters, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SharedLetters, "cells", 7)
    told: list[tuple[str, int, int]] = []
    letters.report_to(lambda *step: told.append(step))
    answers = letters.retrieve(asked("a", "b", "c", "z", "q"), K)
    assert letters.batches == [2, 2, 1]
    assert told == [("retrieving", 2, 5), ("retrieving", 4, 5), ("retrieving", 5, 5)]
    assert answers.query_ids == ["q0", "q1", "q2", "q3", "q4"]
    assert answers.lengths.tolist() == [1, 2, 2, 1, 0]


def test_a_batch_holds_one_query_at_least(letters: SharedLetters, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SharedLetters, "cells", 1)
    letters.retrieve(asked("a", "b"), K)
    assert letters.batches == [1, 1]


def test_no_question_has_no_answer(letters: SharedLetters) -> None:
    assert len(letters.retrieve([], K)) == 0
    assert letters.batches == []


def hits(system: Scoring, queries: Sequence[Query], collection: Collection) -> dict[str, list[tuple[str, float]]]:
    """By query: ids and scores, best first."""
    found = system.retrieve(queries, K).canonical(queries, collection.documents, K)
    return {
        query_id: list(zip(collection.documents.ids(rows), scores.tolist(), strict=True))
        for query_id, rows, scores in found
    }


def check_that_company_changes_nothing(
    system: Scoring, queries: Sequence[Query], collection: Collection, monkeypatch: pytest.MonkeyPatch, slack: float
) -> None:
    """Neither other queries, nor their order, nor the size of a batch changes an answer, up to rounding."""
    whole = hits(system, queries, collection)
    alone = {query_id: found for query in queries for query_id, found in hits(system, [query], collection).items()}
    backwards = hits(system, queries[::-1], collection)
    monkeypatch.setattr(type(system), "cells", 3 * system.documents)
    in_threes = hits(system, queries, collection)
    for other in (alone, backwards, in_threes):
        for query_id, found in whole.items():
            assert [score for _, score in other[query_id]] == pytest.approx([score for _, score in found], abs=slack)
            assert {row for row, _ in other[query_id]} == {row for row, _ in found}


@pytest.mark.parametrize(("system", "slack"), [(name, 0 if "bm25" in name else 1e-4) for name in TEXTUAL])
def test_what_else_is_asked_changes_no_answer(
    make_collection: Callable[..., Collection],
    docstrings: Mapping[str, tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    system: str,
    slack: float,
) -> None:
    some = dict(list(docstrings.items())[:40])
    collection = make_collection({name: text[:200] for name, (_, text) in some.items()})
    queries = [Query(name, summary) for name, (summary, _) in some.items() if summary][:10]
    ready: Any = TEXTUAL[system]().fit(collection)
    check_that_company_changes_nothing(ready, queries, collection, monkeypatch, slack)


@pytest.mark.parametrize("system", COUNTING)
def test_who_else_is_asked_changes_no_recommendation(
    months: Collection, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    ready: Any = COUNTING[system]().fit(months.training_view())
    check_that_company_changes_nothing(ready, months.queries(), months, monkeypatch, 0)


@pytest.mark.parametrize("system", [*TEXTUAL, *COUNTING])
def test_fit_gives_the_system_back_and_the_seed_changes_nothing_that_says_so(
    make_collection: Callable[..., Collection], months: Collection, system: str
) -> None:
    made = (TEXTUAL | COUNTING)[system]
    collection = make_collection({"a": "tea and toast", "b": "soup of the day", "c": "jam"})
    learnt = months.training_view() if system in COUNTING else collection
    queries = learnt.queries("train") if system in COUNTING else asked("toast and jam", "soup")
    first, second = made(), made()
    second.seed = 7
    assert first.fit(learnt) is first
    second.fit(learnt)
    assert first.deterministic == (system not in ("sbert hnsw", "colbert candidates"))
    if first.deterministic:
        answers: list[Rankings] = [one.retrieve(queries, K) for one in (first, second)]
        assert answers[0].rows.tobytes() == answers[1].rows.tobytes()
        assert answers[0].scores.tobytes() == answers[1].scores.tobytes()


def test_a_trained_encoder_depends_on_the_seed() -> None:
    assert not SBERT(finetuning={"method": "in-batch"}).deterministic
    assert not ColBERT(finetuning={"method": "pairwise"}).deterministic


@pytest.mark.parametrize("system", TEXTUAL)
def test_a_catalogue_without_any_text_is_refused(make_collection: Callable[..., Collection], system: str) -> None:
    with pytest.raises(BenchError, match="no document of small has any text to read; give its documents titles"):
        TEXTUAL[system]().fit(make_collection({"a": "", "b": " \n"}))
