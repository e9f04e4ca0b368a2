"""What every system that learns promises of its answers: they are saved with it, its seed alone decides them, and
nobody unknown gets any."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from bench.collections.collection import Collection, Query
from bench.protocols import Saves
from bench.retriever import Retriever


def check_saved(system: Retriever, again: Retriever, queries: Sequence[Query], folder: Path) -> None:
    """A fresh system of the same options that loads what the fitted one has saved is that one."""
    assert isinstance(system, Saves)
    assert isinstance(again, Saves)
    system.save(folder)
    again.load(folder)
    before, after = (one.retrieve(queries, 5) for one in (system, again))
    np.testing.assert_array_equal(before.rows, after.rows)
    np.testing.assert_array_equal(before.scores, after.scores)
    assert again.facts() == system.facts()


def check_seeded(fitted: Callable[[int], Retriever], queries: Sequence[Query]) -> None:
    """Systems that are fitted with the same seed answer alike, and others not."""
    first, same, other = (fitted(seed).retrieve(queries, 5) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.scores, same.scores)
    assert not np.array_equal(first.scores, other.scores)


def check_unknown(system: Retriever) -> None:
    """Of a system that knows twelve months: who has had none of them gets no answer, anybody else does."""
    answers = system.retrieve([Query("a", "", ("elsewhere",)), Query("b", "", ("month-03",))], 5)
    assert answers.lengths.tolist() == [0, 5]


def without_texts(make_sequences: Callable[..., Collection]) -> Collection:
    """Eight walks along four items whose titles have no word."""
    return make_sequences({f"u{n}": ["-" * (1 + (n + step) % 4) for step in range(6)] for n in range(8)})
