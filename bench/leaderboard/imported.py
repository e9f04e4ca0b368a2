"""Systems elsewhere: they are given a task's questions, and their TREC run is a row measured like all others."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from bench.cells.folder import cell_name, write_manifest, write_task
from bench.cells.record import Identity, Manifest, TaskResult
from bench.cells.stores import CELLS
from bench.collections.collection import Collection, Query
from bench.digests import digest_data
from bench.errors import BenchError
from bench.measures.measure import Count
from bench.rankings import Rankings
from bench.runfiles import Reading, read_answers
from bench.runner.plan import open_task
from bench.store import slug, write_text
from bench.tasks import Task
from bench.tasks.exam import Evaluation, Exam
from bench.trec import query_name, read_run


@dataclass(frozen=True)
class ImportedRow:
    """An external run, measured, and what it was measured on."""

    system: str
    collection: str
    fingerprint: str
    result: TaskResult
    evaluation: Evaluation


def write_questions(path: Path, task: Task, collection: Collection) -> int:
    """Write the task's questions as JSON lines, for a system elsewhere; returns how many they are.

    Their ids are written as a run has to name them.
    """
    asked = task.on(collection).queries
    lines = []
    for query in asked:
        line: dict[str, Any] = {"_id": query_name(query.id), "text": query.text}
        if query.history:
            line["history"] = query.history
        if query.of:
            line["user"] = query.of
        lines.append(json.dumps(line, ensure_ascii=False) + "\n")
    write_text(path, "".join(lines))
    return len(asked)


def path_ends(paths: Sequence[Path]) -> list[str]:
    """The last parts of each path, as few as no other ends in; the whole of one that is given twice."""
    whole = [(path.parent.resolve() / path.name).parts for path in paths]
    ends = [["/".join(parts[-length:]) for length in range(1, len(parts) + 1)] for parts in whole]
    shared = Counter(end for one in ends for end in one)
    return [next((end for end in one if shared[end] == 1), one[-1]) for one in ends]


def run_names(paths: Sequence[Path]) -> list[str]:
    """What runs are called: after their files, and those of one name after their folders too.

    Raises BenchError for a file that is given twice.
    """
    names = path_ends(paths)
    for path, name in zip(paths, names, strict=True):
        if names.count(name) > 1:
            raise BenchError(f"{path} is given twice; give it once")
    return names


def score_run(
    path: Path,
    collection: Collection,
    system: str,
    task_name: str = "search",
    options: Mapping[str, Any] = MappingProxyType({}),
    repeats: Literal["refuse", "first"] = "refuse",
) -> ImportedRow:
    """Read and measure a run. Raises BenchError, with file and line, for a run that does not fit the collection.

    Every question of the task counts; one that the run leaves out counts 0. Answers to other queries of the
    collection, judged or not, are ignored and counted, but a run that has no others is refused. Of a document that is
    repeated for a query, `first` keeps the first and counts the others.
    """
    task = open_task(task_name, options)
    exam = task.on(collection)
    others = other_queries(exam)
    readings: list[Reading] = []
    found = read_run(path, [*exam.queries, *others], collection.documents, repeats, readings.append)
    answers = found.take(range(len(exam.queries)))
    refuse_no_answers(str(path), answers, task_name, exam, "choose the task that it answers with --task")
    evaluation = exam.evaluate(answers)
    beside = found.lengths[len(exam.queries) :]
    again = sum(1 for _ in read_answers(path, found.query_ids)) - len(found.rows) if repeats == "first" else 0
    ignored = _ignored(int((beside > 0).sum()), again)
    counts = [*evaluation.counts, *_left_out(evaluation), *ignored, *_third_column(readings, len(found.rows))]
    result = TaskResult.of(task_name, task.options(), exam, evaluation, counts=counts)
    return ImportedRow(system, collection.name, collection.fingerprint, result, evaluation)


def refuse_no_answers(name: str, answers: Rankings, task_name: str, exam: Exam, remedy: str) -> None:
    """Raise BenchError for answers made elsewhere none of which is to a question that is asked."""
    if not len(answers.rows):
        raise BenchError(
            f"{name} answers none of the {len(exam.queries):,} questions of the task {task_name} on "
            f"{exam.collection.name} (the first is '{exam.queries[0].id}'); {remedy}"
        )


def other_queries(exam: Exam) -> list[Query]:
    """The queries of the exam's collection that are not asked: of other splits, not judged, without relevant ones."""
    asked = {query.id for query in exam.queries}
    every = (query for queries in exam.collection.split_queries.values() for query in queries)
    return list({query.id: query for query in every if query.id not in asked}.values())


def _ignored(others: int, again: int) -> Iterator[Count]:
    """Answers that do not count."""
    if others:
        note = "the run also answers {value} queries that are not asked here; they do not count"
        yield Count("other queries", others, "queries of the run that are not asked here", note=note)
    if again:
        note = "the run repeats documents of an answer; {value} such lines do not count"
        yield Count("repeated", again, "lines of the run that repeat a document", kind="amount", note=note)


def _third_column(readings: Sequence[Reading], answers: int) -> Iterator[Count]:
    """What the third of three columns was read as, since the other reading turns every answer around."""
    for reading in readings:
        note = f"the third column of the run is read as {reading}; six columns say which it is"
        yield Count(f"read as {reading}", answers, "documents of the run", kind="amount", note=note)


def _left_out(evaluation: Evaluation) -> Iterator[Count]:
    """How many questions a run leaves out, which lowers its figures as if it had answered them wrongly."""
    asked, missing = len(evaluation.query_ids), int((evaluation.rankings.lengths == 0).sum())
    if missing:
        note = f"the run leaves out {{value}} of {asked:,} questions, and each counts 0"
        yield Count("left out", missing, "questions that the run does not answer", note=note)


def keep_run(row: ImportedRow, collection: Collection, out: Path) -> tuple[Path, bool]:
    """Leave the run in a cell that `bench publish` shows as imported.

    Runs of one system for several tasks share its cell; a run for a task that is there takes its place. Returns the
    cell's folder, and whether that was so.
    """
    key = digest_data({"system": row.system, "fingerprint": row.fingerprint})
    identity = Identity(
        system=row.system,
        retriever="imported",
        family="imported",
        trained=False,
        imported=True,
        options={},
        weights={},
        collection=row.collection,
        fingerprint=row.fingerprint,
        rules=collection.rules.options(),
        seed=0,
        key=key,
    )
    folder = out / CELLS / cell_name(identity)
    task = folder / "tasks" / f"{slug(row.result.task)}.{digest_data(row.result.options)[:10]}"
    replaces = task.is_dir()
    write_task(task, row.result, row.evaluation, collection.documents, tag="imported")
    write_manifest(folder, Manifest(cell=identity))
    return folder, replaces
