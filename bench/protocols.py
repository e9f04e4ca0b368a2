"""What some systems can do beyond `fit` and `retrieve`: a class simply has the methods, and `isinstance` tells."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from bench.collections.collection import Collection, Query
from bench.errors import BenchError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import numpy as np
    from typing_extensions import TypeIs

    from bench.hits import Evidence
    from bench.rankings import Rankings


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
class SharesReading(Protocol):
    """What its encoder makes of a question is kept, for itself and for other systems that have the same encoder."""

    def reading_once(self, queries: Sequence[Query]) -> "AbstractContextManager[None]":
        """After `fit`: while the block runs, `retrieve` reads no question of these that was read before."""


@runtime_checkable
class GeneratesIdentifiers(Protocol):
    """It answers by generating the identifiers of documents."""

    def docids(self) -> Sequence[tuple[str, ...]]:
        """After `fit`: the path of identifier tokens of each document, in the collection's order."""


Scored = tuple["np.ndarray", "np.ndarray"]
"""Collection rows of documents, and their scores."""


@runtime_checkable
class GeneratesAmong(Protocol):
    """It generates identifiers of those documents that another system scored."""

    def retrieve_among(self, queries: Sequence[Query], candidates: Sequence[Scored], k: int) -> "Rankings":
        """The k candidates of each query with the highest sum of log-probability and given score, with these sums.

        The given scores steer the generation: the best one below a prefix counts as much as its log-probability.
        """


class Trace(NamedTuple):
    """How a search for identifiers went past a document.

    row: of the document in the collection
    log_prob: of its identifier
    step: how many tokens its identifier had when the search left it; 0 where it is among the answers
    gap: by how much it was then less probable than the last one that was kept
    """

    row: int
    log_prob: float
    step: int
    gap: float


@runtime_checkable
class TracesIdentifiers(Protocol):
    """It searches for identifiers step by step, and scores what it finds by their log-probabilities."""

    def traces(self, queries: Sequence[Query], rows: "Sequence[np.ndarray]", k: int) -> Iterable[Sequence[Trace]]:
        """For each query and each document in its array of rows, how the search for k answers went past it."""


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


@runtime_checkable
class Explains(Protocol):
    """It can tell what it found its hits by."""

    def explain(self, query: Query, rows: "np.ndarray", texts: Sequence[str]) -> "Sequence[Sequence[Evidence]]":
        """For each document of these collection rows, with its text, what gave how much to its score.

        In the order to be read; the weights of a document add up to its score.
        """


@runtime_checkable
class TakesDocuments(Protocol):
    """It takes new documents after its fit."""

    def add(self, documents: Collection) -> None:
        """Take more documents, whose rows go on after those that it has; they come without queries.

        What it has learned stays: only what the documents themselves say may be added. Raises CannotAdd where its
        options, or an index that was loaded, leave no way to.
        """


@runtime_checkable
class MayRefuseDocuments(TakesDocuments, Protocol):
    """It takes new documents, but not always, and knows beforehand."""

    def check_add(self) -> None:
        """Raise CannotAdd where `add` would, so that no other part of a composition has taken the documents then."""


@runtime_checkable
class ChoosesCandidates(Protocol):
    """It orders what a first stage found, and can find nothing else."""

    def candidates(self) -> "Rankings":
        """What the first stage found for the queries of the last `retrieve`, and this system ordered."""


@runtime_checkable
class TimesParts(Protocol):
    """It is composed of systems, and knows how long each of them takes."""

    def fit_seconds(self) -> "Mapping[str, float]":
        """After `fit`: seconds by the name of each part, shared work included."""

    def answer_seconds(self) -> "Mapping[str, float]":
        """Seconds by the name of each part in the last `retrieve`."""


@runtime_checkable
class ComparesVectors(Protocol):
    """It compares vectors, one for each text or for each token, by inner product or MaxSim."""

    def query_vectors(self, queries: Sequence[Query]) -> "Sequence[np.ndarray]":
        """Of each query, shape [dimension] or [tokens, dimension]."""

    def document_vectors(self, rows: "np.ndarray") -> "Sequence[np.ndarray]":
        """Of each document of these collection rows, shape [dimension] or [tokens, dimension]."""


@runtime_checkable
class SearchesVectors(ComparesVectors, Protocol):
    """It has one vector for each text, and can be asked with any."""

    def search_vectors(self, queries: Sequence[Query], vectors: "Sequence[np.ndarray]", k: int) -> "Rankings":
        """As `retrieve`, with these vectors in place of the queries' own."""


def evidence_of(
    retriever: object, query: Query, ranked: "Rankings", collection: Collection
) -> "Sequence[Sequence[Evidence]]":
    """What each hit was found by, from canonical rankings of one query. Raises BenchError if it cannot tell."""
    if not isinstance(retriever, Explains):
        raise BenchError(
            f"{type(retriever).__name__} does not tell what it finds documents by; ask one that does, such as bm25, "
            "splade, colbert, dsi, se_dsi or ngram"
        )
    rows, _ = ranked.of(0)
    if not len(rows):
        return []
    return retriever.explain(query, rows, [collection.texts()[row] for row in rows.tolist()])


def can_be_saved(retriever: object) -> "TypeIs[Saves]":
    """Whether its index can be kept: it has the methods, and so have all systems that it is composed of."""
    parts: Sequence[object] = getattr(retriever, "components", tuple)()
    return isinstance(retriever, Saves) and all(map(can_be_saved, parts))


def computes_elsewhere(retriever: object) -> bool:
    """Whether another machine computes its answers, or those of a part of it."""
    parts: Sequence[object] = getattr(retriever, "components", tuple)()
    return bool(getattr(retriever, "remote", False)) or any(map(computes_elsewhere, parts))


def traces(
    retriever: object, queries: Sequence[Query], rows: "Sequence[np.ndarray]", k: int
) -> list[Sequence[Trace]] | None:
    """How a search for k answers went past documents of each query; None where none are sought, or nothing tells."""
    if not len(rows) or not isinstance(retriever, TracesIdentifiers):
        return None
    return list(retriever.traces(queries, rows, k))


def identifier_groups(retriever: object) -> "np.ndarray | None":
    """The groups of documents that share an identifier; None for a system that has no identifiers to share."""
    return retriever.identifier_groups() if isinstance(retriever, SharesIdentifiers) else None


METHODS: Mapping[str, str] = {
    name: kind.__name__
    for kind in tuple(globals().values())
    if getattr(kind, "_is_protocol", False) and kind is not Protocol
    for name in vars(kind)
    if not name.startswith("_")
}
"""The protocol of each method by which a system shows what it can do."""
