"""COBRA: an item's code, then where its text is (Yang et al. 2025, "Sparse meets dense", arXiv 2503.02446)."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection
from bench.collections.histories import training_sequences
from retrievers.generative.docids import Identifiers
from retrievers.recommenders.attending import Attending
from retrievers.recommenders.item_codes import ItemCoder
from retrievers.recommenders.semantic_ids.options import TokenizerOptions
from retrievers.recommenders.semantic_ids.tokenizers import report
from retrievers.unit_vectors import unit

if TYPE_CHECKING:
    from retrievers.recommenders.cascade import Cascade
    from retrievers.recommenders.next_item import NextItemLoss


class CascadeTokenizerOptions(TokenizerOptions):
    """How items become the codes that are expected first."""

    levels: int = Field(1, ge=1, le=8, description="codes of an identifier; each identifier is expected as one code")


class COBRA(ItemCoder, Attending):
    """Expects the next item's code, and after each code where the item's text is; an item is worth both together.

    A history is read as the code and the text of each item in turn. An item's score is the log-probability of its
    code, and of its text among those of the code's items, so that items of one code are told apart, and new ones
    found, by their texts. Unlike the paper's, the text encoder is all-MiniLM-L6-v2 as it is, of whose vectors a
    linear map is learned; an identifier is one code, where the paper writes three; all codes are gone on with, where
    it keeps the beams of the best; and what is weighed against each other are log-probabilities, without weights.
    """

    family = "generative"

    temperature: float = Field(0.05, gt=0, le=1, description="cosines of expected texts and items' are divided by it")
    tokenizer: CascadeTokenizerOptions = Field(
        default_factory=CascadeTokenizerOptions, description="how items become codes"
    )

    def fit(self, collection: Collection) -> Self:
        """As `NextItemRecommender.fit`. Raises BenchError where no item has text."""
        self._vectors = unit(self.item_vectors(collection))
        self._identifiers = self.codes(collection, training_sequences(collection)).identifiers
        return super().fit(collection)

    def network(self, items: int) -> "Cascade":
        """As `NextItemRecommender.network`."""
        import torch

        from retrievers.recommenders.cascade import Cascade, CascadedItems

        shape = self.shape(items)._replace(longest=self.longest + 1)
        distinct, numbers = np.unique(self._identifiers.tokens, axis=0, return_inverse=True)
        codes, texts = torch.from_numpy(numbers.reshape(-1)), torch.from_numpy(self._vectors)
        return Cascade(shape, CascadedItems(codes, len(distinct), texts, self.dimension), self.temperature)

    def loss_of(self, model: "Cascade") -> "NextItemLoss":
        """As `NextItemRecommender.loss_of`."""
        return model.loss

    def docids(self) -> Sequence[tuple[str, ...]]:
        return [tuple(str(code) for code in codes if code >= 0) for codes in self._identifiers.tokens.tolist()]

    def vocabularies(self) -> Sequence[int]:
        return self._identifiers.vocabularies

    def identifier_groups(self) -> np.ndarray:
        known = np.concatenate([self._identifiers.tokens, self._vectors], axis=1)
        return np.unique(known, axis=0, return_inverse=True)[1].reshape(-1)

    def weights(self) -> list[str]:
        return [self.model]

    def save(self, folder: Path) -> None:
        super().save(folder)
        self._identifiers.save(folder)
        np.save(folder / "vectors.npy", self._vectors)

    def load(self, folder: Path) -> None:
        self._identifiers = Identifiers.load(folder)
        self._vectors = np.load(folder / "vectors.npy", allow_pickle=False)
        super().load(folder)

    def facts(self) -> dict[str, Any]:
        return {**super().facts(), "tokenizer": report(self._identifiers)}
