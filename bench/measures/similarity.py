"""Sentence-pair similarity: how well the cosine of two sentences' vectors follows human judgement (STS)."""

from collections.abc import Sequence
from pathlib import Path
from reprlib import repr as short
from typing import NamedTuple, Protocol

import numpy as np

from bench.collections.collection import Collection, Document, Rules, read_collection
from bench.collections.writer import CollectionWriter
from bench.errors import BadLine, BenchError
from bench.textfiles import parse_number, read_rows

_COLUMNS = ["score", "sentence1", "sentence2"]


class Pair(NamedTuple):
    """Two sentences and how similar people find them, on any scale."""

    score: float
    first: str
    second: str


class Similarity(NamedTuple):
    """Correlation of cosine and judgement over `n` pairs, from -1 to 1.

    The cosine of a sentence without a vector counts as 0; `without_vector` is the number of such pairs.
    """

    pearson: float
    spearman: float
    n: int
    without_vector: int


class Encoder(Protocol):
    """What is scored: an object that makes vectors of texts."""

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Shape [texts, dimension]; a row of zeros for a text that has no vector."""
        ...


def read_pairs(path: Path) -> list[Pair]:
    """Read a tab-separated file whose first line is `score sentence1 sentence2`. Raises BadLine."""
    pairs = []
    rows = read_rows(path, _COLUMNS, separator="\t")
    line, head = next(rows, (1, []))
    if head != _COLUMNS:
        raise BadLine(path, line, f"the head is {short(head)}", f"the columns {' '.join(_COLUMNS)}, tab-separated")
    for line, (score, first, second) in rows:
        if not first.strip() or not second.strip():
            raise BadLine(path, line, "a sentence is empty", "two sentences")
        pairs.append(Pair(parse_number(score, path, line, "score"), first, second))
    if len({pair.score for pair in pairs}) < 2:
        raise BenchError(
            f"{path} has {len(pairs)} pairs without two different scores; nothing can correlate with that"
        )
    return pairs


def sentences_collection(pairs: Sequence[Pair], folder: Path) -> Collection:
    """The different sentences of the pairs as documents, for a retriever that must be fitted before it embeds."""
    sentences = dict.fromkeys(sentence for pair in pairs for sentence in (pair.first, pair.second))
    with CollectionWriter(folder) as writer:
        for number, sentence in enumerate(sentences):
            writer.document(Document(f"s{number}", "", sentence), "sentences")
    return read_collection(folder, "sentences", Rules())


def score_pairs(encoder: Encoder, pairs: Sequence[Pair]) -> Similarity:
    """Pearson's and Spearman's correlation of cosine and judgement (Spearman: ties share their mean rank).

    Raises BenchError for vectors that are not finite, and where all cosines are equal.
    """
    from scipy.stats import pearsonr, spearmanr

    first = _directions(encoder.embed([pair.first for pair in pairs]))
    second = _directions(encoder.embed([pair.second for pair in pairs]))
    cosines = (first * second).sum(axis=1)
    if not np.isfinite(cosines).all():
        raise BenchError("the encoder returned vectors that are not finite; no correlation can be computed")
    if np.ptp(cosines) == 0:
        raise BenchError("every pair has the same cosine; no correlation can be computed")
    scores = [pair.score for pair in pairs]
    return Similarity(
        pearson=float(pearsonr(scores, cosines).statistic),
        spearman=float(spearmanr(scores, cosines).statistic),
        n=len(pairs),
        without_vector=int((~first.any(axis=1) | ~second.any(axis=1)).sum()),
    )


def _directions(vectors: np.ndarray) -> np.ndarray:
    exact = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    return np.divide(exact, lengths, out=np.zeros_like(exact), where=lengths != 0)
