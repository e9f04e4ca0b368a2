"""SASRec whose items are pieces of semantic identifiers (Singh et al. 2023, arXiv 2306.08121)."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection
from bench.collections.histories import training_sequences
from retrievers.generative.docids import Identifiers
from retrievers.recommenders.item_codes import ItemCoder
from retrievers.recommenders.popularity import popularity
from retrievers.recommenders.sasrec import SASRec
from retrievers.recommenders.semantic_ids.options import TokenizerOptions
from retrievers.recommenders.semantic_ids.pieces import PieceOptions, piece_rows
from retrievers.recommenders.semantic_ids.tokenizers import report

if TYPE_CHECKING:
    from retrievers.recommenders.next_item import NextItemLoss, NextItemModel
    from retrievers.recommenders.piece_table import PieceTable
    from retrievers.recommenders.transformer import Transformer


class FeatureTokenizerOptions(TokenizerOptions):
    """How items become the codes that pieces are made of."""

    levels: int = Field(4, ge=1, le=8, description="codes of an identifier, at most")


class SIDFeatures(ItemCoder, SASRec):
    """SASRec in which an item is the sum of the vectors of its identifier's pieces, which like items share.

    So an item that training has seldom or never is known by its pieces; one that it never has is no negative. Pieces
    are fixed n-grams, or those of a vocabulary learned from the identifiers as often as training has them (the
    paper's SentencePiece model). Items of one identifier cannot be told apart, unless pieces are items. Unlike the
    paper's, the model is no ranker of given candidates but SASRec, and the identifiers are residual k-means of texts
    and not an RQ-VAE's of videos.
    """

    tokenizer: FeatureTokenizerOptions = Field(
        default_factory=FeatureTokenizerOptions, description="how items become codes"
    )
    pieces: PieceOptions = Field(default_factory=PieceOptions, description="how codes become features")

    def fit(self, collection: Collection) -> Self:
        """As `SASRec.fit`. Raises BenchError where no item has text that the tokenizer reads."""
        sequences = training_sequences(collection)
        self._identifiers = self.codes(collection, sequences).identifiers
        counts = popularity(sequences, len(collection))
        self._pieces, self._vectors = piece_rows(self._identifiers.tokens, counts, self.pieces)
        self._seen = np.flatnonzero(counts)
        return super().fit(collection)

    def network(self, items: int) -> "Transformer":
        """As `NextItemRecommender.network`."""
        import torch

        from retrievers.recommenders.piece_table import PieceTable
        from retrievers.recommenders.transformer import Transformer

        table = PieceTable(torch.from_numpy(self._pieces), self._vectors, self.dimension, self.item_dropout)
        return Transformer(self.shape(items), table)

    def loss_of(self, model: "NextItemModel") -> "NextItemLoss":
        """As `NextItemRecommender.loss_of`; what training lacks is no negative."""
        import torch

        from retrievers.recommenders.losses import among, loss_of

        items = cast("PieceTable", model.items)
        seen = torch.from_numpy(self._seen).to(items.weight.device)
        loss = among(loss_of(self.loss, self.negatives), seen, model.none)
        return lambda states, targets: loss(states, targets, items.compared)

    def docids(self) -> Sequence[tuple[str, ...]]:
        return [tuple(str(code) for code in codes if code >= 0) for codes in self._identifiers.tokens.tolist()]

    def vocabularies(self) -> Sequence[int]:
        return self._identifiers.vocabularies

    def identifier_groups(self) -> np.ndarray:
        return np.unique(np.sort(self._pieces, axis=1), axis=0, return_inverse=True)[1].reshape(-1)

    def save(self, folder: Path) -> None:
        super().save(folder)
        self._identifiers.save(folder)
        np.save(folder / "pieces.npy", self._pieces)
        np.save(folder / "seen.npy", self._seen)

    def load(self, folder: Path) -> None:
        self._identifiers = Identifiers.load(folder)
        self._pieces = np.load(folder / "pieces.npy", allow_pickle=False)
        self._seen = np.load(folder / "seen.npy", allow_pickle=False)
        self._vectors = self.pieces.rows or int(self._pieces.max()) + 1
        super().load(folder)

    def facts(self) -> dict[str, Any]:
        pieces = {"vectors": self._vectors, "of_an_item": float((self._pieces >= 0).sum(axis=1).mean())}
        return {**super().facts(), "tokenizer": report(self._identifiers), "pieces": pieces}
