"""Renaming items: a system that reads the answer from their ids is caught, and one that does not is not."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from bench.collections.collection import Collection, Query
from bench.rankings import Rankings
from bench.retriever import Retriever
from bench.tasks.id_audit import audit_ids, rename_items
from bench.tasks.next_item import NextItem
from retrievers.recommenders.item_knn import ItemKNN
from retrievers.recommenders.markov import Markov
from retrievers.recommenders.popularity import Popularity

MakeSequences = Callable[..., Collection]


class ReadsNumbers(Retriever):
    """Takes ids for numbers and recommends those after the last one."""

    def fit(self, collection: Collection) -> None:
        self.numbers = np.array([int(item.strip("i")) for item in collection.documents.ids()])

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        last = np.array([int(query.history[-1].strip("i")) for query in queries])
        distance = (self.numbers[None] - last[:, None] - 1) % len(self.numbers)
        return Rankings.from_scores(queries, -distance.astype(float), k)


@pytest.fixture
def numbered(make_sequences: MakeSequences) -> Collection:
    """Items numbered in the order in which they are first seen, users being walked through one by one."""
    generator = np.random.default_rng(0)
    walks = [(generator.integers(200) + np.cumsum(generator.integers(1, 9, size=8))) % 200 for _ in range(150)]
    numbers: dict[int, str] = {}
    named = [[numbers.setdefault(int(item), f"{len(numbers):03}") for item in walk] for walk in walks]
    return make_sequences({f"u{place}": walk for place, walk in enumerate(named)})


def test_a_system_that_reads_ids_is_caught(numbered: Collection, tmp_path: Path) -> None:
    audit = audit_ids(ReadsNumbers, numbered, NextItem(), tmp_path)
    assert audit.measure == "Recall@10"
    assert audit.leaks
    assert audit.given > 2 * max(audit.renamed)


@pytest.mark.parametrize("system", [Popularity, Markov, ItemKNN])
def test_recommenders_do_not_depend_on_ids(numbered: Collection, tmp_path: Path, system: type[Retriever]) -> None:
    audit = audit_ids(system, numbered, NextItem(), tmp_path)
    assert not audit.leaks
    assert len(audit.renamed) == 3
    assert audit.noise < 0.1


def test_renaming_changes_names_and_order_and_nothing_else(numbered: Collection, tmp_path: Path) -> None:
    renamed = rename_items(numbered, tmp_path, seed=1)
    assert renamed.documents.ids() == sorted(renamed.documents.ids())
    back = {}
    for mine, theirs in zip(numbered.queries("test"), renamed.queries("test"), strict=True):
        assert (mine.id, mine.text) == (theirs.id, theirs.text)
        back.update(zip(theirs.history, mine.history, strict=True))
    assert len(set(back.values())) == len(back)
    for split in numbered.splits:
        for place in range(len(numbered.queries(split))):
            mine = numbered.documents.ids(numbered.qrels(split).of(place)[0])
            theirs = renamed.documents.ids(renamed.qrels(split).of(place)[0])
            assert [back.setdefault(item, mine[0]) for item in theirs] == mine
    titles = {document.title for document in renamed.documents}
    assert titles == {document.title for document in numbered.documents}
    assert renamed.documents.ids()[0] == "i000"
