"""MaxSim over documents that have one vector per token."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

_QUERY_TOKENS = 512
_DOCUMENT_TOKENS = 4096
"""Tokens multiplied at once: their similarities (8 MB) stay in the processor's cache until they are reduced."""


def maxsim(
    queries: Sequence[np.ndarray], vectors: np.ndarray, offsets: np.ndarray, device: "torch.device | str" = "cpu"
) -> np.ndarray:
    """The sum over a query's tokens of the highest inner product with a document's token.

    Khattab and Zaharia 2020, section 3.3. Each query is of shape [tokens, dimension]; document i has
    `vectors[offsets[i]:offsets[i + 1]]`, and later documents have at least as many tokens, so that those of equal
    length form blocks without padding. Returns float32 scores of shape [queries, documents]; a document or a query
    without tokens scores -inf.
    """
    scores = np.full((len(queries), len(offsets) - 1), -np.inf, dtype=np.float32)
    for span in _query_spans(queries):
        _score(queries[span], vectors, offsets, scores[span], device)
    return scores


def even_blocks(offsets: np.ndarray, wanted: int) -> list[slice]:
    """So many blocks of documents, or fewer, with about as many tokens each; `offsets` is that of all documents.

    They begin where `maxsim` begins a product, so that it scores them to the bit as it does all documents together.
    """
    starts = np.array([0, *(first for first, _ in one_length(np.diff(offsets)))])
    even = np.searchsorted(offsets, offsets[-1] * np.arange(wanted) / wanted)
    chosen = starts[np.searchsorted(starts, even, side="right") - 1]
    return [slice(start, stop) for start, stop in pairwise([*np.unique(chosen).tolist(), len(offsets) - 1])]


def _score(
    queries: Sequence[np.ndarray],
    vectors: np.ndarray,
    offsets: np.ndarray,
    scores: np.ndarray,
    device: "torch.device | str",
) -> None:
    import torch

    lengths = [len(query) for query in queries]
    tokens = torch.from_numpy(np.concatenate(queries)).to(device, torch.float32)
    owners = torch.arange(len(queries)).repeat_interleave(torch.tensor(lengths))
    belongs = torch.nn.functional.one_hot(owners, len(queries)).T.to(device, torch.float32)
    for first, last in one_length(np.diff(offsets)):
        block = torch.from_numpy(vectors[offsets[first] : offsets[last]]).to(device, torch.float32)
        similarities = (tokens @ block.T).view(len(tokens), last - first, -1)
        scores[:, first:last] = (belongs @ similarities.amax(dim=2)).cpu().numpy()
    scores[np.array(lengths) == 0] = -np.inf


def _query_spans(queries: Sequence[np.ndarray]) -> Iterator[slice]:
    """Consecutive queries that together have about as many tokens as are multiplied at once."""
    start, tokens = 0, 0
    for position, query in enumerate(queries):
        if tokens and tokens + len(query) > _QUERY_TOKENS:
            yield slice(start, position)
            start, tokens = position, 0
        tokens += len(query)
    if tokens:
        yield slice(start, len(queries))


def one_length(lengths: np.ndarray) -> Iterator[tuple[int, int]]:
    """First and last + 1 of consecutive documents of one length, not 0, and not too many tokens together."""
    changes = np.flatnonzero(np.diff(lengths, prepend=0)).tolist()
    for start, stop in pairwise([*changes, len(lengths)]):
        step = max(1, _DOCUMENT_TOKENS // int(lengths[start]))
        for first in range(start, stop, step):
            yield first, min(first + step, stop)
