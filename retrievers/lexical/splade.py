"""Learned sparse retrieval: SPLADE (Formal, Piwowarski and Clinchant 2021) with an inverted index."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.hits import Evidence
from bench.models import SPLADE_TINY
from retrievers.encoding import DistinctTexts, Encode, Holders, open_array, refuse_textless
from retrievers.lexical.vocabulary_encoder import VocabularyEncoder
from retrievers.sharding import Hits, Sharded
from retrievers.workers import WorkerOptions, at_work

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class _Postings(NamedTuple):
    """Those of word w are `texts[starts[w]:starts[w + 1]]`, with their weights; texts are numbered within a block."""

    weights: np.ndarray
    texts: np.ndarray
    starts: np.ndarray


class SPLADE(WorkerOptions, Sharded):
    """Inner product of texts as weights over a vocabulary; words that a text does not hold may have weight too.

    Search is exact: an inverted index holds every weight, and a query reaches the documents that share a word with
    it. A document that shares none is no answer. The default weights are those of a small encoder of 4.4 million
    parameters, distilled on MS MARCO; a larger one is taken by name or path.
    """

    family = "learned sparse"

    block: ClassVar[int] = 2**16
    """Texts, at most, that have an inverted index of their own."""
    cells: ClassVar[int] = 2**25

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
        refuse_textless(collection)
        texts = DistinctTexts(collection.texts())
        parts = max(self.shards, -(-len(texts) // self.block))
        self._bounds = np.unique(np.linspace(0, len(texts), parts + 1).astype(np.int64))
        self._holders = Holders(texts.place, texts.digests)
        with self._document_encoder() as encode:
            self._postings = list(self._inverted(texts.encode(encode, self.encoding_batch, self.progress)))
        if not any(len(block.weights) for block in self._postings):
            raise BenchError(f"no document of {collection.name} has a word of any weight; choose another model")
        return self

    def add(self, documents: Collection) -> None:
        """Append the documents' postings as a block; no weight depends on other documents."""
        holders, new = self._holders.and_then(documents.texts())
        if new:
            block = _heaviest(self.encoder.weights(new, "document"), self.document_words).tocsc()
            self._postings = [*self._postings, _Postings(block.data, block.indices, block.indptr)]
            self._bounds = np.append(self._bounds, self._bounds[-1] + len(new))
        self._holders = holders

    @contextmanager
    def _document_encoder(self) -> "Iterator[Encode[csr_array]]":
        """While it is open, what encodes documents, here or in processes of its own."""
        if self.workers == 1:
            yield partial(map, partial(self.encoder.weights, role="document"))
            return
        with at_work(partial(_reader, self.options()), self.worker_devices) as encode:
            yield encode

    def _inverted(self, read: "Iterable[csr_array]") -> Iterator[_Postings]:
        """The postings of each block, from the texts' weights in order; little more than a block is held at once."""
        from scipy.sparse import vstack

        held: list[csr_array] = []
        rows = 0
        sizes = deque(np.diff(self._bounds).tolist())
        for part in read:
            held.append(_heaviest(part, self.document_words))
            rows += part.shape[0]
            while sizes and rows >= sizes[0]:
                size = sizes.popleft()
                whole = vstack(held, format="csr")
                held, rows = [whole[size:]], rows - size
                block = whole[:size].tocsc()
                yield _Postings(block.data, block.indices, block.indptr)

    @property
    def documents(self) -> int:
        return len(self._holders.place)

    def read(self, queries: Sequence[Query]) -> "csr_array":
        """Shape [queries, words]."""
        return _heaviest(self.encoder.weights([query.text for query in queries], "query"), self.query_words)

    @property
    def blocks(self) -> Sequence[slice]:
        return [slice(start, stop) for start, stop in pairwise(self._bounds.tolist())]

    def block_scores(self, read: "csr_array", number: int) -> np.ndarray:
        block = self.blocks[number]
        found = np.empty((read.shape[0], block.stop - block.start))
        for line, start, stop in zip(found, read.indptr[:-1], read.indptr[1:], strict=True):
            line[:] = self._sum(number, read.indices[start:stop], read.data[start:stop].astype(np.float64), len(line))
        return found

    def _sum(self, number: int, words: np.ndarray, weights: np.ndarray, texts: int) -> np.ndarray:
        """Shape [texts]: the inner products, word by word in their order, so that equal texts tie exactly."""
        postings = self._postings[number]
        starts = postings.starts[words]
        lengths = postings.starts[words + 1] - starts
        places = np.arange(lengths.sum()) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
        products = postings.weights[places] * np.repeat(weights, lengths)
        sums = np.bincount(postings.texts[places], products, minlength=texts)
        sums = sums.astype(np.float64, copy=False)  # it counts in integers where there is nothing to add
        sums[sums == 0] = -np.inf  # every weight is above 0
        return sums

    def holders_of(self, texts: np.ndarray, scores: np.ndarray) -> Hits:
        return self._holders.hits(texts, scores)

    def explain(self, query: Query, rows: np.ndarray, texts: Sequence[str]) -> list[list[Evidence]]:  # noqa: ARG002
        """The words that have weight in query and document, the heaviest first."""
        read = self.read([query])
        found: list[list[Evidence]] = []
        for text in self._holders.place[rows].tolist():
            number = int(np.searchsorted(self._bounds, text, side="right")) - 1
            products = self._products(number, text - int(self._bounds[number]), read.indices, read.data)
            named = [Evidence(self.encoder.word(word), weight) for word, weight in products.items()]
            found.append(sorted(named, key=lambda part: -part.weight))
        return found

    def _products(self, number: int, text: int, words: np.ndarray, weights: np.ndarray) -> dict[int, float]:
        """Of a block's text and the query, by word."""
        postings = self._postings[number]
        products = {}
        for word, weight in zip(words.tolist(), weights.astype(np.float64).tolist(), strict=True):
            start, stop = postings.starts[word : word + 2].tolist()
            (places,) = np.nonzero(postings.texts[start:stop] == text)
            if len(places):
                products[word] = weight * float(postings.weights[start + places[0]])
        return products

    def save(self, folder: Path) -> None:
        self._holders.save(folder)
        np.save(folder / "bounds.npy", self._bounds)
        for number, block in enumerate(self._postings):
            for name, array in block._asdict().items():
                np.save(folder / f"{name}-{number}.npy", array)

    def load(self, folder: Path) -> None:
        self._holders = Holders.saved(folder)
        self._bounds = np.load(folder / "bounds.npy", allow_pickle=False)
        self._postings = [
            _Postings(*(open_array(folder / f"{name}-{number}.npy") for name in _Postings._fields))
            for number in range(len(self._bounds) - 1)
        ]

    def weights(self) -> list[str]:
        return [self.model]

    def facts(self) -> dict[str, Any]:
        words = sum(len(block.weights) for block in self._postings)
        return {
            "device": self.encoder.device,
            "max_tokens": self.max_tokens,
            "words_of_a_document": round(words / int(self._bounds[-1]), 1),
        }


def _reader(options: dict[str, Any], device: str) -> "Callable[[list[str]], csr_array]":
    """In a worker: gives the weights of documents."""
    return partial(SPLADE(**{**options, "device": device}).encoder.weights, role="document")


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
