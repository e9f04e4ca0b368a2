"""What the recommenders share: training sequences, known histories, a saved index of plain arrays."""

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.rankings import Rankings
from bench.retriever import Retriever

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_CELLS = 2**22
"""Scores held at once, which bounds a batch of queries."""


def training_sequences(collection: Collection) -> list[np.ndarray]:
    """Rows of the items of each user, oldest first: the histories of the split `train`, each with its target.

    Raises BenchError for a collection without sequences.
    """
    asked = collection.queries("train") if "train" in collection.splits else []
    if not any(query.history for query in asked):
        raise BenchError(
            f"{collection.name} has no sequences to learn from; give recommenders a collection of sequences, such as "
            "pycalls or recbole:FOLDER"
        )
    targets = collection.qrels("train")
    histories = known_items(asked, collection.documents.rows)
    return [np.concatenate([history, targets.of(place)[0]]) for place, history in enumerate(histories)]


def known_items(queries: Sequence[Query], rows: Mapping[str, int]) -> list[np.ndarray]:
    """Rows of the items of each history, oldest first; ids that `rows` lacks are passed over."""
    return [np.array([rows[item] for item in query.history if item in rows], dtype=np.int64) for query in queries]


def ownership(sequences: Sequence[np.ndarray], items: int) -> "csr_array":
    """Shape [sequences, items]: 1 where a sequence has an item, however often."""
    from scipy.sparse import coo_array

    owned = [np.unique(sequence) for sequence in sequences]
    owners = np.repeat(np.arange(len(owned)), [len(rows) for rows in owned])
    pairs = (owners, np.concatenate([*owned, np.arange(0)]))
    return coo_array((np.ones(len(owners)), pairs), shape=(len(owned), items)).tocsr()


class Recommender(Retriever):
    """Scores items for a history of items; the text of a query is not read."""

    family = "recommender"

    @property
    def trained(self) -> bool:
        return True

    @abstractmethod
    def scores(self, histories: Sequence[np.ndarray]) -> "np.ndarray | csr_array":
        """Shape [histories, items], from rows of items; -inf, or what a sparse matrix lacks, is no answer."""

    @abstractmethod
    def fit(self, collection: Collection) -> None:
        self._rows = collection.documents.rows

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        histories = known_items(queries, self._rows)
        step = max(1, _CELLS // len(self._rows))
        parts = []
        for start in range(0, len(queries), step):
            span = slice(start, start + step)
            parts.append(Rankings.from_scores(queries[span], self.scores(histories[span]), k))
            self.progress("retrieving", min(span.stop, len(queries)), len(queries))
        return Rankings.concatenate(parts)

    def save(self, folder: Path) -> None:
        (folder / "items.json").write_text(json.dumps(list(self._rows)), encoding="utf-8")

    def load(self, folder: Path) -> None:
        items = json.loads((folder / "items.json").read_text(encoding="utf-8"))
        self._rows = {item: row for row, item in enumerate(items)}


class Counting(Recommender):
    """A recommender that learns by counting, once over the data; what it learns is arrays."""

    @abstractmethod
    def learn(self, sequences: Sequence[np.ndarray], size: int) -> dict[str, np.ndarray]:
        """Arrays that `scores` needs, from the rows of each user's items, oldest first, in a catalogue of `size`."""

    def fit(self, collection: Collection) -> None:
        super().fit(collection)
        self._learned = self.learn(training_sequences(collection), len(self._rows))

    def save(self, folder: Path) -> None:
        super().save(folder)
        for name, array in self._learned.items():
            np.save(folder / f"{name}.npy", array)

    def load(self, folder: Path) -> None:
        super().load(folder)
        self._learned = {path.stem: np.load(path, allow_pickle=False) for path in folder.glob("*.npy")}
