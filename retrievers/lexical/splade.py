"""Learned sparse retrieval: SPLADE (Formal, Piwowarski and Clinchant 2021) with an inverted index."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.models import SPLADE_TINY, ModelOptions
from retrievers.encoding import DistinctTexts, Holders, numbered
from retrievers.lexical.vocabulary_encoder import VocabularyEncoder
from retrievers.scoring import Scoring

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class SPLADE(ModelOptions, Scoring):
    """Inner product of texts as weights over a vocabulary; words that a text does not hold may have weight too.

    Search is exact: an inverted index holds every weight, and a query reaches the documents that share a word with
    it. A document that shares none is no answer. The default weights are those of a small encoder of 4.4 million
    parameters, distilled on MS MARCO; a larger one is taken by name or path.
    """

    family = "learned sparse"

    model: str = Field(SPLADE_TINY, description="name on the Hugging Face hub, or folder, of a sparse encoder")
    max_tokens: int = Field(256, ge=3, description="texts are cut after this many tokens")
    document_words: int = Field(0, ge=0, description="words of highest weight that are kept of a document; 0: all")
    query_words: int = Field(0, ge=0, description="words of highest weight that are kept of a query; 0: all")

    @property
    def deterministic(self) -> bool:
        return True

    @cached_property
    def encoder(self) -> VocabularyEncoder:
        """The encoder, opened on first use."""
        return VocabularyEncoder(self.model, self.max_tokens, self)

    def fit(self, collection: Collection) -> Self:
        """Raises BenchError for documents that have no weight at all."""
        from scipy.sparse import vstack

        texts = DistinctTexts(collection.texts())
        read = texts.encode(lambda batch: self.encoder.weights(batch, "document"), self.encoding_batch, self.progress)
        index = vstack([_heaviest(part, self.document_words) for part in read], format="csc")
        if not index.nnz:
            raise BenchError(f"no document of {collection.name} has a word of any weight; choose another model")
        self._hold(index.data, index.indices, index.indptr, texts.place)
        return self

    def add(self, documents: Collection) -> None:
        """Append the documents' postings; no weight depends on other documents."""
        from scipy.sparse import csc_array, vstack

        texts, place = numbered(documents.texts())
        new = _heaviest(self.encoder.weights(texts, "document"), self.document_words)
        old = csc_array((self._weights, self._texts, self._starts), shape=(self._distinct, new.shape[1]))
        index = vstack([old, new], format="csc")
        self._hold(index.data, index.indices, index.indptr, self._holders.and_then(place).place)

    def _hold(self, weights: np.ndarray, texts: np.ndarray, starts: np.ndarray, place: np.ndarray) -> None:
        """The postings of word w are `texts[starts[w]:starts[w + 1]]`, with their weights; `place` as in Holders."""
        self._weights, self._texts, self._starts = weights, texts, starts
        self._holders = Holders(place)
        self._distinct = int(place.max()) + 1

    @property
    def documents(self) -> int:
        return len(self._holders.place)

    def read(self, queries: Sequence[Query]) -> "csr_array":
        """Shape [queries, words]."""
        return _heaviest(self.encoder.weights([query.text for query in queries], "query"), self.query_words)

    def scores(self, read: "csr_array") -> np.ndarray:
        found = np.empty((read.shape[0], self._distinct))
        for line, start, stop in zip(found, read.indptr[:-1], read.indptr[1:], strict=True):
            line[:] = self._sum(read.indices[start:stop], read.data[start:stop].astype(np.float64))
        return self._holders.spread(found)

    def _sum(self, words: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Shape [texts]: the inner products, word by word in their order, so that equal texts tie exactly."""
        starts = self._starts[words]
        lengths = self._starts[words + 1] - starts
        places = np.arange(lengths.sum()) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
        products = self._weights[places] * np.repeat(weights, lengths)
        sums = np.bincount(self._texts[places], products, minlength=self._distinct)
        sums = sums.astype(np.float64, copy=False)  # it counts in integers where there is nothing to add
        sums[sums == 0] = -np.inf  # every weight is above 0
        return sums

    def save(self, folder: Path) -> None:
        named = {"weights": self._weights, "texts": self._texts, "starts": self._starts, "place": self._holders.place}
        for name, array in named.items():
            np.save(folder / f"{name}.npy", array)

    def load(self, folder: Path) -> None:
        self._hold(*(np.load(folder / f"{name}.npy", allow_pickle=False) for name in _SAVED))

    def weights(self) -> list[str]:
        return [self.model]

    def facts(self) -> dict[str, Any]:
        return {
            "device": self.encoder.device,
            "max_tokens": self.max_tokens,
            "words_of_a_document": round(len(self._weights) / self._distinct, 1),
        }


_SAVED = ("weights", "texts", "starts", "place")


def _heaviest(weights: "csr_array", most: int) -> "csr_array":
    """The rows of a sparse matrix, words in their order, with their `most` largest entries; 0: with all."""
    weights.sort_indices()
    if not most:
        return weights
    for start, stop in zip(weights.indptr[:-1], weights.indptr[1:], strict=True):
        row = weights.data[start:stop]
        row[np.argsort(-row, kind="stable")[most:]] = 0
    weights.eliminate_zeros()
    return weights
