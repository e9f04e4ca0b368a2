"""Evaluates systems and answers in this process, as the runner does in a process of each cell's own."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import registry
from bench.collections.collection import Collection
from bench.errors import BenchError
from bench.face.systems import Entrant, entrants, fitted, opened
from bench.face.table import Asked, Result, Table
from bench.protocols import identifier_groups
from bench.rankings import Rankings, as_rankings
from bench.tasks import Task
from bench.tasks.exam import Evaluation, Exam
from bench.trec import read_run


def evaluate(systems: Any, data: Any, tasks: Any = (), device: str | None = None) -> Table:
    """As `bench.evaluate`. Every system is fitted, if it was not, and then asked all questions."""
    collection = opened(data)
    exams = [(task, task.on(collection)) for task in _tasks(tasks, collection)]
    asked = [Asked(registry.name_of(type(task)), task.options(), exam) for task, exam in exams]
    results = [_result(entrant, asked, collection) for entrant in entrants(systems, collection, device)]
    return Table(collection, asked, results)


def _result(entrant: Entrant, asked: Sequence[Asked], collection: Collection) -> Result:
    if entrant.system is not None:
        fitted(entrant.system, collection)
    evaluations = [_evaluation(entrant, one.exam) for one in asked]
    return Result(entrant.name, entrant.system, asked, evaluations)


def _evaluation(entrant: Entrant, exam: Exam) -> Evaluation:
    if entrant.system is None:
        return exam.evaluate(_answers(entrant.answers, exam))
    given = entrant.system.retrieve(exam.queries, exam.reach)
    answers = as_rankings(given, exam.queries, exam.collection.documents)
    return exam.evaluate(answers, identifier_groups(entrant.system))


def _answers(given: Any, exam: Exam) -> Rankings:
    documents = exam.collection.documents
    if isinstance(given, Path):
        return read_run(given, exam.queries, documents)
    return as_rankings(given, exam.queries, documents)


def _tasks(given: Any, collection: Collection) -> list[Task]:
    """Tasks by name, as mappings with `task` and `options`, or as they are."""
    chosen = list(given) if isinstance(given, list | tuple) else [given]
    return [_task(task) for task in chosen or [default_task(collection)]]


def default_task(collection: Collection) -> str:
    """What a collection is for: the next item where its queries have histories, search otherwise."""
    return "next_item" if any(query.history for query in collection.queries()) else "search"


def _task(given: Any) -> Task:
    if isinstance(given, Task):
        return given
    if isinstance(given, Mapping) and "task" in given:
        name, options = given["task"], given.get("options", {})
    else:
        name, options = given, {}
    if not isinstance(name, str):
        raise BenchError(f"{type(name).__name__} is no task; give a name, such as 'search' (see `bench list tasks`)")
    made: Task = registry.find("task", name).load().from_options(name, options)
    return made
