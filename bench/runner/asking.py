"""One retriever in this process: a question to read the answer of, or pairs of sentences to compare."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench.catalogue import Dataset
from bench.collection import Document, Query
from bench.errors import BenchError
from bench.retriever import Progress
from bench.runner.cell import fit_or_load
from bench.runner.cost import PeakMemory
from bench.runner.plan import construct, make_plan
from bench.scores.similarity import Similarity, read_pairs, score_pairs, sentences_collection
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
    cell = make_plan(suite, [dataset], out, device)[0]
    if cell.problem:
        raise BenchError(cell.problem)
    retriever = construct(suite.systems[0], cell.seed, device)
    retriever.report_to(progress)
    collection = dataset.collection
    with locked(cell.folder):
        fit_or_load(cell, retriever, collection, PeakMemory(), threads=0)
    asked = [Query("question", question)]
    ranked = retriever.retrieve(asked, k).canonical(asked, collection.documents, k)
    rows, scores = ranked.of(0)
    return [
        Hit(rank, float(score), collection.documents[int(row)], collection.texts()[int(row)])
        for rank, (row, score) in enumerate(zip(rows, scores, strict=True), start=1)
    ]


def similarity(entry: SystemEntry, pairs_file: Path, seed: int, device: str | None) -> Similarity:
    """Sentence-pair similarity of a retriever that has `embed`, fitted on the file's own sentences."""
    retriever = construct(entry, seed, device)
    if not hasattr(retriever, "embed"):
        raise BenchError(f"'{entry.retriever}' does not embed single texts; use one that does, such as sbert or sif")
    pairs = read_pairs(pairs_file)
    with tempfile.TemporaryDirectory() as folder:
        retriever.fit(sentences_collection(pairs, Path(folder)))
    return score_pairs(retriever, pairs)
