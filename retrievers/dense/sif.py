"""SIF: smooth inverse frequency (Arora, Liang and Ma 2017, "A simple but tough-to-beat baseline")."""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field, field_validator

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.models import MINILM, ModelOptions
from retrievers.dense.token_vectors import Layer, TokenVectors, WordPieces, Words
from retrievers.dense.word_files import read_counts, read_vectors
from retrievers.encoding import DistinctTexts, Holders, open_array, refuse_textless
from retrievers.sharding import Hits, Sharded, even_blocks

CORPUS = "corpus"
PIECES = "word-pieces"
LAYER = "layer:"

_ROWS = 1024

_ROUNDING = 1e-5
"""Share of a float32 vector's length that is nothing but rounding once a component is removed."""


class SIF(ModelOptions, Sharded):
    """Cosine of weighted means of token vectors without their common component (Arora et al. 2017, algorithm 1).

    A token w weighs a / (a + p(w)), where p(w) is its share of all tokens, with those that have no vector. The first
    right singular vectors of the documents' means are removed from the documents and from each query; they are fitted
    on the corpus, without centring, and never on the queries, so that an answer does not depend on what else is
    asked. A token that the frequencies lack has p = 0 and weighs 1, as in the authors' code; one without a vector is
    left out. A text that has no vector, or that loses all of it with the common component, matches nothing.
    """

    family = "dense"

    block: ClassVar[int] = 2**15
    """Texts that are compared with a batch of queries at once."""
    cells: ClassVar[int] = 2**25

    a: float = Field(1e-3, gt=0, description="weight of a token of frequency p is a / (a + p)")
    remove: int = Field(1, ge=0, le=10, description="singular vectors of the corpus that are removed")
    vectors: str = Field(
        PIECES, description="word-pieces (input embeddings), layer:N of the model, or a GloVe or word2vec text file"
    )
    model: str = Field(MINILM, description="transformer for word-pieces and layer:N: name or folder")
    frequencies: str = Field(CORPUS, description="corpus, or a file with a word and its count on each line")
    max_words: int = Field(400_000, ge=1, description="words read from a vector file, from its start")
    max_tokens: int = Field(256, ge=3, description="tokens that layer:N reads of a text; the rest is cut off")

    @field_validator("vectors")
    @classmethod
    def _layer_has_a_number(cls, vectors: str) -> str:
        if vectors.startswith(LAYER) and not re.fullmatch(r"-?\d+", vectors.removeprefix(LAYER)):
            raise ValueError("write layer:N with N from 0, or negative from the last")
        return vectors

    def weights(self) -> list[str]:
        return [self.model] if self._uses_model else []

    def files(self) -> list[Path]:
        chosen = [] if self._uses_model else [self.vectors]
        return [Path(name) for name in [*chosen, *([] if self.frequencies == CORPUS else [self.frequencies])]]

    @property
    def _uses_model(self) -> bool:
        return self.vectors == PIECES or self.vectors.startswith(LAYER)

    @property
    def deterministic(self) -> bool:
        return True

    def fit(self, collection: Collection) -> Self:
        refuse_textless(collection)
        self._tokens = self._open_model() if self._uses_model else self._read_words()
        texts = DistinctTexts(collection.texts())
        copies = np.bincount(texts.place)
        self._weights = self._token_weights(collection.texts())
        vectors = texts.vectors(partial(map, self._means), self._tokens.dimension, self.encoding_batch, self.progress)
        self._components = _common_components(vectors, copies, self.remove)
        for start in range(0, len(vectors), _ROWS):
            rows = slice(start, start + _ROWS)
            vectors[rows] = _directions(vectors[rows], self._components)
        self._set_documents(vectors, Holders(texts.place, texts.digests))
        if self._wordless.all():
            raise BenchError(
                f"no document of {collection.name} has a vector: none of its words is in {self.vectors}, or nothing "
                f"is left without {self.remove} singular vectors; change sif.vectors or sif.remove"
            )
        return self

    def add(self, documents: Collection) -> None:
        """Append the documents' vectors; frequencies and common components stay those of the fit."""
        holders, new = self._holders.and_then(documents.texts())
        self._set_documents(np.concatenate([self._vectors, self.embed(new)]), holders)

    def _open_model(self) -> TokenVectors:
        if self.vectors == PIECES:
            return WordPieces(self.model, self)
        return Layer(self.model, int(self.vectors.removeprefix(LAYER)), self.max_tokens, self)

    def _read_words(self) -> TokenVectors:
        return Words.of(*read_vectors(Path(self.vectors), self.max_words))

    def _token_weights(self, texts: Sequence[str]) -> np.ndarray:
        """Shape [tokens], float64: a / (a + p); 0 for the token that stands for the unknown."""
        counts = np.zeros(self._tokens.size, dtype=np.int64)
        if self.frequencies != CORPUS:
            counts = self._tokens.spread(read_counts(Path(self.frequencies)))
        else:
            for start in range(0, len(texts), _ROWS):
                counts += self._tokens.count(texts[start : start + _ROWS])
                self.progress("counting tokens", min(start + _ROWS, len(texts)), len(texts))
        weights = self.a / (self.a + counts / max(counts.sum(), 1))
        if self._tokens.unknown is not None:
            weights[self._tokens.unknown] = 0.0
        return weights

    def _means(self, texts: Sequence[str]) -> np.ndarray:
        return self._tokens.weighted_means(texts, self._weights)

    def _set_documents(self, vectors: np.ndarray, holders: Holders) -> None:
        """`vectors` has a row for each distinct text."""
        self._vectors = vectors
        self._blocks = even_blocks(len(vectors), self.block)
        self._holders = holders
        self._wordless = np.logical_not(vectors.any(axis=1))

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Shape [texts, dimension], float32: vectors of length 1, or zeros for a text that has none."""
        parts = [np.zeros((0, self._tokens.dimension), dtype=np.float32)]
        for start in range(0, len(texts), _ROWS):
            parts.append(_directions(self._means(texts[start : start + _ROWS]), self._components))
        return np.concatenate(parts)

    @property
    def documents(self) -> int:
        return len(self._holders.place)

    def read(self, queries: Sequence[Query]) -> np.ndarray:
        """A vector of each query."""
        return self.embed([query.text for query in queries])

    @property
    def blocks(self) -> Sequence[slice]:
        return self._blocks

    def block_scores(self, vectors: np.ndarray, number: int) -> np.ndarray:
        block = self._blocks[number]
        scores = vectors @ self._vectors[block].T
        scores[:, self._wordless[block]] = -np.inf
        scores[~vectors.any(axis=1)] = -np.inf
        return scores

    def holders_of(self, texts: np.ndarray, scores: np.ndarray) -> Hits:
        return self._holders.hits(texts, scores)

    def save(self, folder: Path) -> None:
        np.save(folder / "vectors.npy", self._vectors)
        self._holders.save(folder)
        np.save(folder / "components.npy", self._components)
        np.save(folder / "weights.npy", self._weights)
        if isinstance(self._tokens, Words):
            self._tokens.save(folder)

    def load(self, folder: Path) -> None:
        self._tokens = self._open_model() if self._uses_model else Words.saved(folder)
        names = ("components", "weights", "vectors")
        self._components, self._weights, vectors = (open_array(folder / f"{name}.npy") for name in names)
        self._set_documents(vectors, Holders.saved(folder))

    def facts(self) -> dict[str, Any]:
        return {**self._tokens.facts(), "texts_without_vector": int(self._wordless.sum())}


def _common_components(vectors: np.ndarray, copies: np.ndarray, wanted: int) -> np.ndarray:
    """Shape [at most wanted, dimension], float32: the first right singular vectors, each of length 1.

    Row i of `vectors` counts as `copies[i]` rows. They are eigenvectors of the Gram matrix, summed in float64.
    """
    gram = np.zeros((vectors.shape[1], vectors.shape[1]))
    for start in range(0, len(vectors), _ROWS):
        part = vectors[start : start + _ROWS].astype(np.float64)
        gram += part.T @ (part * copies[start : start + _ROWS, np.newaxis])
    values, directions = np.linalg.eigh(gram)
    first = [i for i in np.argsort(-values)[:wanted] if values[i] > _ROUNDING**2 * values[-1]]
    return directions[:, first].T.astype(np.float32)


def _directions(means: np.ndarray, components: np.ndarray) -> np.ndarray:
    """Shape of `means`: without the components, of length 1; zeros where only rounding is left."""
    rest = means - (means @ components.T) @ components
    lengths = np.linalg.norm(rest, axis=1, keepdims=True)
    something = lengths > _ROUNDING * np.linalg.norm(means, axis=1, keepdims=True)
    return np.divide(rest, lengths, out=np.zeros_like(rest), where=something)
