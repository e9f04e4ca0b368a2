"""Complements: which items are asked for, what is relevant to them, and what is left out."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from bench.collections.collection import Collection
from bench.errors import BenchError
from bench.rankings import Rankings
from bench.tasks.complements import Complements
from bench.tasks.measured import MeasuredExam

MakeSequences = Callable[..., Collection]

BASKETS = {
    "ada": ["bread", "butter", "milk", "honey"],
    "bo": ["bread", "tea", "butter", "honey"],
    "cleo": ["tea", "milk", "bread", "tea"],
    "dan": ["bread", "salt", "milk", "jam"],
}
"""The last of each is held out; cleo had tea before."""


def relevant(exam: MeasuredExam) -> dict[str, dict[str, int]]:
    """The grades of each question's items by their ids."""
    qrels, documents = exam.judgements.qrels, exam.collection.documents
    return {
        name: dict(zip(documents.ids(qrels.of(place)[0]), qrels.of(place)[1].tolist(), strict=True))
        for place, name in enumerate(qrels.query_ids)
    }


def test_an_item_goes_with_what_is_held_out_of_the_users_who_had_it(make_sequences: MakeSequences) -> None:
    exam = Complements().on(make_sequences(BASKETS))
    assert relevant(exam) == {
        "bread": {"honey": 2, "jam": 1},
        "butter": {"honey": 2},
        "milk": {"honey": 1, "jam": 1},
        "salt": {"jam": 1},
        "tea": {"honey": 1},
    }


def test_a_question_is_the_item_alone_as_a_history_and_in_words(make_sequences: MakeSequences) -> None:
    (query,) = Complements(least=3).on(make_sequences(BASKETS)).queries
    assert (query.id, query.history, query.text) == ("bread", ("bread",), "bread")


def test_an_item_is_not_asked_by_the_name_of_a_user(make_sequences: MakeSequences) -> None:
    """Systems that know their users would answer for that one."""
    users = dict(zip(["bread", *list(BASKETS)[1:]], BASKETS.values(), strict=True))
    (query,) = Complements(least=3).on(make_sequences(users)).queries
    assert (query.id, query.history) == ("item bread", ("bread",))


def test_the_window_says_what_is_near_enough(make_sequences: MakeSequences) -> None:
    collection = make_sequences(BASKETS)
    assert relevant(Complements(window=1).on(collection)) == {"butter": {"honey": 1}, "milk": {"honey": 1, "jam": 1}}
    assert set(relevant(Complements(window=2).on(collection))) == {"butter", "milk", "salt", "tea"}


def test_what_is_left_out_is_counted(make_sequences: MakeSequences) -> None:
    definition = Complements(least=2).on(make_sequences(BASKETS)).definition
    assert definition.startswith("each of 3 items is asked alone; relevant among all 7 are the items of split test")
    assert "(7 pairs of 3 users, nDCG gain = grade)" in definition
    assert "1 held-out items that stand in their history already; 0 held-out items that have no history" in definition
    assert "items not asked for: 2 in no such history, 2 of fewer than 2 users" in definition


def test_the_item_itself_is_no_answer(make_sequences: MakeSequences) -> None:
    exam = Complements(least=3).on(make_sequences(BASKETS))
    answer = [("bread", 9.0), ("honey", 8.0), ("jam", 7.0)]
    evaluation = exam.evaluate(Rankings.from_ids(exam.queries, [answer], exam.collection.documents))
    values = {figure.measure: figure.value for figure in evaluation.figures}
    assert exam.primary.name == "nDCG@10"
    assert values == {"nDCG@10": 1, "Recall@10": 1, "MRR@10": 1, "Hits@10": 1}


def test_pairs_are_those_of_a_count_by_hand(make_sequences: MakeSequences) -> None:
    draws = np.random.default_rng(0)
    sequences = {f"u{user}": [f"item-{item}" for item in draws.integers(20, size=9)] for user in range(60)}
    expected: Counter[tuple[str, str]] = Counter()
    for *history, target in sequences.values():
        if target not in history:
            expected.update((item, target) for item in set(history[-3:]))
    exam = Complements(window=3).on(make_sequences(sequences))
    found = {(item, other): grade for item, of in relevant(exam).items() for other, grade in of.items()}
    assert found == dict(expected)


def test_a_collection_without_histories_has_none(make_collection: Callable[..., Collection]) -> None:
    search = make_collection({"a": "Bread.", "b": "Soup."}, {"q": "how to bake"}, {"q": {"a": 1}})
    with pytest.raises(BenchError, match="no history goes with a held-out item that it lacks"):
        Complements().on(search)


def test_too_few_users_are_named(make_sequences: MakeSequences) -> None:
    with pytest.raises(BenchError, match=r"the held-out items of 9 users or more; lower complements\.least"):
        Complements(least=9).on(make_sequences(BASKETS))
