"""What recommenders share that give each user a vector, learned from pairs of items (Rendle et al. 2009)."""

import json
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection, Query
from bench.collections.histories import training_sequences
from bench.models import pick_device
from retrievers.recommenders.options import PairwiseTrainingOptions
from retrievers.recommenders.sequences import Recommender
from retrievers.recommenders.validation import Validation

if TYPE_CHECKING:
    from retrievers.recommenders.factors import Factors

_VECTORS = ("users", "items")


class PairwiseRecommender(Recommender):
    """Items by the inner product of their vectors with the user's, who is known by id; the history is not read.

    A user who is not in the training sequences gets no answer. The weights that are kept are those with the best
    figure on the split `valid`.
    """

    dimension: int = Field(64, ge=1, description="size of the vectors")
    training: PairwiseTrainingOptions = Field(
        default_factory=PairwiseTrainingOptions, description="how they are trained"
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:N or mps")

    @abstractmethod
    def network(self, users: int, items: int, owned: np.ndarray) -> "Factors":
        """The vectors as they start; `owned`, of shape [2, interactions], has each user with an item once."""

    def fit(self, collection: Collection) -> Self:
        """Raises BenchError for a collection without sequences, or without the split `valid`."""
        import torch

        from retrievers.learning.trainer import train
        from retrievers.recommenders.factors import pairwise_plan

        super().fit(collection)
        sequences = training_sequences(collection)
        asked = [query.user for query in collection.asking("users").queries("train")]
        self._users = {user: row for row, user in enumerate(dict.fromkeys(asked))}
        users = Validation.of(collection, type(self).__name__.lower(), self.training.valid_users, self.seed)
        owners = np.repeat([self._users[user] for user in asked], list(map(len, sequences)))
        owned = np.unique([owners, np.concatenate(sequences)], axis=1)
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            model = self.network(len(self._users), len(self._rows), owned).to(pick_device(self.device))
            plan = pairwise_plan(model, owned, self.training, lambda: self._judged(model, users), self.seed)
            self._training = train(model, plan, self.workplace, self.progress).as_data()
        self._hold(model)
        return self

    def _hold(self, model: "Factors") -> None:
        """Keep the vectors that are compared."""
        self._vectors = dict(zip(_VECTORS, model.final_arrays(), strict=True))

    def _judged(self, model: "Factors", users: Validation) -> dict[str, float]:
        self._hold(model)
        rows = self.read(users.queries)
        return users.figures(lambda part: self.scores(rows[part]), self.training.learning_rate)

    def read(self, queries: Sequence[Query]) -> list[np.ndarray]:
        """The row of each user, alone; nothing for one who is not known."""
        rows = (self._users.get(query.user) for query in queries)
        return [np.array([] if row is None else [row], dtype=np.int64) for row in rows]

    def scores(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        known = np.array([len(rows) > 0 for rows in histories])
        scores = np.full((len(histories), len(self._rows)), -np.inf, dtype=np.float32)
        if known.any():
            scores[known] = self._vectors["users"][np.concatenate(histories)] @ self._vectors["items"].T
        return scores

    def save(self, folder: Path) -> None:
        super().save(folder)
        for name, vectors in self._vectors.items():
            np.save(folder / f"{name}.npy", vectors)
        (folder / "users.json").write_text(json.dumps(list(self._users)), encoding="utf-8")
        (folder / "facts.json").write_text(json.dumps(self._training))

    def load(self, folder: Path) -> None:
        super().load(folder)
        self._vectors = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in _VECTORS}
        users = json.loads((folder / "users.json").read_text(encoding="utf-8"))
        self._users = {user: row for row, user in enumerate(users)}
        self._training = json.loads((folder / "facts.json").read_text())

    def facts(self) -> dict[str, Any]:
        return {
            "parameters_learned": sum(vectors.size for vectors in self._vectors.values()),
            "training": self._training,
        }
