"""Systems elsewhere: they are given a task's questions, and their TREC run is a row judged like all others."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bench.collections.collection import Collection
from bench.digests import digest_data
from bench.errors import BenchError
from bench.leaderboard.formats import as_json
from bench.rankings import Rankings
from bench.runner.plan import open_task
from bench.store import new_folder, write_text
from bench.tasks import Figure, Judged, Task
from bench.trec import query_name, read_run, write_run


@dataclass(frozen=True)
class ImportedRow:
    """The figures of an external run, and what they were computed on."""

    system: str
    collection: str
    fingerprint: str
    task_name: str
    task: Task
    judged: Judged
    definition: str
    rankings: Rankings

    def figures(self) -> Iterator[dict[str, Any]]:
        """One object for each figure, as `bench run --json` writes it."""
        base = {"collection": self.collection, "fingerprint": self.fingerprint, "system": self.system}
        for figure in self.judged.figures:
            measured = {"task": self.task_name, "measure": figure.measure, "value": figure.value, "n": figure.n}
            yield base | {"options": {}, "seed": None} | measured | {"status": "imported"}


def write_questions(path: Path, task: Task, collection: Collection) -> int:
    """Write the task's questions as JSON lines, for a system elsewhere; returns how many they are.

    Their ids are written as a run has to name them.
    """
    asked = task.questions(collection)
    lines = []
    for question in asked:
        line: dict[str, Any] = {"_id": query_name(question.id), "text": question.text}
        if question.history:
            line["history"] = question.history
        lines.append(json.dumps(line, ensure_ascii=False) + "\n")
    write_text(path, "".join(lines))
    return len(asked)


def score_run(
    path: Path,
    collection: Collection,
    system: str,
    task_name: str = "search",
    options: Mapping[str, Any] = MappingProxyType({}),
) -> ImportedRow:
    """Read and score a run. Raises BenchError, with file and line, for a run that does not fit the collection.

    Every question of the task counts; one that the run leaves out counts 0. Answers to other queries of the
    collection are ignored, but a run that has no others is refused.
    """
    task = open_task(task_name, options)
    questions = task.questions(collection)
    asked = {question.id for question in questions}
    others = [query for query in collection.queries() if query.id not in asked]
    answers = read_run(path, [*questions, *others], collection.documents).take(range(len(questions)))
    if not len(answers.rows):
        raise BenchError(
            f"{path} answers none of the {len(questions):,} questions of the task {task_name} on {collection.name} "
            f"(the first is '{questions[0].id}'); choose the task that it answers with --task"
        )
    rankings = task.final(answers, collection, questions)
    return ImportedRow(
        system=system,
        collection=collection.name,
        fingerprint=collection.fingerprint,
        task_name=task_name,
        task=task,
        judged=task.judge(collection, rankings),
        definition=task.definition(collection),
        rankings=rankings,
    )


def keep_run(row: ImportedRow, collection: Collection, out: Path) -> Path:
    """Leave the run in a cell that `bench publish` shows as imported; returns the cell's folder.

    Runs of one system for several tasks share its cell; a run for a task that is there takes its place.
    """
    key = digest_data({"system": row.system, "fingerprint": row.fingerprint})
    identity = {
        "system": row.system,
        "retriever": "imported",
        "family": "imported",
        "trained": False,
        "imported": True,
        "options": {},
        "weights": {},
        "collection": row.collection,
        "fingerprint": row.fingerprint,
        "seed": 0,
        "rules": collection.rules.options(),
        "key": key,
    }
    folder = out / "cells" / f"imported.{key[:16]}"
    with new_folder(folder / "tasks" / f"{row.task_name}.{digest_data(row.task.options())[:10]}") as draft:
        _write_task(draft, row, collection)
    write_text(folder / "manifest.json", as_json({"cell": identity}))
    return folder


def _write_task(folder: Path, row: ImportedRow, collection: Collection) -> None:
    """What a cell leaves of a task, but for the costs, which nobody knows."""
    result = {
        "task": row.task_name,
        "options": row.task.options(),
        "definition": row.definition,
        "queries": len(row.judged.query_ids),
        "figures": [_figure(figure) for figure in row.judged.figures],
        "counts": dict(row.judged.counts),
        "cost": {},
    }
    write_text(folder / "result.json", as_json(result))
    write_run(folder / "run.trec.gz", row.rankings, collection.documents, tag="imported")
    pq.write_table(
        pa.table({"query": list(row.judged.query_ids), **row.judged.per_query}), folder / "queries.parquet"
    )


def _figure(figure: Figure) -> dict[str, Any]:
    numbers = {name: getattr(figure, name) if figure.n else None for name in ("value", "low", "high")}
    return {"measure": figure.measure, "n": figure.n} | numbers
