"""What hits are found by: the parts of a score add up to it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.protocols import Explains
from bench.retriever import Retriever
from bench.workplace import Workplace
from retrievers.dense.sbert import SBERT
from retrievers.generative.dsi import DSI
from retrievers.generative.ngram.retriever import Ngram
from retrievers.generative.se_dsi import SEDSI
from retrievers.late_interaction.colbert import ColBERT
from retrievers.lexical.bm25 import BM25
from retrievers.lexical.splade import SPLADE

SMALL: Any = {"decoder": {"dimension": 32, "feed_forward": 64}, "training": {"epochs": 1}}
SYSTEMS = {
    "bm25": BM25(),
    "bm25 by rank-bm25": BM25(engine="rank-bm25", variant="okapi"),
    "splade": SPLADE(),
    "colbert": ColBERT(),
    "dsi": DSI(**SMALL, branch=3, leaf_size=5),
    "se_dsi": SEDSI(**SMALL),
    "ngram": Ngram(**SMALL),
    "ngram of two views": Ngram(**SMALL, views=("span", "pseudo-query")),
}


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("common")


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=list(SYSTEMS))
def test_the_parts_of_a_score_add_up_to_it(
    system: Retriever, learnable: Collection, common: Path, tmp_path: Path
) -> None:
    system.work_in(Workplace(tmp_path / "checkpoints", common))
    system.fit(learnable)
    assert isinstance(system, Explains)
    hits = system.search("Return the list of the arguments of a function", k=5, explain=True)
    assert len(hits)
    for hit in hits:
        assert all(one.what for one in hit.evidence)
        assert sum(one.weight for one in hit.evidence) == pytest.approx(hit.score, rel=1e-4, abs=1e-4)


def test_a_question_that_finds_nothing_has_nothing_to_explain(make_collection: Any) -> None:
    system = BM25(engine="rank-bm25", variant="okapi").fit(make_collection({"a": "red pears", "b": "green pears"}))
    assert list(system.search("zyzzyva", explain=True)) == []


def test_the_terms_of_bm25_are_those_of_question_and_document(make_collection: Any) -> None:
    system = BM25().fit(make_collection({"a": "red apples and red pears", "b": "green pears"}))
    (first, second) = system.search("red pears, pears", explain=True)
    assert {one.what for one in first.evidence} == {"red", "pear"}
    assert [(one.what, one.note) for one in second.evidence] == [("pear", "2 times in the question")]


def test_token_pairs_of_colbert_name_the_nearest_token(make_collection: Any) -> None:
    system = ColBERT().fit(make_collection({"a": "a cat sleeps, purring", "b": "stocks fell"}))
    (first, _) = system.search("cat", explain=True)
    assert "cat ~ cat" in {one.what for one in first.evidence}


def test_ngrams_that_brought_a_hit_stand_in_its_text(learnable: Collection, common: Path, tmp_path: Path) -> None:
    system = Ngram(**SMALL)
    system.work_in(Workplace(tmp_path / "checkpoints", common))
    system.fit(learnable)
    (hit,) = system.search("Return the list of the arguments of a function", k=1, explain=True)
    text = system.encoder.tokens_of([hit.text])[0]
    for one in hit.evidence:
        ngram = system.encoder.tokens_of([one.what.removeprefix("##")])[0]
        assert "##" in one.what or any(text[at : at + len(ngram)] == ngram for at in range(len(text)))


def test_a_system_that_compares_whole_texts_does_not_tell(make_collection: Any) -> None:
    system = SBERT().fit(make_collection({"a": "a cat", "b": "a dog"}))
    with pytest.raises(BenchError, match="SBERT does not tell what it finds documents by; ask one that does"):
        system.search("cat", explain=True)


def test_what_was_not_asked_for_is_not_told(make_collection: Any) -> None:
    assert BM25().fit(make_collection({"a": "a cat"})).search("cat")[0].evidence == ()


def test_documents_are_explained_in_the_order_asked(make_collection: Any) -> None:
    system = BM25().fit(make_collection({"a": "red apples", "b": "green pears", "c": "red pears"}))
    told = system.explain(Query("1", "red green"), np.array([2, 1]), ["red pears", "green pears"])
    assert [[one.what for one in each] for each in told] == [["red"], ["green"]]
