"""RPG: items named by long sets of codes, all written at once (Hou et al. 2025, arXiv 2506.05781)."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection
from bench.collections.histories import training_sequences
from retrievers.recommenders.attending import Attending
from retrievers.recommenders.item_texts import ItemReader
from retrievers.recommenders.semantic_ids.product import ProductOptions, digit_bits, product_codes

if TYPE_CHECKING:
    from retrievers.recommenders.digits import DigitTransformer
    from retrievers.recommenders.next_item import NextItemLoss


class RPG(ItemReader, Attending):
    """Expects every digit of the next item's identifier at once; an item's score is the mean over its digits.

    Unlike the paper's, the network is SASRec's or eSASRec's, its vectors are of all-MiniLM-L6-v2 and not of
    Sentence-T5, and every item is scored: the paper looks at a part of the catalogue along a graph of similar items.
    """

    family = "generative"

    temperature: float = Field(0.03, gt=0, le=1, description="cosines of states and codes are divided by it")
    tokenizer: ProductOptions = Field(default_factory=ProductOptions, description="how items become sets of codes")

    def fit(self, collection: Collection) -> Self:
        """As `NextItemRecommender.fit`. Raises BenchError where no item has text."""
        seen = np.unique(np.concatenate(training_sequences(collection)))
        self._codes = product_codes(self.item_vectors(collection), seen, self.tokenizer, self.seed)
        self._vocabulary = 1 << digit_bits(len(seen), self.tokenizer)
        return super().fit(collection)

    def network(self, items: int) -> "DigitTransformer":
        """As `NextItemRecommender.network`."""
        import torch

        from retrievers.recommenders.digits import DigitTransformer

        codes = torch.from_numpy(self._codes)
        return DigitTransformer(self.shape(items), codes, self._vocabulary, self.temperature)

    def loss_of(self, model: "DigitTransformer") -> "NextItemLoss":
        """As `NextItemRecommender.loss_of`."""
        return model.digit_loss

    def docids(self) -> Sequence[tuple[str, ...]]:
        return [tuple(map(str, codes)) for codes in self._codes.tolist()]

    def vocabularies(self) -> Sequence[int]:
        return (self._vocabulary,) * self.tokenizer.digits

    def identifier_groups(self) -> np.ndarray:
        return np.unique(self._codes, axis=0, return_inverse=True)[1].reshape(-1)

    def save(self, folder: Path) -> None:
        super().save(folder)
        np.savez(folder / "codes.npz", codes=self._codes, vocabulary=self._vocabulary)

    def load(self, folder: Path) -> None:
        with np.load(folder / "codes.npz", allow_pickle=False) as saved:
            self._codes, self._vocabulary = saved["codes"], int(saved["vocabulary"])
        super().load(folder)

    def facts(self) -> dict[str, Any]:
        distinct = len(np.unique(self._codes, axis=0))
        return {**super().facts(), "distinct_identifiers": distinct}
