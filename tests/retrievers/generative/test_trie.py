from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import BenchError
from retrievers.generative import trie as trie_module
from retrievers.generative.trie import Trie, TrieTables

VOCABULARY = 5

Sequences = list[tuple[int, ...]]
Nested = dict[int, Any]


def prefix_free(sequences: Sequences) -> Sequences:
    """Without those that are a proper prefix of another; repeated ones stay."""
    prefixes = {sequence[:end] for sequence in sequences for end in range(len(sequence))}
    return [sequence for sequence in sequences if sequence not in prefixes]


catalogues = st.lists(
    st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=4).map(tuple), min_size=1, max_size=40
).map(prefix_free)


def padded(sequences: Sequences) -> np.ndarray:
    array = np.full((len(sequences), max(map(len, sequences))), -1)
    for row, sequence in enumerate(sequences):
        array[row, : len(sequence)] = sequence
    return array


def build(sequences: Sequences) -> Trie:
    array = padded(sequences)
    return Trie.build(array, [VOCABULARY] * array.shape[1])


def nested(sequences: Sequences) -> Nested:
    root: Nested = {}
    for sequence in sequences:
        node = root
        for token in sequence:
            node = node.setdefault(token, {})
    return root


@pytest.fixture(params=["dense", "sparse"])
def storage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every level as a dense table, or none."""
    monkeypatch.setattr(trie_module, "_SPARSE_BELOW", 0 if request.param == "dense" else 2)
    return request.param


def follow(tables: TrieTables, node: Nested, level: int, state: int) -> int:
    """Compare a state and all that follow it with a node of the dictionary; returns how many states that were."""
    states = torch.tensor([state])
    if not node:
        assert int(tables.groups_of(states)) >= 0
        return 1
    assert int(tables.groups_of(states)) == -1
    tokens, nexts = tables.children(level, states)
    found = {
        token: child
        for token, child in zip(tokens.expand_as(nexts)[0].tolist(), nexts[0].tolist(), strict=True)
        if child >= 0
    }
    assert list(found) == sorted(node)
    every = torch.arange(VOCABULARY)
    by_token = tables.advance(states.expand(VOCABULARY), every)
    assert by_token.tolist() == [found.get(token, -1) for token in range(VOCABULARY)]
    assert tables.vocabulary(level, states).states[0].tolist() == by_token.tolist()
    return 1 + sum(follow(tables, node[token], level + 1, child) for token, child in found.items())


@settings(deadline=None)
@given(sequences=catalogues)
@pytest.mark.usefixtures("storage")
def test_moves_as_nested_dictionaries_do(sequences: Sequences) -> None:
    trie = build(sequences)
    assert follow(trie.on("cpu"), nested(sequences), 0, 0) == trie.states


@settings(deadline=None)
@given(catalogues)
def test_a_final_state_gives_the_items_with_its_identifier_in_their_order(sequences: Sequences) -> None:
    trie = build(sequences)
    finals = trie.on("cpu").paths(torch.from_numpy(padded(sequences))).amax(dim=1)
    for sequence, group in zip(sequences, trie.on("cpu").groups_of(finals).tolist(), strict=True):
        items = trie.items[trie.group_indptr[group] : trie.group_indptr[group + 1]]
        assert items.tolist() == [item for item, other in enumerate(sequences) if other == sequence]
    assert trie.groups == len(set(sequences))


@settings(deadline=None)
@given(catalogues)
def test_a_prefix_leads_to_its_state(sequences: Sequences) -> None:
    trie = build(sequences)
    prefixes = [tuple(row[row >= 0].tolist()) for row in trie.prefixes()]
    assert set(prefixes) == {sequence[:end] for sequence in sequences for end in range(len(sequence) + 1)}
    tables = trie.on("cpu")
    for state, prefix in enumerate(prefixes):
        reached = torch.zeros((), dtype=torch.long)
        for token in prefix:
            reached = tables.advance(reached, torch.tensor(token))
        assert int(reached) == state


@given(catalogues, st.randoms())
def test_the_order_of_items_changes_nothing_but_their_numbers(sequences: Sequences, random: Any) -> None:
    shuffled = random.sample(list(enumerate(sequences)), len(sequences))
    items = np.array([item for item, _ in shuffled])
    array = padded(sequences)
    one, other = build(sequences), Trie.build(array[items], [VOCABULARY] * array.shape[1], items)
    assert one.tokens.tolist() == other.tokens.tolist()
    assert one.indptr.tolist() == other.indptr.tolist()
    assert one.group_indptr.tolist() == other.group_indptr.tolist()
    for start, stop in zip(one.group_indptr, one.group_indptr[1:], strict=False):
        assert set(one.items[start:stop]) == set(other.items[start:stop])


def test_states_are_numbered_level_by_level_in_the_order_of_their_sequences() -> None:
    trie = build([(1, 0), (0,), (1, 3, 2), (2, 2)])
    assert trie.level_offsets.tolist() == [0, 1, 4, 7, 8]
    paths = trie.on("cpu").paths(torch.tensor([[0, -1, -1], [1, 0, -1], [1, 3, 2], [2, 2, -1]]))
    assert paths.tolist() == [[0, 1, -1, -1], [0, 2, 4, -1], [0, 2, 5, 7], [0, 3, 6, -1]]
    assert trie.final_states.tolist() == [1, 4, 6, 7]


def test_an_item_may_have_several_identifiers() -> None:
    trie = Trie.build(np.array([[0, 1], [1, 1], [1, 2]]), [3, 3], np.array([7, 7, 4]))
    assert trie.items.tolist() == [7, 7, 4]


@pytest.mark.usefixtures("storage")
def test_outside_the_trie_nothing_follows() -> None:
    tables = build([(0, 1), (2,), (3, 4)]).on("cpu")
    outside = torch.tensor([[-1, -1]])
    assert (tables.children(1, outside).states == -1).all()
    assert (tables.vocabulary(1, outside).states == -1).all()
    assert tables.advance(outside, torch.tensor([[0, 4]])).tolist() == [[-1, -1]]
    assert tables.groups_of(outside).tolist() == [[-1, -1]]
    assert tables.advance(torch.tensor([0, 0, 1]), torch.tensor([-1, 99, 1])).tolist() == [-1, -1, 4]


def test_levels_may_have_vocabularies_of_different_sizes() -> None:
    tables = Trie.build(np.array([[1, 299], [0, 3]]), [2, 300]).on("cpu")
    assert tables.children(0, torch.tensor([0])).states.tolist() == [[1, 2]]
    assert tables.children(1, torch.tensor([1, 2])).tokens.tolist() == [[3], [299]]
    assert tables.vocabulary(1, torch.tensor([2])).states[0, 299] == 4


@pytest.mark.parametrize(
    ("sequences", "problem"),
    [
        ([[1, 2], [-1, -1]], "identifier 1 is empty"),
        ([[1, 2], [0, -1], [1, -1]], "identifier 2 is a prefix of identifier 0"),
        ([[1, 2], [1, 5]], "identifier 1 has a token outside the vocabulary of level 1, 0 to 4"),
        ([[1, 2], [1, -2]], "identifier 1 has a token outside"),
        ([[0, -1, 1], [1, 1, 1]], "identifier 0 goes on at level 2 after its end"),
        (np.empty((0, 3), np.int64), "no identifiers"),
        ([[0.5]], "must be integers"),
        ([0, 1], "must be integers of shape"),
    ],
)
def test_refuses_what_is_no_set_of_identifiers(sequences: Any, problem: str) -> None:
    array = np.array(sequences)
    with pytest.raises(BenchError, match=problem):
        Trie.build(array, [VOCABULARY] * array.shape[-1])


def test_refuses_a_number_of_vocabularies_that_is_not_that_of_levels() -> None:
    with pytest.raises(BenchError, match="1 vocabularies for 2 levels"):
        Trie.build(np.array([[0, 1]]), [5])


def test_finds_what_was_saved(tmp_path: Path) -> None:
    trie = build([(1, 0), (0,), (1, 3, 2), (0,)])
    trie.save(tmp_path)
    loaded = Trie.load(tmp_path)
    assert follow(loaded.on("cpu"), nested([(1, 0), (0,), (1, 3, 2)]), 0, 0) == trie.states
    assert loaded.items.tolist() == trie.items.tolist()
    assert loaded.nbytes == trie.nbytes


def test_loads_no_pickle(tmp_path: Path) -> None:
    build([(1, 0)]).save(tmp_path)
    np.save(tmp_path / "trie_tokens.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        Trie.load(tmp_path)
