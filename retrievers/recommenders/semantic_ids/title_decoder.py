"""A decoder of titles, piece by piece, told of the user by codes (Shao et al. 2024, ULMRec, arXiv 2412.05543)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from retrievers.generative.beam import Stepper
from retrievers.generative.heads import SharedHead
from retrievers.recommenders.semantic_ids.decoder_only import DecoderOnly
from retrievers.recommenders.semantic_ids.sequence_model import INITIAL, History, Shape


class TextHead(SharedHead):
    """One vocabulary for all levels, and a vector of each level beside a token's."""

    def __init__(self, dimension: int, vocabulary: int, levels: int) -> None:
        super().__init__(dimension, [vocabulary])
        self.levels = nn.Embedding(levels, dimension)
        nn.init.normal_(self.levels.weight, std=INITIAL)

    def embed(self, tokens: Tensor, level: int, states: Tensor) -> Tensor:
        """As of the shared head."""
        return super().embed(tokens, level, states) + self.levels.weight[level]


class TitleDecoder(DecoderOnly):
    """The first position is the sum of the vectors of the user's codes, one of each level.

    A user is the mean of the vectors of the items that were had, by residual codebooks. In training these are the
    items before a place that is drawn anew, and what comes from there on is learned, so that no code tells of what
    has to be written.

    vectors: float32 of shape [items, dimension]
    books: of each level, of shape [codes, dimension]; none: users have no codes
    """

    vectors: Tensor

    def __init__(self, shape: Shape, vectors: Tensor, books: Sequence[Tensor], *, seed: int) -> None:
        super().__init__(shape._replace(bins=sum(map(len, books))), last_only=False, seed=seed)
        tables = shape.tables
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.head = TextHead(shape.options.dimension, tables.vocabularies[0], tables.levels)
        self.register_buffer("vectors", vectors, persistent=False)
        for level, book in enumerate(books):
            self.register_buffer(f"book_{level}", book, persistent=False)
        self._levels = len(books)

    def user_codes(self, rows: Tensor) -> Tensor:
        """Numbers of vectors, int64 of shape [users, levels], for histories of shape [users, items]."""
        there = (rows >= 0)[..., None]
        left = (self.vectors[rows.clamp(min=0)] * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)
        codes, start = [rows.new_zeros(len(rows), 0)], 0
        for level in range(self._levels):
            book = self.get_buffer(f"book_{level}")
            # Pair by pair: products of matrices round as their sizes say, and would tell equal codes apart by them.
            nearest = torch.cdist(left, book, compute_mode="donot_use_mm_for_euclid_dist").argmin(dim=1)
            left = left - book[nearest]
            codes.append(start + nearest[:, None])
            start += len(book)
        return torch.cat(codes, dim=1)

    def first(self, history: History) -> Tensor:
        """As of the base; users are codes here, of shape [users, levels]."""
        users: Tensor = self.users(history.users).sum(dim=1)
        return users

    def loss(self, history: History, label_smoothing: float) -> Tensor:
        """The mean cross-entropy of the pieces of the titles from a drawn place on, the second or a later one."""
        rows = history.rows
        counted = torch.arange(rows.shape[1], device=rows.device)
        lengths = (rows >= 0).sum(dim=1)
        cuts = 1 + (torch.rand(len(rows), device=rows.device) * (lengths - 1)).long()
        before = rows.masked_fill(counted >= cuts[:, None], -1)
        hidden, _, _ = self.run(history._replace(users=self.user_codes(before)))
        users, items = ((rows >= 0) & (counted >= cuts[:, None])).nonzero(as_tuple=True)
        return self.code_loss(hidden, rows, (users, items), label_smoothing)

    def stepper(self, history: History) -> Stepper:
        return super().stepper(history._replace(users=self.user_codes(history.rows)))
