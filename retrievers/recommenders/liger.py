"""LIGER: what is written and what nobody has had yet, ordered by their texts (Yang et al. 2024, arXiv 2411.18814)."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np
from pydantic import Field, model_validator

from bench.collections.collection import Collection
from bench.collections.histories import training_sequences
from retrievers.recommenders.sid import SID
from retrievers.unit_vectors import unit

if TYPE_CHECKING:
    from retrievers.recommenders.semantic_ids.dense import DenseDecoderOnly
    from retrievers.recommenders.semantic_ids.sequence_model import History, Shape


class LIGER(SID):
    """Of the items that sid writes, and all that no training sequence has, those whose text is where it points.

    Unlike the paper's, the model is decoder-only and small, a history is read by its items' codes alone, and items
    that were not seen are no negatives of the text's loss. One of these without text is no answer.
    """

    generated: int = Field(20, ge=1, description="items that are written, beside all that training lacks")
    temperature: float = Field(0.07, gt=0, le=1, description="cosines with the items' texts are divided by it")

    traces: ClassVar[None] = None  # type: ignore[assignment]  # its scores are no log-probabilities

    @model_validator(mode="after")
    def _options_suit_liger(self) -> "LIGER":
        if self.architecture != "decoder-only":
            raise ValueError("liger is decoder-only")
        if self.generated > self.beams.width:
            raise ValueError(f"generated {self.generated} is more than beams.width {self.beams.width}")
        return self

    def fit(self, collection: Collection) -> Self:
        """As `SID.fit`. Raises BenchError where no item has text."""
        self._vectors = unit(self.item_vectors(collection))
        self._seen = np.unique(np.concatenate(training_sequences(collection)))
        return super().fit(collection)

    def _network(self, shape: "Shape") -> "DenseDecoderOnly":
        import torch

        from retrievers.recommenders.semantic_ids.dense import DenseDecoderOnly

        vectors, seen = torch.from_numpy(self._vectors), torch.from_numpy(self._seen)
        last_only = self.sliding == "off"
        return DenseDecoderOnly(shape, vectors, seen, self.temperature, last_only=last_only, seed=self.seed)

    def _found(self, history: "History", ids: Sequence[str], k: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        import torch

        unseen = np.setdiff1d(np.arange(len(self._vectors)), self._seen)
        told = self._vectors[unseen].any(axis=1)
        with torch.no_grad():
            directions = cast("DenseDecoderOnly", self._model).directions(history).cpu().numpy()
        hides, had = self._counts.get("histories_hidden", False), history.rows.cpu().numpy()
        for direction, known, (rows, _) in zip(directions, had, super()._found(history, ids, k), strict=True):
            may = np.setdiff1d(rows, known, assume_unique=True) if hides else rows
            written = np.setdiff1d(may, unseen[~told], assume_unique=True)[: self.generated]
            candidates = np.union1d(written, unseen[told])
            scores = self._vectors[candidates] @ direction
            order = np.argsort(-scores, kind="stable")
            yield candidates[order], scores[order]

    def weights(self) -> list[str]:
        return [self.model]

    def save(self, folder: Path) -> None:
        super().save(folder)
        np.save(folder / "vectors.npy", self._vectors)
        np.save(folder / "seen.npy", self._seen)

    def load(self, folder: Path) -> None:
        self._vectors = np.load(folder / "vectors.npy", allow_pickle=False)
        self._seen = np.load(folder / "seen.npy", allow_pickle=False)
        super().load(folder)

    def facts(self) -> dict[str, Any]:
        return {**super().facts(), "items_that_training_lacks": len(self._vectors) - len(self._seen)}
