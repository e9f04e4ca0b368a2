"""SASRec (Kang and McAuley 2018, "Self-attentive sequential recommendation") with cross-entropy over all items."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import Field, model_validator

from bench.collections.collection import Collection
from bench.collections.histories import known_items, training_sequences
from bench.errors import BenchError
from bench.models import pick_device
from retrievers.recommenders.options import AttentionTrainingOptions
from retrievers.recommenders.sequences import Recommender

if TYPE_CHECKING:
    from retrievers.recommenders.transformer import Transformer

_BATCH = 256


class SASRec(Recommender):
    """Self-attention over the history; the loss is cross-entropy over the whole catalogue, not a sampled one.

    Each training item predicts the next one. The weights that are kept are those with the highest nDCG@10 on the
    split `valid`, whose items are otherwise not learnt; nothing is chosen on `test`.
    """

    dimension: int = Field(64, ge=2, description="size of the vectors; a multiple of `heads`")
    layers: int = Field(2, ge=1, description="layers of self-attention")
    heads: int = Field(2, ge=1, description="heads of each layer")
    longest: int = Field(50, ge=1, description="latest items of a history that are read")
    dropout: float = Field(0.4, ge=0, lt=1, description="while training")
    training: AttentionTrainingOptions = Field(
        default_factory=AttentionTrainingOptions, description="how it is trained"
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:N or mps")

    @model_validator(mode="after")
    def _heads_share_the_dimension(self) -> "SASRec":
        if self.dimension % self.heads:
            raise ValueError(f"dimension {self.dimension} is no multiple of heads {self.heads}")
        return self

    def fit(self, collection: Collection) -> Self:
        """Raises BenchError for a collection without sequences, or without the split `valid`."""
        import torch

        from retrievers.learning.trainer import train
        from retrievers.recommenders.transformer import next_item_plan

        super().fit(collection)
        sequences = [sequence for sequence in training_sequences(collection) if len(sequence) > 1]
        if "valid" not in collection.splits:
            raise BenchError(
                f"{collection.name}: sasrec chooses its weights on the split 'valid', which is evaluated or absent "
                "here; use ?split=test, or item-knn"
            )
        asked, targets = collection.queries("valid"), collection.qrels("valid").rows
        histories = known_items(asked, self._rows)
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self._model = self._network(len(self._rows))
            plan = next_item_plan(
                self._model, sequences, self.training, lambda: self._ndcg(histories, targets), self.seed
            )
            self._training = train(self._model, plan, self.workplace, self.progress).as_data()
        return self

    def _network(self, items: int) -> "Transformer":
        from retrievers.recommenders.transformer import Shape, Transformer

        shape = Shape(items, self.dimension, self.layers, self.heads, self.longest, self.dropout)
        return Transformer(shape).to(pick_device(self.device))

    def _ndcg(self, histories: Sequence[np.ndarray], targets: np.ndarray) -> float:
        """Mean nDCG@10 of one target each among all items; equal scores count against it.

        Every history must have an item. Raises BenchError for scores that are not finite.
        """
        gains = []
        for start in range(0, len(histories), _BATCH):
            scores = self.scores(histories[start : start + _BATCH])
            of_target = scores[np.arange(len(scores)), targets[start : start + _BATCH]]
            if not np.isfinite(of_target).all():
                raise BenchError(f"sasrec diverged; lower training.learning_rate ({self.training.learning_rate:g})")
            ranks = (scores >= of_target[:, None]).sum(axis=1)
            gains.append(np.where(ranks <= 10, 1 / np.log2(ranks + 1), 0.0))
        return float(np.concatenate(gains).mean())

    def scores(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        import torch

        scores = np.full((len(histories), len(self._rows)), -np.inf, dtype=np.float32)
        some = [place for place, history in enumerate(histories) if len(history)]
        self._model.eval()
        with torch.inference_mode():
            for start in range(0, len(some), _BATCH):
                part = some[start : start + _BATCH]
                states = self._model.last_states([histories[place] for place in part])
                scores[part] = self._model.item_scores(states).cpu().numpy()
        return scores

    def save(self, folder: Path) -> None:
        from safetensors.torch import save_file

        super().save(folder)
        save_file(self._model.state_dict(), folder / "model.safetensors")
        (folder / "facts.json").write_text(json.dumps(self._training))

    def load(self, folder: Path) -> None:
        from safetensors.torch import load_file

        super().load(folder)
        self._model = self._network(len(self._rows))
        self._model.load_state_dict(load_file(folder / "model.safetensors"))
        self._training = json.loads((folder / "facts.json").read_text())

    def facts(self) -> dict[str, Any]:
        return {"device": str(self._model.items.weight.device), "training": self._training}
