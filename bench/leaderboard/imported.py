"""A TREC run made elsewhere, as a row: the same canonical order, the same measures, the same audit."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.collection import Collection
from bench.tasks import Judged
from bench.tasks.search import Search
from bench.trec import read_run


@dataclass(frozen=True)
class ImportedRow:
    """The figures of an external run, and what they were computed on."""

    system: str
    collection: str
    fingerprint: str
    judged: Judged
    definition: str

    def figures(self) -> Iterator[dict[str, Any]]:
        """One object for each figure, as `bench run --json` writes it."""
        base = {"collection": self.collection, "fingerprint": self.fingerprint, "system": self.system}
        for figure in self.judged.figures:
            measured = {"task": "search", "measure": figure.measure, "value": figure.value, "n": figure.n}
            yield base | {"options": {}, "seed": None} | measured | {"status": "imported"}


def score_run(path: Path, collection: Collection, system: str) -> ImportedRow:
    """Read and score a run. Raises BenchError, with file and line, for a run that does not fit the collection.

    Every judged query counts; one that the run leaves out counts 0. Answers to queries without a relevant
    document are ignored.
    """
    task = Search()
    questions = task.questions(collection)
    answers = read_run(path, collection.queries(), collection.documents)
    asked = {query.id for query in questions}
    kept = answers.take([i for i, query_id in enumerate(answers.query_ids) if query_id in asked])
    rankings = kept.canonical(questions, collection.documents, task.depth, collection.rules.exclude_self)
    return ImportedRow(
        system=system,
        collection=collection.name,
        fingerprint=collection.fingerprint,
        judged=task.judge(collection, rankings),
        definition=task.definition(collection),
    )
