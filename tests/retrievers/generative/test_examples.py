"""What is read of a document, and which queries are learned."""

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.collections.collection import Collection, Rules, read_collection
from bench.collections.writer import CollectionWriter
from bench.sentences import sentences
from retrievers.generative.examples import (
    Example,
    Examples,
    ReadingOptions,
    Spans,
    document_parts,
    learned_and_kept,
    passages,
    some_of_each,
    split_queries,
    training_queries,
)
from retrievers.generative.options import DocumentTrainingOptions


def tokenize(texts: Sequence[str], longest: int | None = None) -> list[list[int]]:
    """Each word is its own token, so that tokens can be read back."""
    return [[VOCABULARY.setdefault(word, len(VOCABULARY)) for word in text.split()][:longest] for text in texts]


VOCABULARY: dict[str, int] = {}


def read(collection: Collection, seed: int = 0, **options: Any) -> list[Example]:
    asked = {row: ["what is this"] for row in range(len(collection))}
    return document_parts(collection, ReadingOptions(**options), tokenize, seed, lambda: asked)


def spelled(example: Example) -> str:
    words = {token: word for word, token in VOCABULARY.items()}
    return " ".join(words[token] for token in example.tokens)


def test_the_beginning_and_windows_from_anywhere(learnable: Collection) -> None:
    found = read(learnable, parts=["first", "chunks"], first_tokens=8, chunks=3, chunk_tokens=10)
    for row, text in enumerate(learnable.texts()):
        words = text.split()
        own = [spelled(example) for example in found if example.row == row]
        assert own[0] == " ".join(words[:8])
        assert len(own) <= 1 + min(3, -(-len(words) // 10))
        assert all(chunk in " ".join(words) and len(chunk.split()) == min(10, len(words)) for chunk in own[1:])


def test_windows_are_drawn_by_the_seed(learnable: Collection) -> None:
    first, same, other = (read(learnable, seed, parts=["chunks"], chunk_tokens=5) for seed in (1, 1, 2))
    assert first == same != other


@pytest.mark.parametrize("part", ["sentences", "key-sentences", "random"])
def test_sentences_are_the_documents_own(learnable: Collection, part: str) -> None:
    found = read(learnable, parts=[part], sentences=2, part_tokens=100)
    for row, text in enumerate(learnable.texts()):
        every = [" ".join(sentence.split()) for sentence in sentences(text)]
        own = [spelled(example) for example in found if example.row == row]
        assert set(own) <= set(every)
        assert len(own) == min(2, len(set(every))) or len(set(every)) < len(every)
        if part == "sentences":
            assert own == list(dict.fromkeys(every[:2]))


def test_passages_are_five_sentences_two_further_each() -> None:
    assert passages(list("abcdefgh")) == ["a b c d e", "c d e f g", "e f g h"]
    assert passages(list("abc")) == ["a b c"]
    assert passages([]) == []


def test_pseudo_queries_are_asked_for_only_if_wanted(learnable: Collection) -> None:
    found = read(learnable, parts=["pseudo-queries"])
    assert [spelled(example) for example in found] == ["what is this"] * len(learnable)

    def refuse() -> dict[int, Sequence[str]]:
        raise AssertionError("nobody asked for them")

    assert document_parts(learnable, ReadingOptions(parts=("first",)), tokenize, 0, refuse)


def test_training_queries_come_with_each_relevant_document(learnable: Collection) -> None:
    found = training_queries(learnable, "train", tokenize)
    asked = [query.text for query in learnable.queries("train")]
    assert [spelled(example) for example in found] == [" ".join(text.split()) for text in asked]
    assert [learnable.documents.ids([example.row])[0] for example in found] == [
        query.id.removeprefix("q ") for query in learnable.queries("train")
    ]
    assert training_queries(learnable, "no such split", tokenize) == []


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), max_size=40), st.floats(0, 0.9), st.integers(0, 3))
def test_held_out_queries_are_never_learned(pairs: list[tuple[int, int]], share: float, seed: int) -> None:
    examples = [Example([query], row) for query, row in pairs]
    learned, kept = split_queries(examples, share, seed)
    assert sorted(learned + kept) == sorted(examples)
    assert not {tuple(one.tokens) for one in learned} & {tuple(one.tokens) for one in kept}
    assert len({tuple(one.tokens) for one in kept}) == round(share * len({query for query, _ in pairs}))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), max_size=40), st.integers(1, 5), st.integers(0, 3))
def test_of_each_query_so_many_documents_are_learned(pairs: list[tuple[int, int]], most: int, seed: int) -> None:
    examples = [Example([query], row) for query, row in pairs]
    drawn = some_of_each(examples, most, seed)
    for query in {query for query, _ in pairs}:
        own, chosen = ([one for one in some if one.tokens == [query]] for some in (examples, drawn))
        assert len(chosen) == min(most, len(own))
        assert not Counter(one.row for one in chosen) - Counter(one.row for one in own)
    assert drawn == some_of_each(examples, most, seed)
    assert some_of_each(drawn, most, seed) == drawn
    assert some_of_each(examples, 0, seed) == examples


