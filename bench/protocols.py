"""What some systems can do beyond `fit` and `retrieve`: a class simply has the methods, and `isinstance` tells."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from bench.collections.collection import Collection, Query

if TYPE_CHECKING:
    import numpy as np


@runtime_checkable
class Saves(Protocol):
    """Its index can be written and read, so that later runs need not fit again."""

    def save(self, folder: Path) -> None:
        """Write what `fit` made into an empty folder."""

    def load(self, folder: Path) -> None:
        """Read what `save` wrote; afterwards `retrieve` answers as it did then."""


@runtime_checkable
class Embeds(Protocol):
    """It gives a vector for a text alone."""

    def embed(self, texts: Sequence[str]) -> "np.ndarray":
        """Vectors of shape [texts, dimension], without any prompt."""


@runtime_checkable
class GeneratesIdentifiers(Protocol):
    """It answers by generating the identifiers of documents."""

    def docids(self) -> Sequence[tuple[str, ...]]:
        """After `fit`: the path of identifier tokens of each document, in the collection's order."""


@runtime_checkable
class SharesIdentifiers(Protocol):
    """Several documents may have one identifier, so that it cannot tell them apart."""

    def identifier_groups(self) -> "np.ndarray | None":
        """After `fit`: shape [documents], equal numbers for documents that share an identifier; None without any."""


@runtime_checkable
class ScoresDocuments(Protocol):
    """It scores documents that another system found."""

    def score(self, queries: Sequence[Query], rows: "Sequence[np.ndarray]") -> "Sequence[np.ndarray]":
        """For each query the scores of the documents in its array of collection rows, in that order."""


@runtime_checkable
class TakesDocuments(Protocol):
    """It takes new documents after its fit."""

    def add(self, documents: Collection) -> None:
        """Take more documents, whose rows go on after those that it has; they come without queries.

        What it has learned stays: only what the documents themselves say may be added. Raises CannotAdd where its
        options, or an index that was loaded, leave no way to.
        """


def identifier_groups(retriever: object) -> "np.ndarray | None":
    """The groups of documents that share an identifier; None for a system that has no identifiers to share."""
    return retriever.identifier_groups() if isinstance(retriever, SharesIdentifiers) else None
