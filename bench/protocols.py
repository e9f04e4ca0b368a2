"""What some systems can do beyond `fit` and `retrieve`: a class simply has the methods, and `isinstance` tells."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from bench.collections.collection import Query

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
class LimitsCodes(Protocol):
    """The tokens of its identifiers are codes, of which there are so many on each level, used or not."""

    def vocabularies(self) -> Sequence[int]:
        """After `fit`: how many different codes each level may have."""


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


def identifier_groups(retriever: object) -> "np.ndarray | None":
    """The groups of documents that share an identifier; None for a system that has no identifiers to share."""
    return retriever.identifier_groups() if isinstance(retriever, SharesIdentifiers) else None
