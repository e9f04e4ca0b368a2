"""What ends a decoder: logits of an identifier's next token from its hidden states."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from retrievers.generative.docids import Identifiers, centroids, factor_owners, items_below, spread_factors
from retrievers.generative.trie import Trie, TrieTables

SCALE = 20.0
"""Of cosines in a softmax; sentence encoders are trained with it."""

_RANK = 16
"""Of what a prefix changes of the output vectors."""

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


class Codebooks(NamedTuple):
    """What the output vectors of an additive head start as.

    books: of each level, of shape [tokens, dimension]
    turn: as in `Start`
    """

    books: Sequence[Tensor]
    turn: Tensor


def additive_start(
    identifiers: Identifiers, vectors: np.ndarray | None, dimension: int, turn: Tensor | None = None
) -> Codebooks:
    """Of documents' vectors, of shape [documents, dimension], as `prefix_start`.

    A token's vector is the mean of what the levels before it left of the vectors of the documents that have it, so
    that the vectors of an identifier's tokens add up to about its document's.
    """
    turn = torch.eye(dimension) if turn is None else turn
    books = [np.zeros((size, dimension), dtype=np.float32) for size in identifiers.vocabularies]
    if vectors is not None:
        left = vectors.astype(np.float32)
        for book, tokens in zip(books, identifiers.tokens.T, strict=True):
            there = tokens >= 0
            np.add.at(book, tokens[there], left[there])
            book /= np.maximum(np.bincount(tokens[there], minlength=len(book)), 1)[:, np.newaxis]
            left[there] -= book[tokens[there]]
    return Codebooks([torch.from_numpy(book) for book in books], turn)


class Asked(NamedTuple):
    """What a head knows of a batch of queries before the first token.

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


class PrefixAdaptiveHead(SharedHead):
    """A shared head whose output vectors depend on the query and on the tokens so far.

    NCI's prefix-aware weight-adaptive decoder (Wang et al. 2022, arXiv 2206.02743, section 3.3) multiplies a level's
    output vectors W by a matrix that a second decoder makes of the query and the prefix. Here the matrix is
    I + U diag(a) V, of the rank of a, which two layers make of both; the paper's is full, and its decoder has four
    layers. Of a prefix that no identifier has nothing is known but the query.
    """

    prefixes: Tensor

    def __init__(self, dimension: int, tables: TrieTables, vocabularies: list[int], encoder_dimension: int) -> None:
        super().__init__(dimension, vocabularies)
        self.register_buffer("prefixes", torch.from_numpy(tables.trie.prefixes()), persistent=False)
        self.read_query = nn.Linear(encoder_dimension, dimension)
        self.places = nn.Embedding(tables.levels, dimension)
        self.factors_of = nn.Linear(dimension, _RANK)
        self.narrow = nn.Linear(dimension, _RANK, bias=False)
        self.widen = nn.Linear(_RANK, dimension, bias=False)

    def ask(self, directions: Tensor) -> Asked:
        """The queries' vectors as the adaptor reads them, of shape [queries, dimension]."""
        return Asked(self.read_query(directions), None)

    def factors(self, asked: Asked, level: int, states: Tensor) -> Tensor:
        """Shape [queries, ..., rank]: what the prefixes that end in states of shape [queries, ...] are worth."""
        query = _beside(asked.wanted, states.dim() + 1)
        prefixes = self.prefixes[states.clamp(min=0)].masked_fill(states[..., None] < 0, -1)
        seen = functional.gelu(query.expand(*states.shape, -1))
        for before, tokens in enumerate(prefixes[..., :level].unbind(-1)):
            read = self.embed(tokens.clamp(min=0), before, states) + self.places.weight[before]
            seen = seen + functional.gelu(read) * (tokens >= 0)[..., None]
        return self.factors_of(seen)

    def output_vectors(self, asked: Asked, level: int, states: Tensor) -> Tensor:
        """Shape [queries, ..., vocabulary, dimension]: those of a level after prefixes that end in the states."""
        factors = self.factors(asked, level, states)
        change = self.widen.weight @ (factors[..., None] * self.narrow.weight)
        outputs: Any = self.outputs[level % len(self.outputs)].weight
        return outputs + outputs @ change

    def forward(self, hidden: Tensor, asked: Asked | None, level: int, states: Tensor) -> Tensor:
        """As of the shared head."""
        if asked is None:
            raise ValueError("a prefix-adaptive head is told of the query")
        changed = self.widen(self.narrow(hidden) * self.factors(asked, level, states))
        return super().forward(hidden + changed, asked, level, states)


class AdditiveHead(nn.Module):
    """One output vector for each token of a level, whose logits add up to a document's score.

    RIPOR (Zeng et al. 2024, arXiv 2311.09134, section 3.1): the score is the sum of products of hidden states and
    tokens' vectors, without a softmax. With a start it begins as the search for documents by their quantised vectors:
    20 times the cosine of the query and the sum of the vectors of a document's tokens.
    """

    def __init__(self, dimension: int, vocabularies: list[int], start: Codebooks | None) -> None:
        super().__init__()
        books = (
            [torch.randn(size, dimension) * dimension**-0.5 for size in vocabularies]
            if start is None
            else start.books
        )
        own = books[0].shape[1]
        self.books = nn.ParameterList(nn.Parameter(book.clone()) for book in books)
        self.project, self.turn = _towards(dimension, own, None if start is None else start.turn)
        self.read = nn.Linear(own, dimension)

    def embed(self, tokens: Tensor, level: int, _states: Tensor) -> Tensor:
        """As of the shared head."""
        return self.read(self.books[level % len(self.books)][tokens])

    def ask(self, directions: Tensor) -> Asked | None:
        """The queries' vectors, as of the prefix head."""
        return None if self.turn is None else Asked(SCALE * functional.normalize(self.turn(directions), dim=-1), None)

    def forward(self, hidden: Tensor, asked: Asked | None, level: int, _states: Tensor) -> Tensor:
        """As of the shared head."""
        return functional.linear(_wanted(self.project(hidden), asked), self.books[level % len(self.books)])


def _towards(dimension: int, own: int, turn: Tensor | None) -> tuple[nn.Linear, nn.Linear | None]:
    """Maps of hidden states and of queries to where output vectors are; with a start the first begins as nothing."""
    project = nn.Linear(dimension, own)
    if turn is None:
        return project, None
    nn.init.zeros_(project.weight)
    nn.init.zeros_(project.bias)
    turned = nn.Linear(own, own, bias=False)
    turned.weight = nn.Parameter(turn.clone())
    return project, turned


def _wanted(projected: Tensor, asked: Asked | None) -> Tensor:
    return projected if asked is None else projected + _beside(asked.wanted, projected.dim())


def _beside(queries: Tensor, dimensions: int) -> Tensor:
    """What there is of queries, of shape [queries, width], as one of so many dimensions: [queries, 1, ..., width]."""
    return queries.view(len(queries), *[1] * (dimensions - 2), queries.shape[-1])


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
        self.project, self.turn = _towards(dimension, own, None if start is None else start.turn)
        self.register_buffer("owners", None, persistent=False)
        if start is not None and len(start.owners):
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
        logits = self._products(_wanted(self.project(hidden), asked), children.states, level)
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


AnyHead = SharedHead | PrefixHead | AdditiveHead
