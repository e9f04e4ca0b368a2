"""RM3 is the formula of the papers, term by term."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.collections.collection import Collection, Query, part_of
from bench.errors import BenchError
from retrievers.lexical.bm25 import BM25
from retrievers.lexical.rm3 import RM3


def naive(collection: Collection, query: Query, documents: int, terms: int, weight: float) -> dict[str, float]:
    """Scores by document id: Lavrenko and Croft's relevance model, mixed as Abdul-Jaleel et al. do."""
    bm25 = BM25().fit(collection)
    read = [bm25._analyser.terms(text) for text in collection.texts()]
    known = {term for words in read for term in words}
    first = bm25.rankings([query], documents)
    model: Counter[str] = Counter()
    for row, score in zip(first.rows.tolist(), first.scores.tolist(), strict=True):
        for term, count in Counter(read[row]).items():
            model[term] += score / first.scores.sum() * count / len(read[row])
    order = bm25._vocabulary.known
    best = sorted(model, key=lambda term: (-model[term], term))[:terms]
    mass = sum(model[term] for term in best)
    asked = Counter(term for term in bm25._analyser.terms(query.text) if term in known)
    mixed: Counter[str] = Counter()
    for term in best:
        mixed[term] += weight * model[term] / mass
    for term, count in asked.items():
        mixed[term] += (1 - weight) * count / asked.total()
    scores: Counter[str] = Counter()
    for term, share in (+mixed).items():
        single = bm25.answer([query], [order([term])], len(collection))
        for row, value in zip(single.rows.tolist(), single.scores.tolist(), strict=True):
            scores[collection.documents[row].id] += share * value
    return scores


@pytest.mark.parametrize(("documents", "terms", "weight"), [(3, 5, 0.5), (10, 10, 0.8), (1, 3, 1.0)])
def test_scores_are_those_of_the_formula(learnable: Collection, documents: int, terms: int, weight: float) -> None:
    rm3 = RM3(feedback_documents=documents, feedback_terms=terms, feedback_weight=weight).fit(learnable)
    for query in learnable.queries()[:5]:
        expected = naive(learnable, query, documents, terms, weight)
        found = rm3.rankings([query], len(learnable))
        scores = dict(zip(learnable.documents.ids(found.rows), found.scores.tolist(), strict=True))
        assert scores == pytest.approx(expected)


def test_without_feedback_the_order_is_that_of_bm25(learnable: Collection) -> None:
    queries = learnable.queries()
    plain, fed = (one.fit(learnable).rankings(queries, 20) for one in (BM25(), RM3(feedback_weight=0)))
    assert plain.rows.tolist() == fed.rows.tolist()


def test_a_term_that_is_in_every_document_is_a_match_of_score_0(make_collection: Callable[..., Collection]) -> None:
    collection = make_collection({"a": "sorted list", "b": "sorted tuple", "c": "sorted set"})
    for bm25 in (BM25(variant="robertson"), RM3(variant="robertson")):
        assert bm25.fit(collection).rankings(["sorted"], 3).scores.tolist() == [0, 0, 0]


def test_equal_terms_are_chosen_alike_whatever_the_order_of_the_corpus(learnable: Collection) -> None:
    """Only some of the terms that a single short document holds once can be added."""
    turned = part_of(learnable, np.arange(len(learnable))[::-1], asked=False)
    asked = learnable.queries()
    found = []
    for collection in (learnable, turned):
        rm3 = RM3(feedback_documents=1, feedback_terms=3).fit(collection)
        expanded = rm3._expanded_queries(asked, rm3.read(asked))
        found.append([{rm3._names[term] for term in terms} for terms, _ in expanded])
    assert found[0] == found[1]


def test_it_finds_what_shares_no_word_with_the_query(learnable: Collection) -> None:
    queries = learnable.queries()
    plain, fed = (one.fit(learnable).rankings(queries, 30) for one in (BM25(), RM3()))
    assert fed.lengths.sum() > plain.lengths.sum()


def test_a_query_of_unknown_words_has_no_answer(learnable: Collection) -> None:
    assert len(RM3().fit(learnable).rankings(["qwertyuiop"]).rows) == 0


def test_it_answers_alike_from_its_saved_index(learnable: Collection, tmp_path: Path) -> None:
    rm3, loaded = RM3().fit(learnable), RM3()
    rm3.save(tmp_path)
    loaded.load(tmp_path)
    before, after = (one.retrieve(learnable.queries(), 10) for one in (rm3, loaded))
    assert before.scores.tolist() == after.scores.tolist()


def test_variants_that_are_no_plain_sum_are_refused() -> None:
    with pytest.raises(BenchError, match="queries with weights need one of lucene, robertson, atire"):
        RM3(variant="bm25+")


def test_what_each_term_of_the_expanded_query_adds_is_told(learnable: Collection) -> None:
    rm3, query = RM3().fit(learnable), learnable.queries()[0]
    hits = rm3.search(query.text, k=5, explain=True)
    assert [sum(part.weight for part in hit.evidence) for hit in hits] == pytest.approx([hit.score for hit in hits])
    notes = {part.note for hit in hits for part in hit.evidence}
    assert notes == {"", "of the first answers"}
