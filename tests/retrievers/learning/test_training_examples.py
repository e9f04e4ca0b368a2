from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.collections.collection import Collection, Document, Query, Rules, read_collection
from bench.collections.writer import CollectionWriter
from bench.errors import BenchError
from retrievers.encoding import DistinctTexts
from retrievers.learning.examples import (
    Examples,
    Labelled,
    batch_count,
    batches,
    labelled_queries,
    make_examples,
    mine,
    ranked_pool,
    split_wordings,
)
from retrievers.learning.options import FineTuningOptions

TEXTS = {
    "open": "open a file and return a stream",
    "open again": "open a file and return a stream",
    "close": "close the file, flushing its stream",
    "read": "read lines from an open file",
    "sort": "sort the list in place",
    "reverse": "reverse the list in place",
    "join": "join two paths of the file system",
}
QUERIES = {"q1": "open a file", "q2": "close a file", "q3": "order a list", "q4": "open a file", "q5": "what is this"}
JUDGED = {
    "q1": {"open": 2, "read": 1},
    "q2": {"close": 2},
    "q3": {"sort": 2, "reverse": 1},
    "q4": {"join": 2},
    "q5": {"read": 0},
}
Train = Callable[..., Collection]


def mined(**options: int) -> FineTuningOptions:
    return FineTuningOptions(method="hard-negatives", depth=3, **options)


@pytest.fixture
def train(tmp_path: Path) -> Train:
    """A collection whose queries are in the split `train`."""

    def make(queried: str = "train", **rules: object) -> Collection:
        folder = tmp_path / queried
        folder.mkdir()
        with CollectionWriter(folder) as writer:
            for name, text in TEXTS.items():
                writer.document(Document(name, "", text), "documents")
            for name, text in QUERIES.items():
                writer.query(queried, name, text, "queries")
            for name, grades in JUDGED.items():
                for document, grade in grades.items():
                    writer.judgement(queried, name, document, grade, "judgements")
        return read_collection(folder, "files", Rules(**rules)).training_view()  # type: ignore[arg-type]

    return make


def numbers(collection: Collection, place: np.ndarray, *names: str) -> set[int]:
    return {int(place[collection.documents.rows[name]]) for name in names}


def labels(collection: Collection) -> tuple[np.ndarray, dict[str, frozenset[int]]]:
    place = DistinctTexts(collection.texts()).place
    found = labelled_queries(collection, "train", place)
    return place, {labelled.query.id: labelled.relevant for labelled in found}


def test_only_sufficiently_relevant_documents_count(train: Train) -> None:
    strict = train(minimum_relevance=2)
    place, relevant = labels(strict)
    assert relevant["q3"] == numbers(strict, place, "sort")
    assert "q5" not in relevant


def test_what_the_same_question_asks_for_elsewhere_is_relevant_too(train: Train) -> None:
    collection = train()
    place, relevant = labels(collection)
    assert relevant["q1"] == relevant["q4"] == numbers(collection, place, "open again", "read", "join")


@pytest.mark.parametrize("split", ["test", "dev"])
def test_a_collection_without_training_queries_names_the_remedy(train: Train, split: str) -> None:
    collection = train(split)
    with pytest.raises(BenchError, match="set finetuning.method=none"):
        labelled_queries(collection, "train", np.arange(len(collection)))


def test_the_evaluated_queries_cannot_be_learned_from(train: Train) -> None:
    collection = train("train", split="train")
    with pytest.raises(BenchError, match="0 judged training queries in the split 'train'"):
        labelled_queries(collection, "train", np.arange(len(collection)))


def test_mined_negatives_are_near_misses_and_never_relevant_nor_copies(train: Train) -> None:
    collection = train()
    place = DistinctTexts(collection.texts()).place
    queries = labelled_queries(collection, "train", place)
    near = dict(zip((q.query.id for q in queries), mine(collection, place, queries, 30), strict=True))
    assert set(near["q1"]) == numbers(collection, place, "close")
    assert set(near["q3"]) == set()
    assert near["q2"][0] in numbers(collection, place, "open", "read", "join")


