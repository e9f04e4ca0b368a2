"""Ada-Retrieval (Li et al. 2024, arXiv 2401.06633): several rounds, each knowing what those before have answered."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import Field, model_validator

from bench.collections.collection import Collection, Query
from bench.collections.histories import known_items, training_sequences
from bench.parts import Part
from bench.retriever import Retriever
from retrievers.composed.composed import Composed
from retrievers.recommenders.options import NextItemTrainingOptions
from retrievers.recommenders.sequential import NextItemRecommender
from retrievers.recommenders.validation import Validation
from retrievers.scoring import Scoring

if TYPE_CHECKING:
    from retrievers.recommenders.rounds import Rounds

_BATCH = 128


class AdaRetrieval(Composed, Scoring):
    """A page of answers of any network of sequences, then more pages, each asked for in view of those before.

    From the second round on the items of the history are read in the context of what was answered, and the user's
    vector moves away from where the rounds before have looked. The last round orders all that is left. Training goes
    on from the base's weights, as in the paper, and epoch 0 is the base itself. Unlike in the paper, adapters add to
    what the base knows, without a normalisation, and begin at nothing; each sequence is learned from one of its
    places in an epoch; and where items seldom come again, those of the history are on no page.
    """

    family = "recommender"

    base: Part = Field("sasrec", description="network of sequences, such as sasrec, gru4rec or hstu")
    rounds: int = Field(3, ge=2, le=20, description="times that the base is asked")
    page: int = Field(5, ge=1, description="answers that each round but the last gives")
    decay: float = Field(0.5, gt=0, le=1, description="weight of a round's loss, times that of the one before")
    dropout: float = Field(0.2, ge=0, lt=1, description="of what the adapters add, while training")
    training: NextItemTrainingOptions = Field(
        default_factory=NextItemTrainingOptions, description="how the rounds are trained, after the base"
    )

    @model_validator(mode="after")
    def _base_is_a_network(self) -> "AdaRetrieval":
        if not isinstance(self.base, NextItemRecommender):
            raise ValueError(
                f"base: {type(self.base).__name__} is no network of sequences; take sasrec, gru4rec, hstu, rpg, "
                "two-tower, ilm or sid-features"
            )
        return self

    def named(self) -> Mapping[str, Retriever]:
        return {"base": self.base}

    def fit(self, collection: Collection) -> Self:
        """Raises BenchError for a collection without sequences, or without the split `valid`."""
        import torch

        from retrievers.learning.trainer import train
        from retrievers.recommenders.rounds import rounds_plan

        super().fit(collection)
        sequences = [sequence for sequence in training_sequences(collection) if len(sequence) > 1]
        users = Validation.of(collection, "ada-retrieval", self.training.valid_users, self.seed)
        self._hides = users.hide
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self._model = self._untrained()
            loss = self.base.loss_of(self._model.base)
            plan = rounds_plan(
                self._model,
                loss,
                sequences,
                self._hides,
                self.decay,
                self.training,
                lambda: self._judged(users),
                self.seed,
            )
            self._training = train(self._model, plan, self.workplace, self.progress).as_data()
        return self

    def _untrained(self) -> "Rounds":
        from retrievers.recommenders.rounds import Rounds

        network = self.base.copied_network()
        return Rounds(network, self.rounds, self.page, self.dropout).to(network.items.weight.device)

    def _judged(self, users: Validation) -> dict[str, float]:
        return users.figures(lambda part: self.scores(users.histories[part]), self.training.learning_rate)

    @property
    def documents(self) -> int:
        return len(self._documents)

    def read(self, queries: Sequence[Query]) -> list[np.ndarray]:
        """The known items of each history."""
        return known_items(queries, self._documents.rows)

    def scores(self, read: Sequence[np.ndarray]) -> np.ndarray:
        """Shape [histories, items]: not what the base gives them, but what puts them in the order of the rounds."""
        import torch

        from retrievers.recommenders.rounds import allowed, ordered

        scores = np.full((len(read), self.documents), -np.inf)
        some = [place for place, history in enumerate(read) if len(history)]
        self._model.eval()
        with torch.inference_mode():
            for start in range(0, len(some), _BATCH):
                part = some[start : start + _BATCH]
                histories = [read[place] for place in part]
                may = allowed(histories, self.documents, self._hides).to(self._model.gain.device)
                scores[part] = ordered(self._model(histories, may))
        return scores

    def answer_seconds(self) -> Mapping[str, float]:
        """Nothing: no part of an answer is the base's alone."""
        return {}

    def save(self, folder: Path) -> None:
        from safetensors.torch import save_file

        super().save(folder)
        save_file(self._model.state_dict(), folder / "rounds.safetensors")
        (folder / "facts.json").write_text(json.dumps({"training": self._training, "hides": self._hides}))

    def load(self, folder: Path) -> None:
        from safetensors.torch import load_file

        super().load(folder)
        self._model = self._untrained()
        self._model.load_state_dict(load_file(folder / "rounds.safetensors"))
        facts = json.loads((folder / "facts.json").read_text())
        self._training, self._hides = facts["training"], facts["hides"]

    def facts(self) -> dict[str, Any]:
        learned = sum(weight.numel() for weight in self._model.parameters())
        return {**super().facts(), "parameters_learned": learned, "training": self._training}
