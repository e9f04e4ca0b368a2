"""Identifiers as a tree of tables, so that a whole batch of beams moves at once without Python for each.

Dense tables near the root, compressed sparse rows below (STATIC, arXiv 2602.22647).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bench.errors import BenchError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_DENSE_CELLS = 2**21
"""Largest dense table of a level (16 MB)."""

_SPARSE_BELOW = 1 / 4
"""A level is not dense if no state has more children than this part of the vocabulary: lists of them are shorter."""


@dataclass(frozen=True)
class Trie:
    """A tree of token sequences, none of which is a prefix of another.

    States are numbered level by level, and within a level in the order of their sequences; 0 is the root. The edges
    of state s are `tokens[indptr[s]:indptr[s + 1]]`, ascending, and because of the numbering edge e leads to state
    e + 1. A state without edges is final; the g-th of them ends the identifier of group g, whose items are
    `items[group_indptr[g]:group_indptr[g + 1]]`: several where items share an identifier.

    vocabularies: tokens of level l are 0 to vocabularies[l] - 1
    level_offsets: states of level l are level_offsets[l] to level_offsets[l + 1] - 1; there is one level of states
        more than of tokens
    """

    vocabularies: np.ndarray
    level_offsets: np.ndarray
    indptr: np.ndarray
    tokens: np.ndarray
    group_indptr: np.ndarray
    items: np.ndarray

    @classmethod
    def build(cls, sequences: np.ndarray, vocabularies: Sequence[int], items: np.ndarray | None = None) -> "Trie":
        """From integers of shape [n, levels], with -1 after the end of a shorter sequence.

        `items[i]` is the item that sequence i names (default: i); an item may have several names. Items that share
        a name keep their order. Raises BenchError for no or empty sequences, tokens outside a level's vocabulary,
        and a sequence that is a prefix of another.
        """
        _check(sequences, vocabularies)
        items = np.arange(len(sequences)) if items is None else items
        order = np.lexsort(sequences.T[::-1])
        ends, offsets, degrees, tokens = _grow(sequences, order)
        last = np.argsort(ends, kind="stable")
        _, group_sizes = np.unique(ends[last], return_counts=True)
        return cls(
            vocabularies=np.array(vocabularies, dtype=np.int64),
            level_offsets=offsets,
            indptr=_offsets_of(degrees),
            tokens=tokens,
            group_indptr=_offsets_of(group_sizes),
            items=np.asarray(items)[order[last]].astype(np.int32),
        )

    @property
    def levels(self) -> int:
        """Tokens of the longest identifier."""
        return len(self.level_offsets) - 2

    @property
    def states(self) -> int:
        """How many states there are."""
        return int(self.level_offsets[-1])

    @property
    def groups(self) -> int:
        """How many different identifiers there are."""
        return len(self.group_indptr) - 1

    @cached_property
    def distinct_items(self) -> int:
        """How many different items there are."""
        return len(np.unique(self.items))

    @property
    def final_states(self) -> np.ndarray:
        """Shape [groups]: the state that ends each identifier."""
        return np.flatnonzero(np.diff(self.indptr) == 0)

    def prefixes(self) -> np.ndarray:
        """The tokens that lead to each state, int64 of shape [states, levels], -1 after the last."""
        found = np.full((self.states, self.levels), -1, dtype=np.int64)
        parents = np.repeat(np.arange(self.states), np.diff(self.indptr))
        for level, (first, last) in enumerate(pairwise(self.level_offsets[1:].tolist())):
            edges = slice(first - 1, last - 1)
            found[first:last] = found[parents[edges]]
            found[first:last, level] = self.tokens[edges]
        return found

    @property
    def nbytes(self) -> int:
        """Size of the arrays in bytes."""
        return sum(getattr(self, field.name).nbytes for field in fields(self))

    def on(self, device: "torch.device | str") -> "TrieTables":
        """The tables with which beams move, on a device."""
        return TrieTables(self, device)

    def save(self, folder: Path) -> None:
        """Write one file for each array."""
        for field in fields(self):
            np.save(folder / f"trie_{field.name}.npy", getattr(self, field.name))

    @classmethod
    def load(cls, folder: Path) -> "Trie":
        """Read what `save` wrote."""
        arrays = (np.load(folder / f"trie_{field.name}.npy", allow_pickle=False) for field in fields(cls))
        return cls(*arrays)


class Children(NamedTuple):
    """Candidates for the next token of a batch of states.

    tokens: shape [width] where all states share one list (a whole vocabulary), else [..., width]
    states: shape [..., width]; -1 where the token leads nowhere
    """

    tokens: "Tensor"
    states: "Tensor"

    def pick(self, logits: "Tensor") -> "Tensor":
        """Shape [..., width]: the entries of these tokens in logits of shape [..., vocabulary]."""
        if self.tokens.dim() == 1:
            return logits[..., : len(self.tokens)]
        return logits.gather(-1, self.tokens.expand(*logits.shape[:-1], -1))

    def split(self, shape: Sequence[int], rows: int) -> Iterator["Children"]:
        """The same for states of this shape, to which these can be expanded; so many rows of them at a time."""
        states = self.states.expand(*shape, -1).flatten(0, -2).split(rows)
        if self.tokens.dim() == 1:
            return (Children(self.tokens, part) for part in states)
        return map(Children, self.tokens.expand(*shape, -1).flatten(0, -2).split(rows), states)

    def spread(self, values: "Tensor", vocabulary: int, missing: float) -> "Tensor":
        """Shape [..., vocabulary]: the values, one for each of these tokens, and `missing` for all others."""
        if self.tokens.dim() == 1:
            return values
        places = self.tokens.masked_fill(self.states < 0, vocabulary).expand_as(values)
        return values.new_full((*values.shape[:-1], vocabulary + 1), missing).scatter_(-1, places, values)[
            ..., :vocabulary
        ]


class TrieTables:
    """A trie as tensors. States and tokens are int64 tensors of any equal shape; state -1 is outside the trie."""

    def __init__(self, trie: Trie, device: "torch.device | str") -> None:
        import torch

        self.trie = trie
        self.device = torch.device(device)
        self.levels = trie.levels
        self.vocabularies = trie.vocabularies.tolist()
        degrees = np.diff(trie.indptr)
        per_level = [degrees[a:b] for a, b in zip(trie.level_offsets, trie.level_offsets[1:], strict=False)]
        self.widths = [len(level) for level in per_level]
        self.inner = [int(np.count_nonzero(level)) for level in per_level]
        self.branches = [int(level.max()) for level in per_level]
        self.level_offsets = trie.level_offsets.tolist()

        groups = np.full(trie.states + 1, -1, dtype=np.int32)  # the last is for state -1
        groups[trie.final_states] = np.arange(trie.groups)
        self._stride = max(self.vocabularies)
        edges = np.repeat(np.arange(trie.states), degrees)
        edges *= self._stride
        edges += trie.tokens
        self._indptr, self._tokens, self._groups, self._edges = (
            torch.tensor(array, device=self.device) for array in (trie.indptr, trie.tokens, groups, edges)
        )
        self._dense = {level: self._table(level) for level in range(self.levels) if self._is_dense(level)}

    @property
    def nbytes(self) -> int:
        """Size of the tensors in bytes."""
        return sum(t.nbytes for t in (self._indptr, self._tokens, self._groups, self._edges, *self._dense.values()))

    def facts(self) -> dict[str, int]:
        """What there is to tell of the identifiers."""
        return {
            "identifier_levels": self.levels,
            "identifiers": self.trie.groups,
            "largest_group": int(np.diff(self.trie.group_indptr).max()),
        }

    def _is_dense(self, level: int) -> bool:
        vocabulary = self.vocabularies[level]
        small = self.widths[level] * vocabulary <= _DENSE_CELLS
        return small and self.branches[level] >= vocabulary * _SPARSE_BELOW

    def _table(self, level: int) -> "Tensor":
        """Next states of shape [states of the level + 1, vocabulary]; the last row is for state -1."""
        import torch

        start, stop = self.level_offsets[level : level + 2]
        first, last = self._indptr[[start, stop]].tolist()
        table = torch.full((stop - start + 1, self.vocabularies[level]), -1, device=self.device)
        edges = self._edges[first:last]
        table[edges // self._stride - start, edges % self._stride] = torch.arange(first, last, device=self.device) + 1
        return table

    def children(self, level: int, states: "Tensor") -> Children:
        """The children of states of one level: a row of its dense table where it has one, else lists."""
        import torch

        if level in self._dense:
            rows = torch.where(states < 0, self.widths[level], states - self.level_offsets[level])
            return Children(torch.arange(self.vocabularies[level], device=self.device), self._dense[level][rows])
        states = torch.where(states < 0, self.trie.states - 1, states)  # the last state has no children
        edges = self._indptr[states].long()[..., None] + torch.arange(self.branches[level], device=self.device)
        there = edges < self._indptr[states + 1][..., None]
        tokens = self._tokens[edges.clamp(max=len(self._tokens) - 1)].long()
        return Children(tokens, torch.where(there, edges + 1, -1))

    def vocabulary(self, level: int, states: "Tensor") -> Children:
        """As `children`, but every token of the level's vocabulary in order, wherever it leads."""
        import torch

        children, size = self.children(level, states), self.vocabularies[level]
        return Children(torch.arange(size, device=self.device), children.spread(children.states, size, -1))

    def groups_of(self, states: "Tensor") -> "Tensor":
        """The groups whose identifiers end in these states, -1 where none ends."""
        return self._groups[states].long()

    def has_complete(self, level: int) -> bool:
        """Whether some state of the level is final."""
        return self.inner[level] < self.widths[level]

    def advance(self, states: "Tensor", tokens: "Tensor") -> "Tensor":
        """The states that the tokens lead to, -1 where the trie has none."""
        import torch

        wanted = torch.where(states < 0, -1, states * self._stride + tokens)
        edges = torch.searchsorted(self._edges, wanted).clamp(max=len(self._edges) - 1)
        valid = (self._edges[edges] == wanted) & (tokens >= 0) & (tokens < self._stride)
        return torch.where(valid, edges + 1, -1)

    def paths(self, sequences: "Tensor") -> "Tensor":
        """Shape [n, levels + 1]: the states that sequences of shape [n, levels] pass, from the root on."""
        import torch

        states = [torch.zeros_like(sequences[:, 0])]
        for tokens in sequences.unbind(1):
            states.append(self.advance(states[-1], tokens))
        return torch.stack(states, dim=1)