def test_which_documents_are_learned_depends_on_the_seed() -> None:
    examples = [Example([1], row) for row in range(100)]
    assert some_of_each(examples, 4, 0) != some_of_each(examples, 4, 1)


def test_the_epoch_is_chosen_by_every_relevant_document(learnable: Collection, tmp_path: Path) -> None:
    with CollectionWriter(tmp_path) as writer:
        for document in learnable.documents:
            writer.document(document, "documents")
        for query in learnable.queries("train"):
            writer.query("train", query.id, query.text, "queries")
            for document in islice(learnable.documents, 5):
                writer.judgement("train", query.id, document.id, 1, "judgements")
    collection = read_collection(tmp_path, "five relevant documents of each query", Rules())
    learned, kept = learned_and_kept(collection, DocumentTrainingOptions(positives=2), tokenize, 0)
    assert set(Counter(map(spelled, learned)).values()) == {2}
    assert set(Counter(map(spelled, kept)).values()) == {5}


@given(st.integers(1, 20), st.integers(1, 60), st.sampled_from([0.0, 0.5, 1.0, 4.0, 32.0]))
def test_an_epoch_has_every_part_once_and_queries_as_the_ratio_asks(queries: int, parts: int, ratio: float) -> None:
    made = [Example([number], number) for number in range(queries + parts)]
    examples = Examples.of(made[:queries], made[queries:])
    texts, starts, stops, rows = examples.epoch(ratio, np.random.default_rng(0))
    assert np.array_equal(rows, texts)
    assert set(stops - starts) == {1}
    assert sorted(texts[texts >= queries]) == list(range(queries, queries + parts))
    learned = np.bincount(texts[texts < queries], minlength=queries)
    assert learned.sum() == (max(1, round(parts / ratio)) if ratio else queries)
    assert learned.max() - learned.min() <= 1


def test_every_epoch_cuts_new_spans_from_each_document() -> None:
    documents = [Example(list(range(length)), row) for row, length in enumerate((100, 3, 0, 40))]
    examples = Examples.of([Example([7], 0)], [], documents, Spans(5, 12))
    first, second = (examples.epoch(0, np.random.default_rng(seed)) for seed in (0, 1))
    for drawn in (first, second):
        spans = drawn.texts > 0
        assert np.bincount(drawn.rows[spans], minlength=4).tolist() == [5, 5, 0, 5]
        sizes = drawn.stops - drawn.starts
        assert (drawn.starts >= 0).all()
        assert (drawn.stops <= [len(examples.tokens[text]) for text in drawn.texts]).all()
        assert set(sizes[drawn.rows == 1]) == {3}
        assert sizes[spans & (drawn.rows != 1)].min() >= 4
        assert sizes.max() <= 12
    assert not np.array_equal(np.sort(first.starts), np.sort(second.starts))


def test_spans_count_among_the_parts_that_the_ratio_speaks_of() -> None:
    documents = [Example(list(range(20)), row) for row in range(10)]
    examples = Examples.of([Example([7], 0)] * 4, [], documents, Spans(2, 12))
    drawn = examples.epoch(2, np.random.default_rng(0))
    assert (drawn.texts < 4).sum() == 10


def numbered(start: int, stop: int) -> list[Example]:
    return [Example([number], number) for number in range(start, stop)]


@pytest.mark.parametrize("replayed", [0.25, 0.5, 0.8])
def test_behind_a_memory_an_epoch_has_that_share_of_earlier_texts_and_every_new_one(replayed: float) -> None:
    earlier = Examples.of(numbered(0, 7), numbered(7, 20), numbered(20, 30), Spans(2, 3))
    new = Examples.of([], numbered(30, 40), numbered(40, 45), Spans(2, 3))
    both = new.behind(earlier, np.random.default_rng(0))
    assert both.queries == 7 + 13 + 2 * 10
    assert set(both.rows[: both.queries].tolist()) == set(range(30))
    _, _, _, rows = both.epoch((1 - replayed) / replayed, np.random.default_rng(1))
    read_anew = sorted(rows[rows >= 30].tolist())
    assert read_anew == sorted([*range(30, 40), *range(40, 45), *range(40, 45)])
    assert np.mean(rows < 30) == pytest.approx(replayed, abs=0.03)


def test_a_memory_has_pieces_of_the_documents_that_spans_were_cut_from() -> None:
    earlier = Examples.of([], [], [Example(list(range(10, 30)), 0)], Spans(3, 5))
    new = Examples.of([], [Example([1, 2], 1)])
    texts = new.behind(earlier, np.random.default_rng(0)).tokens[:3]
    assert all(text == list(range(text[0], text[0] + len(text))) for text in texts)
    assert all(4 <= len(text) <= 5 for text in texts)
