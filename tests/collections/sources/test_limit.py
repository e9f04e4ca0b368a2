"""The LIMIT collection: pairs of people, found by what they like."""

import re
from itertools import combinations
from pathlib import Path

import bm25s
import numpy as np
import pytest
import Stemmer

from bench.collections.catalogue import open_dataset
from bench.collections.collection import Collection
from bench.collections.sources.limit import QUERIES, RELEVANT_DOCUMENTS, Limit, describe, words
from bench.errors import BenchError

STEMMER = Stemmer.Stemmer("english")


@pytest.fixture(scope="module")
def small(own_cache: Path) -> Collection:
    return open_dataset("limit").collection


@pytest.fixture(scope="module")
def larger(own_cache: Path) -> Collection:
    return open_dataset("limit?documents=2000").collection


def stems(text: str) -> set[str]:
    return set(STEMMER.stemWords(re.findall(r"\w+", text.lower())))


def answers(collection: Collection) -> list[frozenset[int]]:
    qrels = collection.qrels()
    return [frozenset(qrels.of(position)[0].tolist()) for position in range(len(qrels.query_ids))]


def liked(collection: Collection) -> list[set[str]]:
    """What each document's text says that its person likes."""
    found = []
    for document in collection.documents:
        listed = document.body.removeprefix(f"{document.id} likes ").removesuffix(".")
        found.append(set(listed.replace(" and ", ", ").split(", ")))
    return found


def asked(collection: Collection) -> list[str]:
    return [query.text.removeprefix("Who likes ").removesuffix("?") for query in collection.queries()]


# --- the word lists -------------------------------------------------------------------------------


def test_no_two_attributes_share_a_stem() -> None:
    attributes = words("attributes")
    assert len(attributes) >= QUERIES + 150
    taken: dict[str, str] = {}
    for attribute in attributes:
        for stem in stems(attribute):
            assert stem not in taken, f"{attribute} and {taken[stem]}"
            taken[stem] = attribute


def test_no_attribute_is_a_name_or_a_word_of_the_question() -> None:
    attributes = set().union(*map(stems, words("attributes")))
    assert not attributes & stems(" ".join([*words("first_names"), *words("last_names"), "Who likes and"]))
    assert not attributes & set(bm25s.tokenization.STOPWORDS_EN)


def test_there_are_enough_names_for_the_full_size() -> None:
    first, last = words("first_names"), words("last_names")
    assert len(set(first)) == len(first)
    assert len(set(last)) == len(last)
    assert len(first) * len(last) >= 50_000


# --- the small collection -------------------------------------------------------------------------


def test_a_thousand_queries_have_a_thousand_of_all_pairs_as_answers(small: Collection) -> None:
    pairs = answers(small)
    assert len(small) == RELEVANT_DOCUMENTS
    assert len(pairs) == len(set(pairs)) == QUERIES
    assert set(pairs) < {frozenset(pair) for pair in combinations(range(RELEVANT_DOCUMENTS), 2)}
    assert small.splits == ["test"]


@pytest.mark.parametrize("size", ["small", "larger"])
def test_what_is_asked_is_liked_by_the_two_right_people_only(size: str, request: pytest.FixtureRequest) -> None:
    collection = request.getfixturevalue(size)
    everyone = liked(collection)
    for attribute, pair in zip(asked(collection), answers(collection), strict=True):
        assert {row for row, things in enumerate(everyone) if attribute in things} == pair


def test_every_person_likes_fifty_distinct_things(larger: Collection) -> None:
    assert {len(things) for things in liked(larger)} == {50}


def test_ids_are_names_with_a_space_and_documents_have_no_title(small: Collection) -> None:
    assert all(re.fullmatch(r"\S+ \S+", document.id) and not document.title for document in small.documents)
    assert small.documents.ids_need_quoting


def test_a_description_is_a_sentence() -> None:
    assert describe("Ada Durben", ["figs", "yaks", "judo"]) == "Ada Durben likes figs, yaks and judo."


# --- sizes and seeds ------------------------------------------------------------------------------


def test_people_beyond_the_46_are_never_an_answer(larger: Collection) -> None:
    assert len(larger) == 2000
    assert len(set().union(*answers(larger))) == RELEVANT_DOCUMENTS


def test_one_seed_gives_one_content(tmp_path: Path, small: Collection) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(tmp_path))
        assert open_dataset("limit").collection.digest == small.digest
    other = open_dataset("limit?seed=1").collection
    assert other.digest != small.digest
    assert set(answers(other)) != set(answers(small))


def test_the_fewest_likes_still_hold_all_that_is_asked() -> None:
    collection = open_dataset("limit?likes=45").collection
    assert {len(things) for things in liked(collection)} == {45}


@pytest.mark.parametrize("option", ["documents=45", "documents=50001", "likes=44", "likes=501", "seed=-1"])
def test_sizes_out_of_range_are_refused(option: str) -> None:
    with pytest.raises(BenchError, match=rf"limit\.{option.partition('=')[0]}: give a whole number"):
        open_dataset(f"limit?{option}")


def test_the_word_lists_are_part_of_the_state() -> None:
    assert set(Limit().state()) == {"attributes", "first_names", "last_names"}


# --- what it is for -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", ["small", "larger"])
def test_comparing_words_finds_both_people(size: str, request: pytest.FixtureRequest) -> None:
    collection = request.getfixturevalue(size)

    def tokens(texts: list[str]) -> list[list[str]]:
        return bm25s.tokenize(texts, stopwords="en", stemmer=STEMMER, return_ids=False, show_progress=False)

    index = bm25s.BM25(method="lucene")
    index.index(tokens(list(collection.texts())), show_progress=False)
    questions = tokens([query.text for query in collection.queries()])
    hits, _ = index.retrieve(questions, k=2, show_progress=False)
    recall = np.mean(
        [len(pair & set(found.tolist())) / 2 for pair, found in zip(answers(collection), hits, strict=True)]
    )
    assert recall >= 0.97
