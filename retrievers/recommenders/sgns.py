"""Dual embeddings for complements (Kvernadze et al. 2022, "Two is better than one", arXiv 2211.14982)."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection
from bench.collections.histories import training_sequences
from bench.models import pick_device
from retrievers.recommenders.item_pairs import Pairs, PairSource, WithSynthetic, keeping
from retrievers.recommenders.item_texts import ItemReader
from retrievers.recommenders.options import SkipGramTrainingOptions, SyntheticOptions
from retrievers.recommenders.popularity import popularity
from retrievers.recommenders.sequences import Recommender, in_batches
from retrievers.recommenders.validation import Validation
from retrievers.unit_vectors import unit

if TYPE_CHECKING:
    from retrievers.recommenders.skip_gram import SkipGram

_VECTORS = ("input", "output")


class SGNS(ItemReader, Recommender):
    """Skip-grams with negative sampling (Mikolov et al. 2013) over sequences, of which both tables are kept.

    Items that stand together have an input vector of the one near the output vector of the other: complements. Items
    that stand beside the same others have like input vectors: substitutes. A history is asked with the mean input
    vector of its latest items. Items that training seldom or never has may get pairs of items with like texts. Unlike
    in the paper, an item is learned with some others of its window, drawn anew in each epoch, and not with all, so
    that a sequence counts by its length and not by its square; likeness is of texts alone; and vectors are learned by
    Adam.
    """

    scored_by: Literal["complements", "substitutes"] = Field(
        "complements", description="input against output vectors, or cosines of input vectors"
    )
    latest: int = Field(1, ge=1, description="how many of the history's items are asked with, the latest")
    dimension: int = Field(64, ge=1, description="size of the vectors")
    window: int = Field(
        0, ge=0, description="places apart that two items of a pair may be; 0: anywhere in a sequence"
    )
    side: Literal["both", "after"] = Field("both", description="pairs of an item with others around it, or after it")
    training: SkipGramTrainingOptions = Field(
        default_factory=SkipGramTrainingOptions, description="how they are trained"
    )
    synthetic: SyntheticOptions = Field(
        default_factory=SyntheticOptions, description="pairs for items that training seldom or never has"
    )

    def fit(self, collection: Collection) -> Self:
        """Raises BenchError for a collection without sequences, or without the split `valid`."""
        import torch

        from retrievers.learning.trainer import train
        from retrievers.recommenders.skip_gram import SkipGram, skip_gram_plan

        super().fit(collection)
        sequences = training_sequences(collection)
        counts = popularity(sequences, len(self._rows))
        pairs = self._pairs(collection, sequences, counts)
        users = Validation.of(collection, "sgns", self.training.valid_users, self.seed)
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            model = SkipGram(len(self._rows), self.dimension).to(pick_device(self.device))
            plan = skip_gram_plan(model, pairs, counts, self.training, lambda: self._judged(model, users), self.seed)
            self._training = train(model, plan, self.workplace, self.progress).as_data()
        self._hold(model)
        return self

    def _pairs(self, collection: Collection, sequences: Sequence[np.ndarray], counts: np.ndarray) -> PairSource:
        each, kept = self.training.pairs, keeping(counts, self.training.subsampling)
        pairs = Pairs(sequences, self.window, self.side == "after", each, kept)
        if not self.synthetic.below:
            return pairs
        return WithSynthetic(pairs, self.item_vectors(collection), counts, each, self.synthetic)

    def weights(self) -> list[str]:
        return super().weights() if self.synthetic.below else []

    def _hold(self, model: "SkipGram") -> None:
        tables = (model.input, model.output)
        self._vectors = {
            name: table.weight.detach().cpu().numpy().copy() for name, table in zip(_VECTORS, tables, strict=True)
        }

    def _judged(self, model: "SkipGram", users: Validation) -> dict[str, float]:
        self._hold(model)
        return users.figures(lambda part: self.scores(users.histories[part]), self.training.learning_rate)

    def scores(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        asking, against = self._vectors["input"], self._vectors["output"]
        if self.scored_by == "substitutes":
            asking = against = unit(asking)

        def score(known: list[np.ndarray]) -> np.ndarray:
            return np.stack([asking[history[-self.latest :]].mean(axis=0) for history in known]) @ against.T

        return in_batches(histories, len(asking), None, score)

    def save(self, folder: Path) -> None:
        super().save(folder)
        for name, vectors in self._vectors.items():
            np.save(folder / f"{name}.npy", vectors)
        (folder / "facts.json").write_text(json.dumps(self._training))

    def load(self, folder: Path) -> None:
        super().load(folder)
        self._vectors = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in _VECTORS}
        self._training = json.loads((folder / "facts.json").read_text())

    def facts(self) -> dict[str, Any]:
        return {
            "parameters_learned": sum(vectors.size for vectors in self._vectors.values()),
            "training": self._training,
        }
