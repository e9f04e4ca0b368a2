"""Codebooks that are learned by gradient (van den Oord et al. 2017, arXiv 1711.00937)."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Rules:
    """commitment: weight of what draws vectors to their codes; revive: move codes that no vector is nearest to."""

    commitment: float
    revive: bool


class Quantiser(nn.Module, ABC):
    """Codebooks, one for each level, that start as `books`, of shape [codes, width] each."""

    def __init__(self, books: Sequence[np.ndarray], rules: Rules) -> None:
        super().__init__()
        self.books = nn.ParameterList(nn.Parameter(torch.from_numpy(book.copy())) for book in books)
        self.rules = rules
        self._used = [torch.zeros(len(book), dtype=torch.bool) for book in books]
        self._given: list[Tensor] = []

    @abstractmethod
    def chosen(self, vectors: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """For each level, what it was given to code and the codes that are nearest, both of shape [batch, width]."""

    @abstractmethod
    def joined(self, chosen: Sequence[Tensor]) -> Tensor:
        """The vectors that the codes of all levels describe, shape [batch, dimension]."""

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """The described vectors, whose gradient passes straight through to `vectors`, and the codebooks' loss."""
        given, chosen = zip(*self.chosen(vectors), strict=True)
        self._given = [one.detach() for one in given]
        losses = [
            functional.mse_loss(code, one.detach()) + self.rules.commitment * functional.mse_loss(one, code.detach())
            for one, code in zip(given, chosen, strict=True)
        ]
        described = self.joined(chosen)
        return vectors + (described - vectors).detach(), torch.stack(losses).sum()

    def look_up(self, level: int, given: Tensor) -> Tensor:
        """The nearest codes of a level."""
        book = self.books[level]
        with torch.no_grad():
            tokens = ((book**2).sum(dim=1) - 2 * given @ book.T).argmin(dim=1)
        self._used[level][tokens] = True
        return functional.embedding(tokens, book)

    @torch.no_grad()
    def revive(self) -> None:
        """Move each code that went unused since the last call to a vector of the last batch, if the rules say so."""
        for book, used, given in zip(self.books, self._used, self._given, strict=True):
            if self.rules.revive:
                dead = torch.nonzero(~used)[:, 0]
                book[dead] = given[torch.randint(len(given), (len(dead),))]
            used.zero_()


class ResidualQuantiser(Quantiser):
    """Each level codes what the levels before it left (Zeghidour et al. 2021, arXiv 2107.03312).

    With `normalise` what is left is scaled to length 1 before the next level.
    """

    def __init__(self, books: Sequence[np.ndarray], rules: Rules, normalise: bool = False) -> None:
        super().__init__(books, rules)
        self.normalise = normalise

    def chosen(self, vectors: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        given = vectors
        for level in range(len(self.books)):
            codes = self.look_up(level, given)
            yield given, codes
            given = given - codes
            if self.normalise:
                given = functional.normalize(given, dim=1)

    def joined(self, chosen: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(chosen)).sum(dim=0)


class PartsQuantiser(Quantiser):
    """Each level codes a part of the vector of its own; the parts are equally wide."""

    def chosen(self, vectors: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        for level, part in enumerate(vectors.chunk(len(self.books), dim=1)):
            yield part, self.look_up(level, part)

    def joined(self, chosen: Sequence[Tensor]) -> Tensor:
        return torch.cat(list(chosen), dim=1)
