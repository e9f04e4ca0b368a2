"""LIMIT with distractors that hold the same words and say that it is not so."""

import re

import numpy as np
import pytest

from bench.collections.catalogue import open_dataset
from bench.collections.collection import Collection
from bench.collections.sources.limit.negations import FORMS
from bench.errors import BenchError
from retrievers.lexical.bm25 import BM25

NEGATED = re.compile(r"It is false that|It is a myth that| never likes |are wrong\.$")
AFFIRMED = re.compile(r"It is true that|It is a fact that| always likes |are right\.$")


@pytest.fixture(scope="module")
def collection() -> Collection:
    return open_dataset("limit-negations").collection


def holding(collection: Collection, attribute: str) -> list[int]:
    """Rows of the documents that hold what is asked for."""
    return [
        row for row, text in enumerate(collection.texts()) if re.search(rf"[ ,]{re.escape(attribute)}[,. ]", text)
    ]


def asked(collection: Collection) -> list[str]:
    return [query.text.removeprefix("Who likes ").removesuffix("?") for query in collection.queries()]


def test_each_of_the_46_people_has_four_distractors(collection: Collection) -> None:
    assert len(collection) == 46 * 5
    assert sum(bool(NEGATED.search(text)) for text in collection.texts()) == 46 * 4
    assert sum(bool(AFFIRMED.search(text)) for text in collection.texts()) == 46


def test_a_system_that_compares_words_is_right_by_chance(collection: Collection) -> None:
    queries = collection.queries()
    found = BM25().fit(collection).rankings(queries, 2)
    right = [np.isin(collection.qrels().of(i)[0], found.of(i)[0]).mean() for i in range(len(queries))]
    assert 0.05 < np.mean(right) < 0.35


def test_ten_documents_hold_what_is_asked_for_and_two_of_them_say_that_it_is_so(collection: Collection) -> None:
    texts = list(collection.texts())
    for position, attribute in enumerate(asked(collection)[:100]):
        rows = holding(collection, attribute)
        affirmed = {row for row in rows if not NEGATED.search(texts[row])}
        assert len(rows) == 10
        assert affirmed == set(collection.qrels().of(position)[0].tolist())


def test_queries_and_answers_are_those_of_limit(collection: Collection) -> None:
    plain = open_dataset("limit").collection
    assert asked(collection) == asked(plain)
    texts, people = list(collection.texts()), plain.documents.ids()
    for position in range(100):
        wanted = {people[row] for row in plain.qrels().of(position)[0]}
        assert all(any(name in texts[row] for name in wanted) for row in collection.qrels().of(position)[0])


def test_the_order_of_ids_tells_nothing(collection: Collection) -> None:
    texts = list(collection.texts())
    affirmed = [row for row, text in enumerate(texts) if not NEGATED.search(text)]
    assert 90 < sum(affirmed) / len(affirmed) < 140  # the middle of 230 is 114.5, the standard error 9
    assert not any(name in document.id for document in collection.documents for name in ("Ada", "not"))


def test_fewer_distractors_are_fewer_forms() -> None:
    assert len(open_dataset("limit-negations?negations=1").collection) == 92
    with pytest.raises(BenchError, match=r"negations"):
        open_dataset(f"limit-negations?negations={len(FORMS) + 1}")


def test_further_people_have_no_distractors() -> None:
    assert len(open_dataset("limit-negations?documents=100").collection) == 46 * 5 + 54
