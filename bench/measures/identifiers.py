"""What the identifiers of a collection are like: how codes are used, whom they bring together, how stable they are.

An identifier is a row of whole numbers, one code for each level, with -1 after its end.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.measures.beyond_accuracy import gini
from bench.sentences import terms

if TYPE_CHECKING:
    from scipy.sparse import csr_array

NEIGHBOURS = 10
"""Texts that count as near to another one: so many with the highest cosine of tf-idf."""

_AT_ONCE = 512
_MATCHED = 4096
"""Codes of a level that are matched at most; the time for it grows with the cube."""

_DRAWN = 200_000
"""Pairs of documents that stand for all, where chance is estimated."""


@dataclass(frozen=True)
class Level:
    """One level of the identifiers.

    items: documents whose identifier reaches it
    used: different codes that some document has
    codes: different codes that there may be; None where the system does not say
    entropy: of a document's code, over its highest possible value (log of `codes`, else of `used`)
    perplexity: the number of codes, all used alike, that would have this entropy
    prefixes: different beginnings down to here
    fan_out: how many ways a beginning of the level above goes on, on average
    busiest: share of the training interactions with documents of the most popular tenth of the codes; None without
        any
    text: share of the pairs of text neighbours that agree down to here
    together: share of the pairs that follow each other in training sequences that agree down to here
    chance: share of all pairs that agree down to here
    changed: for each other seed, the share of documents whose code is another one under the best matching of codes
    """

    items: int
    used: int
    codes: int | None
    entropy: float
    perplexity: float
    prefixes: int
    fan_out: float
    busiest: float | None
    text: float | None
    together: float | None
    chance: float
    changed: Sequence[float | None]

    @property
    def dead(self) -> int | None:
        """Codes that no document has."""
        return None if self.codes is None else self.codes - self.used


@dataclass(frozen=True)
class Report:
    """What identifiers are like, as a whole and level by level.

    identifiers: how many there are
    alone: share of the documents that share theirs with none
    largest: most documents of one identifier
    gini: the Gini coefficient of the numbers of documents of the identifiers
    """

    documents: int
    identifiers: int
    alone: float
    largest: int
    gini: float
    levels: Sequence[Level]

    def as_data(self) -> dict[str, Any]:
        """The same as JSON-like data."""
        levels = [asdict(level) | {"dead": level.dead} for level in self.levels]
        return asdict(self) | {"levels": levels}


def numbered(docids: Sequence[tuple[str, ...]]) -> np.ndarray:
    """Identifiers of tokens as int64 of shape [documents, levels].

    Tokens that are all numbers are these numbers; others are numbered on each level in the order of their text.
    """
    levels = max(map(len, docids), default=0)
    codes = np.full((len(docids), levels), -1, dtype=np.int64)
    plain = all(token.isascii() and token.isdecimal() and len(token) < 10 for docid in docids for token in docid)
    for level in range(levels):
        tokens = sorted({docid[level] for docid in docids if len(docid) > level})
        numbers = {token: int(token) if plain else number for number, token in enumerate(tokens)}
        for row, docid in enumerate(docids):
            if len(docid) > level:
                codes[row, level] = numbers[docid[level]]
    return codes


def report(
    codes: np.ndarray,
    vocabularies: Sequence[int] | None = None,
    groups: np.ndarray | None = None,
    texts: Sequence[str] = (),
    sequences: Sequence[np.ndarray] = (),
    others: Sequence[np.ndarray] = (),
) -> Report:
    """What the identifiers are like, from `codes` of shape [documents, levels].

    vocabularies: how many codes each level may have
    groups: shape [documents], equal numbers for documents that share an identifier before a last token tells them
        apart; None: what `codes` says
    texts: of each document; without any text none is a neighbour
    sequences: rows of the documents of each training sequence
    others: codes of the same documents by fits with other seeds
    """
    if groups is None:
        groups = np.unique(codes, axis=0, return_inverse=True)[1].reshape(-1)
    sizes = np.bincount(groups)
    sizes = sizes[sizes > 0]
    pairs = {"text": text_pairs(texts), "together": following_pairs(sequences), "chance": _any_pairs(len(codes))}
    interactions = np.bincount(np.concatenate([*sequences, np.zeros(0, dtype=np.int64)]), minlength=len(codes))
    return Report(
        documents=len(codes),
        identifiers=len(sizes),
        alone=float((sizes == 1).sum() / len(codes)),
        largest=int(sizes.max()),
        gini=gini(sizes),
        levels=[_level(codes, level, vocabularies, pairs, interactions, others) for level in range(codes.shape[1])],
    )


def _level(
    codes: np.ndarray,
    level: int,
    vocabularies: Sequence[int] | None,
    pairs: dict[str, np.ndarray],
    interactions: np.ndarray,
    others: Sequence[np.ndarray],
) -> Level:
    reached = codes[:, level] >= 0
    _, own, counts = np.unique(codes[reached, level], return_inverse=True, return_counts=True)
    shares = counts / counts.sum()
    entropy = float(-(shares * np.log(shares)).sum())
    possible = None if vocabularies is None else int(vocabularies[level])
    highest = log(max(possible or len(counts), 2))
    prefixes = len(np.unique(codes[reached, : level + 1], axis=0))
    above = len(np.unique(codes[reached, :level], axis=0)) if level else 1
    agreement = {name: _agreement(codes[:, : level + 1], found) for name, found in pairs.items()}
    return Level(
        items=int(reached.sum()),
        used=len(counts),
        codes=possible,
        entropy=max(entropy, 0.0) / highest,
        perplexity=float(np.exp(entropy)),
        prefixes=prefixes,
        fan_out=prefixes / above,
        busiest=_busiest(np.bincount(own, interactions[reached]), possible or len(counts)),
        text=agreement["text"],
        together=agreement["together"],
        chance=agreement["chance"] or 0.0,
        changed=[changed(codes[:, level], other[:, level]) if other.shape[1] > level else None for other in others],
    )


def _busiest(amounts: np.ndarray, codes: int) -> float | None:
    """The share of the highest tenth of so many amounts, of which the others are 0."""
    most = np.sort(amounts)[::-1][: max(round(codes / 10), 1)]
    return float(most.sum() / amounts.sum()) if amounts.sum() else None


def _agreement(beginnings: np.ndarray, pairs: np.ndarray) -> float | None:
    """The share of pairs of rows, shape [2, pairs], that begin alike and whose identifiers reach so far."""
    if not pairs.size:
        return None
    first, second = beginnings[pairs[0]], beginnings[pairs[1]]
    return float(((first == second).all(axis=1) & (first[:, -1] >= 0)).mean())


def changed(codes: np.ndarray, other: np.ndarray) -> float | None:
    """The share of documents whose code, shape [documents], is another one in `other`, under the best matching.

    Codes are names: each of one fit is matched with one of the other so that as many documents as can be keep theirs
    (the assignment problem, Kuhn 1955). None where there are too many to match.
    """
    from scipy.optimize import linear_sum_assignment

    first = np.unique(codes, return_inverse=True)[1].reshape(-1)
    second = np.unique(other, return_inverse=True)[1].reshape(-1)
    if max(first.max(), second.max()) >= _MATCHED:
        return None
    both = np.zeros((first.max() + 1, second.max() + 1))
    np.add.at(both, (first, second), 1)
    rows, columns = linear_sum_assignment(both, maximize=True)
    return float(1 - both[rows, columns].sum() / len(codes))


def following_pairs(sequences: Sequence[np.ndarray]) -> np.ndarray:
    """Shape [2, pairs]: rows that follow each other in a sequence, as often as they do; none with itself."""
    steps = [np.stack([one[:-1], one[1:]]) for one in sequences]
    pairs = np.concatenate([np.zeros((2, 0), dtype=np.int64), *steps], axis=1)
    return pairs[:, pairs[0] != pairs[1]]


def text_pairs(texts: Sequence[str]) -> np.ndarray:
    """Shape [2, pairs]: each text with a word, and those with the highest cosine of tf-idf, `NEIGHBOURS` at most."""
    matrix = _tf_idf(texts)
    found = [np.zeros((2, 0), dtype=np.int64)]
    for start in range(0, matrix.shape[0], _AT_ONCE):
        scores = (matrix[start : start + _AT_ONCE] @ matrix.T).toarray()
        own = np.arange(len(scores))
        scores[own, start + own] = 0
        nearest = np.argsort(-scores, axis=1, kind="stable")[:, :NEIGHBOURS]
        rows = np.repeat(start + own, nearest.shape[1])
        near = np.take_along_axis(scores, nearest, axis=1).ravel() > 0
        found.append(np.stack([rows, nearest.ravel()])[:, near])
    return np.concatenate(found, axis=1)


def _tf_idf(texts: Sequence[str]) -> "csr_array":
    """Shape [texts, words]: (1 + ln tf) ln(N / df), each row of length 1."""
    from scipy.sparse import coo_array

    numbers: dict[str, int] = {}
    words = [[numbers.setdefault(term, len(numbers)) for term in terms(text)] for text in texts]
    owners = np.repeat(np.arange(len(words)), [len(found) for found in words])
    places = np.concatenate([np.zeros(0, dtype=np.int64), *(np.array(found, dtype=np.int64) for found in words)])
    matrix = coo_array((np.ones(len(places)), (owners, places)), shape=(len(words), max(len(numbers), 1))).tocsr()
    rarity = np.log(max(len(words), 1) / np.maximum(np.bincount(matrix.indices, minlength=matrix.shape[1]), 1))
    matrix.data = (1 + np.log(matrix.data)) * rarity[matrix.indices]
    lengths = np.sqrt(matrix.multiply(matrix).sum(axis=1))
    matrix.data /= np.repeat(np.where(lengths > 0, lengths, 1), np.diff(matrix.indptr))
    return matrix


def _any_pairs(documents: int) -> np.ndarray:
    """Shape [2, pairs]: all pairs of different rows where there are few, else as many drawn at random."""
    if documents * (documents - 1) // 2 <= _DRAWN:
        return np.stack(np.triu_indices(documents, k=1))
    generator = np.random.default_rng(0)
    first = generator.integers(documents, size=_DRAWN)
    return np.stack([first, (first + generator.integers(1, documents, size=_DRAWN)) % documents])
