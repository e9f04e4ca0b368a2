"""AlphaRec (Sheng et al. 2024, "Language representations can be what recommenders need", arXiv 2407.05441)."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection
from bench.collections.histories import training_sequences
from bench.models import pick_device
from retrievers.recommenders.item_texts import ItemReader
from retrievers.recommenders.options import InteractionTrainingOptions
from retrievers.recommenders.sequences import Recommender, in_batches, ownership
from retrievers.recommenders.validation import Validation
from retrievers.unit_vectors import unit

if TYPE_CHECKING:
    from torch import nn

    from retrievers.recommenders.text_graph import TextGraph

_ARRAYS = ("texts", "items", "passed_on", "seen")


class AlphaRec(ItemReader, Recommender):
    """Items whose text lies near the mean text of the history, after a learned map and steps over who has what.

    Nothing is learned of an item or a user but through texts, so that items that training lacks are answers, and any
    history is a user: one that it meets after training gets what the graph's steps would have given it. The order of
    a history, and how often it has an item, are not read. Unlike the paper's, vectors are all-MiniLM-L6-v2's and not
    a large language model's; negatives are drawn for a few interactions together, of the items that training has; the
    rate is twice and the batch half the paper's; and answers are of histories that have grown since training, where
    the paper's users stay as they were.
    """

    dimension: int = Field(64, ge=1, description="size of the vectors that are compared")
    hidden: int = Field(192, ge=0, description="hidden units of the map of texts; 0: a linear map")
    layers: int = Field(2, ge=0, description="steps over the graph of who has what")
    temperature: float = Field(0.15, gt=0, le=1, description="cosines are divided by it in the loss")
    negatives: int = Field(256, ge=1, description="items that each item of a user stands against, drawn uniformly")
    training: InteractionTrainingOptions = Field(
        default_factory=InteractionTrainingOptions, description="how the map is trained"
    )

    def fit(self, collection: Collection) -> Self:
        """Raises BenchError for a collection without sequences or the split `valid`, or where no item has text."""
        import torch

        from retrievers.learning.trainer import train
        from retrievers.recommenders.text_graph import TextGraph, text_graph_plan

        super().fit(collection)
        sequences = training_sequences(collection)
        users = Validation.of(collection, "alpharec", self.training.valid_users, self.seed)
        owned = np.stack(ownership(sequences, len(self._rows)).nonzero()).astype(np.int64)
        texts = self.item_vectors(collection)
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            mapped = self._untrained(texts.shape[1])
            model = TextGraph(mapped, texts, owned, len(sequences), self.layers).to(pick_device(self.device))
            plan = text_graph_plan(
                model,
                owned,
                self.training,
                self.temperature,
                self.negatives,
                lambda: self._judged(model, users),
                self.seed,
            )
            self._training = train(model, plan, self.workplace, self.progress).as_data()
        self._hold(model)
        return self

    def _untrained(self, width: int) -> "nn.Module":
        from retrievers.recommenders.text_graph import text_map

        return text_map(width, self.hidden, self.dimension)

    def _hold(self, model: "TextGraph") -> None:
        self._map = model.mapped
        self._arrays = {"texts": model.texts.cpu().numpy(), **model.answering()._asdict()}

    def _judged(self, model: "TextGraph", users: Validation) -> dict[str, float]:
        self._hold(model)
        return users.figures(lambda part: self.scores(users.histories[part]), self.training.learning_rate)

    def scores(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        items = self._arrays["items"]
        return in_batches(histories, len(self._rows), None, lambda known: self._users(known) @ items.T)

    def _users(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        """Vectors of length 1, shape [histories, dimension]: as if each history were a user of the graph."""
        import torch

        has = ownership(histories, len(self._rows)).astype(np.float32)
        counts = has.sum(axis=1)[:, None]
        device = next(self._map.parameters()).device
        with torch.inference_mode():
            own = self._map(torch.from_numpy(has @ self._arrays["texts"] / counts).to(device)).cpu().numpy()
        in_graph = np.maximum(has @ self._arrays["seen"].astype(np.float32), 1)[:, None]
        return unit(own + has @ self._arrays["passed_on"] / np.sqrt(in_graph))

    def save(self, folder: Path) -> None:
        from safetensors.torch import save_file

        super().save(folder)
        for name, array in self._arrays.items():
            np.save(folder / f"{name}.npy", array)
        save_file(self._map.state_dict(), folder / "map.safetensors")
        (folder / "facts.json").write_text(json.dumps(self._training))

    def load(self, folder: Path) -> None:
        from safetensors.torch import load_file

        super().load(folder)
        self._arrays = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in _ARRAYS}
        self._map = self._untrained(self._arrays["texts"].shape[1]).to(pick_device(self.device))
        self._map.load_state_dict(load_file(folder / "map.safetensors"))
        self._training = json.loads((folder / "facts.json").read_text())

    def facts(self) -> dict[str, Any]:
        return {
            "parameters_learned": sum(weight.numel() for weight in self._map.parameters()),
            "training": self._training,
        }
