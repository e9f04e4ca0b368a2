"""One retriever in this process: a question to read the answer of, or pairs of sentences to compare."""

import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.cells.folder import can_load, index_folder, is_fitted, read
from bench.cells.stores import CellStore
from bench.collections.catalogue import Dataset
from bench.collections.collection import Document, Query
from bench.errors import BenchError
from bench.hits import Hits
from bench.machine import usable_cores
from bench.measures.similarity import Similarity, read_pairs, score_pairs, sentences_collection
from bench.progress import Progress, no_progress
from bench.protocols import Embeds, GeneratesIdentifiers, LimitsCodes, can_be_saved, evidence_of, identifier_groups
from bench.retriever import Retriever
from bench.runner.fitting import ask as answers_to
from bench.runner.fitting import bound_threads, fit, load
from bench.runner.plan import Cell, construct, make_plan
from bench.runner.problems import explain
from bench.runner.run import run_cells
from bench.suite import Suite, SystemEntry

if TYPE_CHECKING:
    import numpy as np


def ask(
    suite: Suite,
    dataset: Dataset,
    question: str,
    k: int,
    store: CellStore,
    device: str | None = None,
    progress: Progress = no_progress,
    plugin_files: Sequence[Path] = (),
    explain: bool = False,
) -> Hits:
    """The first k hits for a question; the index is kept, so that the next question is answered at once.

    With what they were found by, if that is asked for; raises BenchError where the system does not tell.
    """
    if not question.strip():
        raise BenchError("the question is empty; ask something")
    asked, collection = [Query("question", question)], dataset.collection
    with _in_one_line(suite.systems[0]):
        retriever = _fitted(suite, dataset, store, device, progress, plugin_files)
        answers = answers_to(retriever, asked, k, collection.documents)
        ranked = answers.canonical(asked, collection.documents, k)
        evidence = evidence_of(retriever, asked[0], ranked, collection) if explain else ()
    return Hits.of(question, ranked, collection, evidence)


class Named(NamedTuple):
    """A document with the tokens of its identifier, and how many of them it shares with the one asked about."""

    document: Document
    docid: tuple[str, ...]
    shared: int


def neighbours(
    suite: Suite,
    dataset: Dataset,
    document_id: str,
    k: int,
    store: CellStore,
    device: str | None = None,
    progress: Progress = no_progress,
    plugin_files: Sequence[Path] = (),
) -> Sequence[Named]:
    """A document's identifier, and the k whose identifiers begin most like it; without an id, the first document's.

    Raises BenchError for an unknown document or a system that generates no identifiers.
    """
    documents = dataset.collection.documents
    if document_id and document_id not in documents.rows:
        raise BenchError(f"{dataset.collection.name} has no document '{document_id}'")
    row = documents.rows[document_id] if document_id else 0
    docids = naming(suite, dataset, store, device, progress, plugin_files).docids
    shared = [_shared_beginning(docids[row], docid) for docid in docids]
    order = sorted(range(len(docids)), key=lambda other: (other != row, -shared[other], other))
    return [Named(documents[other], docids[other], shared[other]) for other in order[: k + 1]]


class Naming(NamedTuple):
    """How a system names the documents of a collection, in their order.

    vocabularies: how many codes each level may have, where the system says
    groups: shape [documents], equal numbers for documents that share an identifier; None where none can
    """

    docids: Sequence[tuple[str, ...]]
    vocabularies: Sequence[int] | None
    groups: "np.ndarray | None"


def naming(
    suite: Suite,
    dataset: Dataset,
    store: CellStore,
    device: str | None = None,
    progress: Progress = no_progress,
    plugin_files: Sequence[Path] = (),
) -> Naming:
    """The identifiers of the suite's first system. Raises BenchError if it generates none."""
    with _in_one_line(suite.systems[0]):
        retriever = _fitted(suite, dataset, store, device, progress, plugin_files)
        if not isinstance(retriever, GeneratesIdentifiers):
            name = suite.systems[0].retriever
            raise BenchError(f"'{name}' generates no identifiers; use one that does, such as dsi, se_dsi or sid")
        limits = retriever.vocabularies() if isinstance(retriever, LimitsCodes) else None
        return Naming(retriever.docids(), limits, identifier_groups(retriever))


def _shared_beginning(first: Sequence[str], second: Sequence[str]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


@contextmanager
def _in_one_line(entry: SystemEntry) -> Iterator[None]:
    """What a system raises is one line that says where, and so is the attempt to end this process."""
    try:
        yield
    except BenchError:
        raise
    except (Exception, SystemExit) as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        raise BenchError(f"'{entry.label}' failed in {place.filename}:{place.lineno}: {explain(error)}") from error


class _Quiet:
    """Passes on what a cell says of its progress."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def started(self, cell: Cell) -> None: ...

    def progressed(self, cell: Cell, phase: str, done: int, total: int) -> None:  # noqa: ARG002
        self._progress(phase, done, total)

    def finished(self, cell: Cell, seconds: float, problem: str) -> None: ...


def _fitted(
    suite: Suite,
    dataset: Dataset,
    store: CellStore,
    device: str | None,
    progress: Progress,
    plugin_files: Sequence[Path],
) -> Retriever:
    """The first system of the suite, loaded from a finished cell or from an index of its own, which is kept.

    A measured cell is only read: what is fitted to be asked lies apart, below `asked`.
    """
    cell = make_plan(suite, [dataset], store.folder, device, plugin_files)[0]
    if cell.problem:
        raise BenchError(cell.problem.reason)
    retriever = construct(suite.systems[0], cell.seed, device)
    retriever.report_to(progress)
    bound_threads(len(usable_cores()))
    if not can_be_saved(retriever):
        fit(retriever, dataset.collection.training_view(), retriever.workplace)
        return retriever
    if not can_load(cell.folder):
        store.fetch([cell.folder.name], whole=True)
    if not can_load(cell.folder):
        cell = replace(cell, folder=store.folder / "asked" / cell.folder.name, tasks=())
    if not can_load(cell.folder):
        run_cells([cell], _Quiet(progress), fresh=is_fitted(cell.folder))
        record = read(cell.folder)
        if record.failure:
            raise BenchError(record.problem)
    load(retriever, index_folder(cell.folder))
    return retriever


def similarity(entry: SystemEntry, pairs_file: Path, seed: int, device: str | None) -> Similarity:
    """Sentence-pair similarity of a retriever that has `embed`, fitted on the file's own sentences."""
    retriever = construct(entry, seed, device)
    if not isinstance(retriever, Embeds):
        raise BenchError(f"'{entry.retriever}' does not embed single texts; use one that does, such as sbert or sif")
    pairs = read_pairs(pairs_file)
    bound_threads(len(usable_cores()))
    with tempfile.TemporaryDirectory() as folder, _in_one_line(entry):
        fit(retriever, sentences_collection(pairs, Path(folder)), retriever.workplace)
        return score_pairs(retriever, pairs)
