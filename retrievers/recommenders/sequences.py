"""What the recommenders share: who had what, histories as rows, a saved index of plain arrays."""

import json
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from bench.collections.collection import Collection, Query
from bench.collections.histories import known_items, training_sequences
from retrievers.scoring import Scoring

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def ownership(sequences: Sequence[np.ndarray], items: int) -> "csr_array":
    """Shape [sequences, items]: 1 where a sequence has an item, however often."""
    from scipy.sparse import coo_array

    owned = [np.unique(sequence) for sequence in sequences]
    owners = np.repeat(np.arange(len(owned)), [len(rows) for rows in owned])
    pairs = (owners, np.concatenate([*owned, np.arange(0)]))
    return coo_array((np.ones(len(owners)), pairs), shape=(len(owned), items)).tocsr()


def in_batches(
    histories: Sequence[np.ndarray], items: int, size: int | None, score: Callable[[list[np.ndarray]], np.ndarray]
) -> np.ndarray:
    """Float32 of shape [histories, items]: what `score` gives for so many, or all, at a time; -inf for empty ones."""
    scores = np.full((len(histories), items), -np.inf, dtype=np.float32)
    some = [place for place, history in enumerate(histories) if len(history)]
    at_once = size or max(1, len(some))
    for start in range(0, len(some), at_once):
        part = some[start : start + at_once]
        scores[part] = score([histories[place] for place in part])
    return scores


class Recommender(Scoring):
    """Scores items for a history of items; the text of a query is not read."""

    family = "recommender"
    cells: ClassVar[int] = 2**22

    @property
    def trained(self) -> bool:
        return True

    @abstractmethod
    def scores(self, histories: Sequence[np.ndarray]) -> "np.ndarray | csr_array":
        """Shape [histories, items], from rows of items; -inf, or what a sparse matrix lacks, is no answer."""

    @abstractmethod
    def fit(self, collection: Collection) -> Self:
        self._rows = collection.documents.rows
        return self

    @property
    def documents(self) -> int:
        return len(self._rows)

    def read(self, queries: Sequence[Query]) -> list[np.ndarray]:
        """The known items of each history."""
        return known_items(queries, self._rows)

    def save(self, folder: Path) -> None:
        (folder / "items.json").write_text(json.dumps(list(self._rows)), encoding="utf-8")

    def load(self, folder: Path) -> None:
        items = json.loads((folder / "items.json").read_text(encoding="utf-8"))
        self._rows = {item: row for row, item in enumerate(items)}


class Counting(Recommender):
    """A recommender that learns by counting, once over the data; what it learns is arrays."""

    @property
    def deterministic(self) -> bool:
        return True

    @abstractmethod
    def learn(self, sequences: Sequence[np.ndarray], size: int) -> dict[str, np.ndarray]:
        """Arrays that `scores` needs, from the rows of each user's items, oldest first, in a catalogue of `size`."""

    def fit(self, collection: Collection) -> Self:
        super().fit(collection)
        self._learned = self.learn(training_sequences(collection), len(self._rows))
        return self

    def save(self, folder: Path) -> None:
        super().save(folder)
        for name, array in self._learned.items():
            np.save(folder / f"{name}.npy", array)

    def load(self, folder: Path) -> None:
        super().load(folder)
        self._learned = {path.stem: np.load(path, allow_pickle=False) for path in folder.glob("*.npy")}
