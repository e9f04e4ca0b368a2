"""One retriever in this process: a question to read the answer of, or pairs of sentences to compare."""

import tempfile
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from bench.collections.catalogue import Dataset
from bench.collections.collection import Document, Query
from bench.errors import BenchError
from bench.measures.similarity import Similarity, read_pairs, score_pairs, sentences_collection
from bench.progress import Progress
from bench.retriever import Retriever
from bench.runner.cell import fit_or_load
from bench.runner.cost import PeakMemory
from bench.runner.plan import construct, make_plan
from bench.store import locked
from bench.suite import Suite, SystemEntry


class Hit(NamedTuple):
    """A document found, with its score and the text that the system read."""

    rank: int
    score: float
    document: Document
    text: str


def ask(
    suite: Suite, dataset: Dataset, question: str, k: int, out: Path, device: str | None, progress: Progress
) -> Sequence[Hit]:
    """The first k hits for a question; the index is kept, so that the next question is answered at once."""
    if not question.strip():
        raise BenchError("the question is empty; ask something")
    retriever, collection = _fitted(suite, dataset, out, device, progress), dataset.collection
    asked = [Query("question", question)]
    ranked = retriever.retrieve(asked, k).canonical(asked, collection.documents, k)
    rows, scores = ranked.of(0)
    return [
        Hit(rank, float(score), collection.documents[int(row)], collection.texts()[int(row)])
        for rank, (row, score) in enumerate(zip(rows, scores, strict=True), start=1)
    ]


class Named(NamedTuple):
    """A document with the tokens of its identifier, and how many of them it shares with the one asked about."""

    document: Document
    docid: tuple[str, ...]
    shared: int


def neighbours(
    suite: Suite, dataset: Dataset, document_id: str, k: int, out: Path, device: str | None, progress: Progress
) -> Sequence[Named]:
    """A document's identifier, and the k whose identifiers begin most like it; without an id, the first document's.

    Raises BenchError for an unknown document or a system that generates no identifiers.
    """
    documents = dataset.collection.documents
    if document_id and document_id not in documents.rows:
        raise BenchError(f"{dataset.collection.name} has no document '{document_id}'")
    row = documents.rows[document_id] if document_id else 0
    retriever = _fitted(suite, dataset, out, device, progress)
    try:
        docids = retriever.docids()
    except NotImplementedError:
        name = suite.systems[0].retriever
        raise BenchError(f"'{name}' generates no identifiers; use one that does, such as dsi or se_dsi") from None
    shared = [_shared_beginning(docids[row], docid) for docid in docids]
    order = sorted(range(len(docids)), key=lambda other: (other != row, -shared[other], other))
    return [Named(documents[other], docids[other], shared[other]) for other in order[: k + 1]]


def _shared_beginning(first: Sequence[str], second: Sequence[str]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


def _fitted(suite: Suite, dataset: Dataset, out: Path, device: str | None, progress: Progress) -> Retriever:
    """The first system of the suite, fitted or loaded; its index is kept."""
    cell = make_plan(suite, [dataset], out, device)[0]
    if cell.problem:
        raise BenchError(cell.problem)
    retriever = construct(suite.systems[0], cell.seed, device)
    retriever.report_to(progress)
    with locked(cell.folder):
        fit_or_load(cell, retriever, dataset.collection, PeakMemory(), threads=0)
    return retriever


def similarity(entry: SystemEntry, pairs_file: Path, seed: int, device: str | None) -> Similarity:
    """Sentence-pair similarity of a retriever that has `embed`, fitted on the file's own sentences."""
    retriever = construct(entry, seed, device)
    if not hasattr(retriever, "embed"):
        raise BenchError(f"'{entry.retriever}' does not embed single texts; use one that does, such as sbert or sif")
    pairs = read_pairs(pairs_file)
    with tempfile.TemporaryDirectory() as folder:
        retriever.fit(sentences_collection(pairs, Path(folder)))
    return score_pairs(retriever, pairs)
