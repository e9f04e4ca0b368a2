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
    from torch import nn

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
            start = _array(model.input)

            def judged() -> dict[str, float]:
                self._hold(model, start)
                return users.figures(lambda part: self.scores(users.histories[part]), self.training.learning_rate)

            plan = skip_gram_plan(model, pairs, counts, self.training, judged, self.seed)
            self._training = train(model, plan, self.workplace, self.progress).as_data()
        self._hold(model, start)
        return self

    def _pairs(self, collection: Collection, sequences: Sequence[np.ndarray], counts: np.ndarray) -> PairSource:
        each, kept = self.training.pairs, keeping(counts, self.training.subsampling)
        pairs = Pairs(sequences, self.window, self.side == "after", each, kept)
        if not self.synthetic.below:
            return pairs
        return WithSynthetic(pairs, self.item_vectors(collection), counts, each, self.synthetic)

    def weights(self) -> list[str]:
        return super().weights() if self.synthetic.below else []

    def _hold(self, model: "SkipGram", start: np.ndarray) -> None:
        """Keep the vectors as they are; zeros are those that no pair has moved, which says nothing of an item."""
        vectors = _array(model.input), _array(model.output)
        vectors[0][(vectors[0] == start).all(axis=1)] = 0
        self._vectors = dict(zip(_VECTORS, vectors, strict=True))

    def scores(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        """As `Recommender.scores`; items without a learned vector are neither asked with nor answered."""
        asking, against = self._vectors["input"], self._vectors["output"]
        learned = np.asarray(asking.any(axis=1))
        if self.scored_by == "substitutes":
            asking = against = unit(asking)

        def score(known: list[np.ndarray]) -> np.ndarray:
            found = np.stack([asking[history[-self.latest :]].mean(axis=0) for history in known]) @ against.T
            return np.where(against.any(axis=1), found, -np.inf)

        return in_batches([history[learned[history]] for history in histories], len(asking), None, score)

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
            "items_never_learned": {name: int((~table.any(axis=1)).sum()) for name, table in self._vectors.items()},
            "training": self._training,
        }


def _array(table: "nn.Embedding") -> np.ndarray:
    copied: np.ndarray = table.weight.detach().cpu().numpy().copy()
    return copied
