"""Identifiers from behaviour: what they may know, and that numbers along whole sequences would tell the targets."""

from collections.abc import Callable
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.collections.collection import Collection
from bench.collections.histories import training_sequences
from bench.progress import no_progress
from retrievers.generative.docids import Identifiers
from retrievers.recommenders.semantic_ids.behavioural import collaborative, random, sequential
from retrievers.recommenders.semantic_ids.options import TokenizerOptions
from retrievers.recommenders.semantic_ids.tokenizers import tokenize

MakeSequences = Callable[..., Collection]

rows = st.integers(0, 11)
histories = st.lists(st.lists(rows, max_size=8).map(lambda found: np.array(found, dtype=np.int64)), max_size=6)


def numbers(identifiers: Identifiers, codes: int) -> np.ndarray:
    """What the digits say."""
    return identifiers.tokens.astype(np.int64) @ codes ** np.arange(identifiers.tokens.shape[1])[::-1]


@given(histories)
@settings(max_examples=60, deadline=None)
def test_sequential_numbers_follow_the_first_appearance_then_the_rows(sequences: list[np.ndarray]) -> None:
    appearing = list(dict.fromkeys(chain(*(sequence.tolist() for sequence in sequences), range(12))))
    found = numbers(sequential(12, sequences, 5), 5)
    assert found[appearing].tolist() == list(range(12))


def test_sequential_identifiers_have_no_more_digits_than_needed() -> None:
    assert sequential(10, [], 10).tokens.shape == (10, 1)
    assert sequential(11, [], 10).tokens.shape == (11, 2)


@pytest.fixture
def walks(make_sequences: MakeSequences) -> Collection:
    """Users who each go through things of their own, so that only a leak can tell what comes next."""
    order = np.random.default_rng(0).permutation(60)
    names = [f"thing-{number:02}" for number in order]
    return make_sequences({f"u{i}": names[6 * i : 6 * i + 6] for i in range(10)})


def whole_sequences(collection: Collection) -> list[np.ndarray]:
    rows = collection.documents.rows
    targets = collection.qrels()
    return [
        np.append([rows[item] for item in query.history], targets.of(place)[0])
        for place, query in enumerate(collection.queries())
    ]


def test_numbers_along_whole_sequences_tell_the_target_and_ours_do_not(walks: Collection) -> None:
    whole = whole_sequences(walks)

    def told(identifiers: Identifiers) -> int:
        found = numbers(identifiers, 8)
        return sum(found[sequence[-1]] == found[sequence[-2]] + 1 for sequence in whole)

    assert told(sequential(len(walks), whole, 8)) == 10
    options = TokenizerOptions(kind="sequential", codes=8)
    ours = tokenize(options, np.zeros((60, 2)), training_sequences(walks.training_view()), 0, no_progress)
    assert told(ours.identifiers) <= 1


@pytest.mark.parametrize("name", ["sequential", "collaborative"])
def test_identifiers_do_not_depend_on_held_out_items(make_sequences: MakeSequences, name: str) -> None:
    first = {"a": ["ink", "pen", "nib", "cap"], "b": ["cap", "nib", "pen", "ink"], "c": ["cap", "ink", "pen", "nib"]}
    other = {user: [*items[:-2], *reversed(items[-2:])] for user, items in first.items()}
    tokens = [
        tokenize(
            TokenizerOptions(kind=name, levels=2, codes=4),
            np.zeros((4, 2)),
            training_sequences(make_sequences(sequences).training_view()),
            0,
            no_progress,
        ).identifiers.tokens
        for sequences in (first, other)
    ]
    np.testing.assert_array_equal(*tokens)


def test_items_that_users_have_together_share_a_first_token() -> None:
    generator = np.random.default_rng(0)
    kinds = np.arange(60) % 3
    sequences = [generator.choice(np.flatnonzero(kinds == user % 3), 8, replace=False) for user in range(90)]
    firsts = collaborative(60, sequences, branch=3, levels=2, codes=30, seed=0).tokens[:, 0]
    assert [len(set(firsts[kinds == kind])) for kind in range(3)] == [1, 1, 1]
    assert len(set(firsts)) == 3


def test_unseen_items_share_a_first_token_of_their_own() -> None:
    generator = np.random.default_rng(0)
    sequences = [generator.choice(np.arange(40) + 10, 6, replace=False) for _ in range(80)]
    found = collaborative(50, sequences, branch=4, levels=3, codes=30, seed=0)
    unseen, seen = found.tokens[:10, 0], found.tokens[10:, 0]
    assert len(set(unseen)) == 1
    assert unseen[0] not in seen
    assert found.trie().groups == 50


@given(histories, st.integers(2, 4), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_collaborative_identifiers_are_unique_and_prefix_free(
    sequences: list[np.ndarray], branch: int, seed: int
) -> None:
    found = collaborative(12, sequences, branch, levels=3, codes=4, seed=seed)
    assert found.trie().groups == 12  # the trie refuses prefixes
    assert max(found.vocabularies) <= 4


@given(st.integers(1, 64), st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_random_identifiers_are_unique_even_where_all_are_taken(items: int, seed: int) -> None:
    found = random(items, 3, 4, seed)
    assert found.tokens.shape == (items, 3)
    assert len(set(numbers(found, 4))) == items


def test_random_identifiers_of_more_numbers_than_fit_a_machine_word() -> None:
    found = random(1000, 8, 65_536, 0)
    assert len(np.unique(found.tokens, axis=0)) == 1000
    assert found.tokens.min() >= 0
