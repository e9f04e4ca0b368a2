"""What ends a decoder: logits of an identifier's next token from its hidden states."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from retrievers.generative.docids import centroids, factor_owners, items_below, spread_factors
from retrievers.generative.trie import Trie, TrieTables

SCALE = 20.0
"""Of cosines in a softmax; sentence encoders are trained with it."""

_FEW = 16
"""Times the vocabulary: so many states are multiplied by all, which is faster than to gather each row's own."""


class Start(NamedTuple):
    """What the output vectors of a prefix head start as.

    vectors: shape [states, dimension]: the mean vectors of the documents below
    turn: shape [dimension, dimension]: the linear map of queries that goes with these vectors
    factors, owners: of shape [factors, dimension] and [factors], int64: the squares of a query's products with those
        that a state owns sum to the variance of its products with the documents below; none for the mean alone
    """

    vectors: Tensor
    turn: Tensor
    factors: Tensor
    owners: Tensor


def prefix_start(
    trie: Trie, vectors: np.ndarray | None, dimension: int, rank: int, turn: Tensor | None = None
) -> Start:
    """Of documents' vectors, of shape [documents, dimension], with so many factors of a state at most.

    `turn` is the linear map of queries that goes with the vectors, if there is one. Without vectors it has the same
    shape: weights are about to be loaded.
    """
    turn = torch.eye(dimension) if turn is None else turn
    if vectors is None:
        owners = torch.from_numpy(factor_owners(trie, dimension, rank))
        return Start(torch.zeros(trie.states, dimension), turn, torch.zeros(len(owners), dimension), owners)
    factors, of = spread_factors(trie, vectors, rank) if rank else (np.zeros((0, dimension)), np.zeros(0))
    return Start(torch.from_numpy(centroids(trie, vectors)), turn, *map(torch.from_numpy, (factors, of)))


class Asked(NamedTuple):
    """What a prefix head knows of a batch of queries before the first token.

    wanted: shape [queries, dimension]: the query's vector, times the scale
    spreads: shape [queries, states]: what the spread of the documents below adds to a state's logit, or none
    """

    wanted: Tensor
    spreads: Tensor | None

    def of(self, rows: Tensor) -> "Asked":
        """The same of some of the queries."""
        return Asked(self.wanted[rows], None if self.spreads is None else self.spreads[rows])


class SharedHead(nn.Module):
    """One output vector for each token of a vocabulary, whatever came before it."""

    def __init__(self, dimension: int, vocabularies: list[int]) -> None:
        super().__init__()
        self.outputs = nn.ModuleList(nn.Linear(dimension, size) for size in vocabularies)
        self.embeddings = nn.ModuleList(nn.Embedding(size, dimension) for size in vocabularies)

    def embed(self, tokens: Tensor, level: int, _states: Tensor) -> Tensor:
        """Shape [..., dimension]: what the decoder reads of the tokens of a level."""
        return self.embeddings[level % len(self.embeddings)](tokens)

    def ask(self, _directions: Tensor) -> Asked | None:
        """Nothing is known of a query but what the decoder sees."""
        return None

    def forward(self, hidden: Tensor, _asked: Asked | None, level: int, _states: Tensor) -> Tensor:
        """Logits of shape [..., vocabulary] for the tokens of a level, from hidden states [..., dimension]."""
        return self.outputs[level % len(self.outputs)](hidden)


class PrefixHead(nn.Module):
    """One output vector for each state of the trie, so that what a token means depends on what came before it.

    With a start it begins as a search for the documents nearest to the encoder's mean state q. The probability of all
    documents d below a state is proportional to the sum of exp(20 q.d), which their number n, their mean vector c and
    their variance along q approximate: 20 q.c + log n + 200 var(q.d), the cumulants of the sum (with the mean vectors
    alone the last term is missing, and a large cluster is underestimated). The decoder learns what to add to q, and a
    linear map how to turn it. Without a start all is random.
    """

    owners: Tensor | None

    def __init__(self, dimension: int, tables: TrieTables, start: Start | None) -> None:
        super().__init__()
        self.tables = tables
        vectors = torch.randn(tables.trie.states, dimension) * dimension**-0.5 if start is None else start.vectors
        own = vectors.shape[1]
        self.project = nn.Linear(dimension, own)
        self.turn: nn.Linear | None = None
        self.register_buffer("owners", None, persistent=False)
        if start is not None:
            nn.init.zeros_(self.project.weight)
            nn.init.zeros_(self.project.bias)
            self.turn = nn.Linear(own, own, bias=False)
            self.turn.weight = nn.Parameter(start.turn.clone())
            if len(start.owners):
                self.factors = nn.Parameter(start.factors.clone())
                self.owners = start.owners
        self.vectors = nn.Parameter(vectors[1:].clone())  # nothing leads to the root
        sizes = torch.from_numpy(items_below(tables.trie)[1:])
        self.bias = nn.Parameter(torch.zeros(len(sizes)) if start is None else sizes.log())
        self.read = nn.Linear(own, dimension)

    def embed(self, _tokens: Tensor, _level: int, states: Tensor) -> Tensor:
        """Shape [..., dimension]: what the decoder reads of the prefixes that end in these states."""
        return self.read(_rows(self.vectors, (states - 1).clamp(min=0)))

    def ask(self, directions: Tensor) -> Asked | None:
        """What the queries' vectors of length 1, of shape [queries, dimension], say; nothing without a start."""
        if self.turn is None:
            return None
        turned = functional.normalize(self.turn(directions), dim=-1)
        if self.owners is None:
            return Asked(SCALE * turned, None)
        products = functional.linear(turned, self.factors).square()
        spreads = products.new_zeros(len(turned), self.tables.trie.states).index_add(1, self.owners, products)
        return Asked(SCALE * turned, SCALE**2 / 2 * spreads)

    def forward(self, hidden: Tensor, asked: Asked | None, level: int, states: Tensor) -> Tensor:
        """As of the shared head, with -inf for tokens that the states, of shape [queries, ...], do not allow."""
        children = self.tables.children(level, states)
        wanted = self.project(hidden)
        if asked is not None:
            wanted = wanted + asked.wanted.view(len(wanted), *[1] * (wanted.dim() - 2), wanted.shape[-1])
        logits = self._products(wanted, children.states, level)
        if asked is not None and asked.spreads is not None:
            nexts = children.states.clamp(min=0)
            logits = logits + asked.spreads.gather(1, nexts.flatten(1)).view_as(nexts)
        logits = logits.masked_fill(children.states < 0, -torch.inf)
        return children.spread(logits, self.tables.vocabularies[level], -torch.inf)

    def _products(self, wanted: Tensor, nexts: Tensor, level: int) -> Tensor:
        """Shape [..., width]: the wanted vectors times those of the states in `nexts`, of shape [..., width]."""
        first, last = self.tables.level_offsets[level + 1 : level + 3]
        if last - first <= _FEW * nexts.shape[-1]:
            span = slice(first - 1, last - 1)
            products = functional.linear(wanted, self.vectors[span], self.bias[span])
            return products.gather(-1, (nexts - first).clamp(min=0))
        rows = (nexts - 1).clamp(min=0)
        return (_rows(self.vectors, rows) @ wanted[..., None] + _rows(self.bias[:, None], rows))[..., 0]


def _rows(table: Tensor, numbers: Tensor) -> Tensor:
    """As `table[numbers]`, whose gradient takes a GPU minutes where one row stands for all that is missing."""
    return functional.embedding(numbers, table)