def _check(sequences: np.ndarray, vocabularies: Sequence[int]) -> None:
    if sequences.ndim != 2 or not np.issubdtype(sequences.dtype, np.integer):
        given = f"{sequences.dtype} of shape {list(sequences.shape)}"
        raise BenchError(f"identifiers must be integers of shape [items, levels], not {given}")
    if 0 in sequences.shape:
        raise BenchError("there are no identifiers to build a trie from; give at least one item and one level")
    if len(vocabularies) != sequences.shape[1]:
        raise BenchError(f"{len(vocabularies)} vocabularies for {sequences.shape[1]} levels; give one for each level")
    _refuse(sequences[:, 0] < 0, "is empty; give it at least one token")
    for level, size in enumerate(vocabularies):
        column = sequences[:, level]
        _refuse(
            (column < -1) | (column >= size),
            f"has a token outside the vocabulary of level {level}, 0 to {size - 1}; only the end is padded, with -1",
        )
        if level:
            _refuse((column >= 0) & (sequences[:, level - 1] < 0), f"goes on at level {level} after its end")


def _refuse(wrong: np.ndarray, problem: str) -> None:
    if wrong.any():
        raise BenchError(f"identifier {int(wrong.argmax())} {problem}")


def _grow(sequences: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The final state of each sequence in sorted order; offsets of levels; degrees of states; tokens of edges."""
    is_first = np.zeros(len(order), dtype=bool)  # first of the sequences with its prefix
    is_first[0] = True
    states = np.zeros(len(order), dtype=np.int32)
    offsets, degrees, tokens = [0, 1], [], []
    for level in range(sequences.shape[1]):
        column = sequences[:, level][order]
        is_first[1:] |= column[1:] != column[:-1]
        goes_on = column >= 0
        first = np.flatnonzero(is_first & goes_on)
        if not len(first):
            break
        start, stop = offsets[-2:]
        degrees.append(np.bincount(states[first] - start, minlength=stop - start).astype(np.int32))
        _refuse_prefixes(states, start, degrees[-1], goes_on, order)
        tokens.append(column[first].astype(np.int32))
        states[goes_on] = stop - 1 + np.cumsum(is_first[goes_on])
        offsets.append(stop + len(first))
    degrees.append(np.zeros(offsets[-1] - offsets[-2], dtype=np.int32))
    return states, np.array(offsets), np.concatenate(degrees), np.concatenate(tokens)


def _refuse_prefixes(
    states: np.ndarray, start: int, degrees: np.ndarray, goes_on: np.ndarray, order: np.ndarray
) -> None:
    ended = np.flatnonzero(~goes_on & (states >= start))
    wrong = ended[degrees[states[ended] - start] > 0]
    if len(wrong):
        longer = np.flatnonzero(goes_on & (states == states[wrong[0]]))[0]
        raise BenchError(
            f"identifier {order[wrong[0]]} is a prefix of identifier {order[longer]}; give both an end token"
        )


def _offsets_of(sizes: np.ndarray) -> np.ndarray:
    offsets = np.zeros(len(sizes) + 1, dtype=np.int32)
    np.cumsum(sizes, out=offsets[1:])
    return offsets
