"""A TREC run made elsewhere, as a row: the same canonical order, the same measures, the same audit."""

import json
from dataclasses import dataclass
from pathlib import Path

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

    def as_json(self) -> str:
        """A JSON array with one object for each figure, as `bench run --json` writes it."""
        base = {"collection": self.collection, "fingerprint": self.fingerprint, "system": self.system}
        rows = [
            base
            | {"options": {}, "seed": None, "task": "search", "measure": figure.measure}
            | {"value": figure.value, "n": figure.n, "status": "imported"}
            for figure in self.judged.figures
        ]
        return "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n"


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
