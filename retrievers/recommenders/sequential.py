"""What recommenders share that train a network to expect the next item of a sequence."""

import json
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
from pydantic import Field

from bench import registry
from bench.collections.collection import Collection
from bench.collections.histories import training_sequences
from bench.models import pick_device
from retrievers.recommenders.losses import LossKind
from retrievers.recommenders.options import NextItemTrainingOptions
from retrievers.recommenders.sequences import Recommender, in_batches
from retrievers.recommenders.validation import Validation

if TYPE_CHECKING:
    from retrievers.recommenders.next_item import ItemTable, NextItemLoss, NextItemModel

_BATCH = 128


class NextItemRecommender(Recommender):
    """A network reads the history, and its last state gives every item a score.

    Each training item predicts the next one. The weights that are kept are those with the best figure on the split
    `valid`, whose items are otherwise not learnt; nothing is chosen on `test`.
    """

    dimension: int = Field(64, ge=2, description="size of the vectors")
    longest: int = Field(50, ge=1, description="latest items of a history that are read")
    dropout: float = Field(0.2, ge=0, lt=1, description="while training")
    training: NextItemTrainingOptions = Field(
        default_factory=NextItemTrainingOptions, description="how it is trained"
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:N or mps")

    @abstractmethod
    def network(self, items: int) -> "NextItemModel":
        """The network for a catalogue of so many items, with its weights as they start."""

    @abstractmethod
    def loss_of(self, model: Any) -> "NextItemLoss":
        """What the network that `network` made loses by not expecting the next item."""

    def fit(self, collection: Collection) -> Self:
        """Raises BenchError for a collection without sequences, or without the split `valid`."""
        import torch

        from retrievers.learning.trainer import train
        from retrievers.recommenders.next_item import next_item_plan

        super().fit(collection)
        sequences = [sequence for sequence in training_sequences(collection) if len(sequence) > 1]
        users = Validation.of(collection, registry.name_of(type(self)), self.training.valid_users, self.seed)
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self._model = self._placed()
            loss = self.loss_of(self._model)
            plan = next_item_plan(self._model, sequences, loss, self.training, lambda: self._judged(users), self.seed)
            self._training = train(self._model, plan, self.workplace, self.progress).as_data()
        self._model.keep_items()
        return self

    def _judged(self, users: Validation) -> dict[str, float]:
        return users.figures(lambda part: self.scores(users.histories[part]), self.training.learning_rate)

    def _placed(self) -> "NextItemModel":
        return self.network(len(self._rows)).to(pick_device(self.device))

    def copied_network(self) -> "NextItemModel":
        """After `fit`: a network with the same weights, for a system that goes on from there."""
        copied = self._placed()
        copied.load_state_dict(self._model.state_dict())
        return copied

    def scores(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        import torch

        def score(part: list[np.ndarray]) -> np.ndarray:
            return self._model.scores(part).cpu().numpy()

        self._model.eval()
        with torch.inference_mode():
            return in_batches(histories, len(self._rows), _BATCH, score)

    def save(self, folder: Path) -> None:
        from safetensors.torch import save_file

        super().save(folder)
        save_file(self._model.state_dict(), folder / "model.safetensors")
        (folder / "facts.json").write_text(json.dumps(self._training))

    def load(self, folder: Path) -> None:
        from safetensors.torch import load_file

        super().load(folder)
        self._model = self._placed()
        self._model.load_state_dict(load_file(folder / "model.safetensors"))
        self._model.keep_items()
        self._training = json.loads((folder / "facts.json").read_text())

    def facts(self) -> dict[str, Any]:
        weights = sum(weight.numel() for weight in self._model.parameters())
        return {
            "device": str(self._model.items.weight.device),
            "parameters_learned": weights,
            "training": self._training,
        }


class SequentialRecommender(NextItemRecommender):
    """The last state is compared with a vector of each item, which is also what is read of it."""

    loss: LossKind = Field(
        "sampled-softmax", description="cross-entropy over all items or over some, or of the next and one other (bce)"
    )
    negatives: int = Field(256, ge=1, description="loss=sampled-softmax: items that the next one stands against")
    item_dropout: float = Field(
        0.0, ge=0, lt=1, description="while training: of the items' vectors, alike where they are read and compared"
    )

    def loss_of(self, model: "NextItemModel") -> "NextItemLoss":
        """As `NextItemRecommender.loss_of`."""
        from retrievers.recommenders.losses import loss_of

        loss, items = loss_of(self.loss, self.negatives), cast("ItemTable", model.items)
        return lambda states, targets: loss(states, targets, items.compared)

    def item_table(self, items: int) -> "ItemTable":
        """The vectors of so many items, for the network."""
        from retrievers.recommenders.next_item import ItemTable

        return ItemTable(items, self.dimension, self.item_dropout)