def test_a_small_collection_lacks_negatives(train: Train) -> None:
    collection = train()
    place = DistinctTexts(collection.texts()).place
    queries = labelled_queries(collection, "train", place)
    with pytest.raises(BenchError, match="lower finetuning.negatives"):
        make_examples(collection, place, queries, mined(positives=1, negatives=5), seed=0)


@pytest.mark.parametrize("negatives", [0, 1, 3])
@pytest.mark.parametrize("seed", range(5))
def test_no_example_has_a_relevant_negative(train: Train, negatives: int, seed: int) -> None:
    collection = train()
    place = DistinctTexts(collection.texts()).place
    queries = labelled_queries(collection, "train", place)
    options = (
        mined(positives=2, negatives=negatives) if negatives else FineTuningOptions(method="in-batch", positives=2)
    )
    examples = make_examples(collection, place, queries, options, seed)
    assert len(examples) == 2 + 1 + 2 + 2
    assert examples.texts.shape == (len(examples), 1 + negatives)
    for texts, relevant in zip(examples.texts.tolist(), examples.relevant, strict=True):
        assert texts[0] in relevant
        assert relevant.isdisjoint(texts[1:])
        assert len(set(texts)) == len(texts)


@given(
    st.lists(st.frozensets(st.integers(0, 12), min_size=1, max_size=4), min_size=1, max_size=30),
    st.integers(1, 6),
    st.integers(0, 3),
    st.randoms(use_true_random=False),
)
def test_in_a_batch_no_query_meets_its_relevant_texts_with_another(
    relevant: list[frozenset[int]], size: int, seed: int, draw: "np.random.Generator"
) -> None:
    texts = [[min(own), draw.choice(sorted(set(range(14)) - own))] for own in relevant]
    examples = Examples([Query(str(i), str(i)) for i in range(len(relevant))], np.array(texts), relevant)
    found = list(batches(examples, size, seed))
    assert 1 <= len(found) <= batch_count(examples, size)
    used = [example for batch in found for example in batch]
    assert len(used) == len(set(used))
    for batch in found:
        assert 1 <= len(batch) <= size
        for one in batch:
            others = {text for other in batch if other != one for text in texts[other]}
            assert relevant[one].isdisjoint(others)


@given(st.integers(1, 40), st.integers(1, 9))
def test_examples_that_go_together_are_all_used_in_another_order_each_time(count: int, size: int) -> None:
    relevant = [frozenset([i]) for i in range(count)]
    examples = Examples([Query(str(i), "") for i in range(count)], np.arange(count)[:, None], relevant)
    first, again, other = (list(batches(examples, size, seed)) for seed in (1, 1, 2))
    assert sorted(example for batch in first for example in batch) == list(range(count))
    assert len(first) == batch_count(examples, size)
    assert first == again
    assert count < 9 or first != other


def queries_of(wordings: Mapping[str, Sequence[int]]) -> list[Labelled]:
    return [
        Labelled(Query(f"{wording}-{i}", wording), frozenset(texts))
        for wording, texts in wordings.items()
        for i in range(2)
    ]


@given(st.integers(2, 60), st.floats(0.01, 0.5), st.integers(0, 3))
def test_held_out_queries_are_not_learned_from(count: int, share: float, seed: int) -> None:
    queries = queries_of({f"question {i}": [i] for i in range(count)})
    learned, held = split_wordings(queries, share, seed)
    assert {q.query.text for q in learned}.isdisjoint(q.query.text for q in held)
    assert sorted(q.query.id for q in learned + held) == sorted(q.query.id for q in queries)
    assert len(held) == 2 * max(1, round(share * count))
    assert (learned, held) == split_wordings(queries, share, seed)


@given(st.integers(0, 40), st.integers(0, 3))
def test_the_pool_holds_all_relevant_texts_and_others_up_to_its_size(size: int, seed: int) -> None:
    held = queries_of({"a": [3, 5], "b": [5, 7]})
    pool = ranked_pool(held, np.arange(30), size, seed)
    assert {3, 5, 7} <= set(pool) <= set(range(30))
    assert len(pool) == len(set(pool)) == min(30, max(3, size))
