"""MaxSim of the documents that may be a query's best: a first pass in bfloat16 rules out the others."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bench.models import computes_bfloat16
from retrievers.late_interaction.maxsim import maxsim, one_length

if TYPE_CHECKING:
    import torch

_QUERY_TOKENS, _DOCUMENT_TOKENS = 512, 4096
"""Multiplied at once. A product of another shape costs milliseconds, in which its code is made, so nearly all are of
this one, whatever the texts are that the tokens belong to."""

_FEWEST_QUERY_TOKENS = 4096
"""Fewer do not make up for rounding the documents' vectors."""

_MOST_LIKELY = 0.2
"""Share of the documents that is scored one by one; it takes three times as long as to score them together."""

_ROUNDED, _SUMMED = 2.0**-8, 2.0**-23
"""Unit roundoff of bfloat16; that of float32, twice, since the order of a sum is not ours."""


class _Tokens(NamedTuple):
    """Vectors in bfloat16, and for each its length and that of what rounding took away."""

    rounded: "torch.Tensor"
    lengths: "torch.Tensor"
    lost: "torch.Tensor"

    @classmethod
    def of(cls, vectors: np.ndarray) -> "_Tokens":
        import torch

        exact = torch.from_numpy(vectors).float()
        rounded = exact.bfloat16()
        return cls(rounded, exact.norm(dim=-1), (exact - rounded.float()).norm(dim=-1))


def pays(queries: Sequence[np.ndarray], offsets: np.ndarray, k: int, device: str) -> bool:
    """Whether a first pass is quicker than to score all documents in full: on such a processor, for many questions
    that ask for few of the documents."""
    few = 5 * k <= len(offsets) - 1
    return few and device == "cpu" and sum(map(len, queries)) >= _FEWEST_QUERY_TOKENS and computes_bfloat16(device)


def maxsim_of_likely(queries: Sequence[np.ndarray], vectors: np.ndarray, offsets: np.ndarray, k: int) -> np.ndarray:
    """As `maxsim` on a processor, but -inf for documents that cannot be among the first k of a query.

    The first pass errs by no more than `_first_pass` says, so that every document which is among the first k, or
    ties with the k-th, is scored in full. Where it rules out too few, all are.
    """
    found = np.full((len(queries), len(offsets) - 1), -np.inf, dtype=np.float32)
    there = np.flatnonzero(np.diff(offsets))
    if not sum(map(len, queries)) or not len(there):
        return found
    scores, error = (one[:, there] for one in _first_pass(queries, vectors, offsets))
    least = np.sort(scores - error, axis=1)[:, -min(k, len(there)), np.newaxis]
    likely = ~(scores + error < least)
    if likely.mean() > _MOST_LIKELY:
        return maxsim(queries, vectors, offsets)
    for number, query in enumerate(queries):
        for row in there[likely[number]] if len(query) else ():
            document = vectors[offsets[row] : offsets[row + 1]].astype(np.float32, copy=False)
            found[number, row] = (query @ document.T).max(axis=1).sum()
    return found


def _first_pass(
    queries: Sequence[np.ndarray], vectors: np.ndarray, offsets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Scores by rounded vectors, and how far each may be from that in float32; both of shape [queries, documents].

    With q' and d' for q and d rounded, |qd - q'd'| <= |q||d - d'| + |d'||q - q'| (Cauchy and Schwarz); a maximum
    moves no further than what it is taken of, and products are rounded once more. Nothing of it holds for a document
    without tokens.
    """
    import torch

    asked = _Tokens.of(np.concatenate(queries))
    lengths = torch.tensor([len(query) for query in queries])
    owners = torch.arange(len(queries)).repeat_interleave(lengths)
    scores, size = torch.zeros(2, len(queries), len(offsets) - 1)
    longest, most_lost = torch.zeros(2, len(offsets) - 1)
    for window in _windows(offsets):
        begin, end = offsets[window.start], offsets[window.stop]
        block = _Tokens.of(vectors[begin : max(end, begin + _DOCUMENT_TOKENS)])
        own = offsets[window.start : window.stop + 1] - begin
        longest[window], most_lost[window] = (_largest(one[None], own)[0] for one in (block.lengths, block.lost))
        for part in torch.arange(len(owners)).split(_QUERY_TOKENS):
            nearest = _largest(asked.rounded[part] @ block.rounded.T, own)
            scores[:, window].index_add_(0, owners[part], nearest)
            size[:, window].index_add_(0, owners[part], nearest.abs())
    in_all, lost_in_all = (
        torch.zeros(len(queries), 1).index_add_(0, owners, one[:, None]) for one in (asked.lengths, asked.lost)
    )
    added = _SUMMED * (vectors.shape[1] + int(lengths.max()))
    error = in_all * (most_lost + added * longest) + lost_in_all * (longest + most_lost) + _ROUNDED * size
    return scores.numpy(), error.numpy()


def _windows(offsets: np.ndarray) -> Iterator[slice]:
    """Consecutive documents that have tokens, with no more together than are multiplied at once, or one that has."""
    start = int(np.searchsorted(offsets, offsets[0], side="right")) - 1
    while start < len(offsets) - 1:
        stop = int(np.searchsorted(offsets, offsets[start] + _DOCUMENT_TOKENS, side="right")) - 1
        yield slice(start, max(stop, start + 1))
        start = max(stop, start + 1)


def _largest(values: "torch.Tensor", offsets: np.ndarray) -> "torch.Tensor":
    """Shape [..., documents], float32: the largest of each document's columns in values of shape [..., tokens]."""
    import torch

    found = torch.zeros(len(values), len(offsets) - 1)
    for first, last in one_length(np.diff(offsets)):
        own = values[:, offsets[first] : offsets[last]]
        found[:, first:last] = own.unflatten(1, (last - first, -1)).amax(dim=2)
    return found
