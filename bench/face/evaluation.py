"""Evaluates systems and answers in this process, as the runner does in processes of each cell's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench import registry
from bench.cells.key import weights_of
from bench.cells.record import CellRecord, Identity, TaskRecord, TaskResult
from bench.collections.collection import Collection
from bench.digests import digest_data
from bench.errors import BenchError
from bench.face.results import Result
from bench.face.systems import Entrant, entrants, fitted, opened
from bench.face.table import Table
from bench.leaderboard.build import Request, build_board
from bench.leaderboard.imported import other_queries, refuse_no_answers
from bench.models import check_device
from bench.protocols import ChoosesCandidates, identifier_groups, traces
from bench.rankings import Rankings, as_rankings
from bench.runner.fitting import ask, grow
from bench.runner.plan import open_task
from bench.settings import parse_query
from bench.suite import assumed_tasks
from bench.tasks import Task
from bench.tasks.exam import Evaluation, Exam
from bench.trec import read_run
from bench.workplace import Workplace


@dataclass(frozen=True)
class _Asked:
    """A task with all its options, bound to the collection."""

    task: str
    options: Mapping[str, Any]
    exam: Exam

    @property
    def name(self) -> str:
        """Differs from that of the same task with other options."""
        return f"{self.task}.{digest_data(dict(self.options))[:10]}"


def evaluate(systems: Any, data: Any, tasks: Any = (), device: str | None = None) -> Table:
    """As `bench.evaluate`. Every system is fitted, if it was not, and then asked all questions."""
    if device:
        check_device(device)
    collection = opened(data)
    asked = [
        _Asked(registry.name_of(type(task)), task.options(), task.on(collection))
        for task in _tasks(tasks, collection)
    ]
    results = [_result(entrant, asked, collection) for entrant in entrants(systems, collection, device)]
    request = Request(
        suite="",
        title=collection.name,
        systems=[_entry(result) for result in results if not result.cell.identity.imported],
        tasks=[{"task": one.task, "options": one.options} for one in asked],
        seeds=[],
    )
    return Table(build_board(request, [result.cell for result in results]), results)


def _entry(result: Result) -> dict[str, str]:
    return {"retriever": result.cell.identity.retriever, "name": result.name}


def _result(entrant: Entrant, asked: Sequence[_Asked], collection: Collection) -> Result:
    if entrant.system is not None:
        fitted(entrant.system, collection)
    found = [_evaluation(entrant, one) for one in asked]
    records = [_record(one, evaluation) for one, evaluation in zip(asked, found, strict=True)]
    return Result(
        cell=CellRecord(_identity(entrant, collection), None, None, records, Path(entrant.name)),
        exams={one.name: one.exam for one in asked},
        answers={one.name: evaluation.rankings for one, evaluation in zip(asked, found, strict=True)},
    )


def _identity(entrant: Entrant, collection: Collection) -> Identity:
    system = entrant.system
    known: dict[str, Any] = {
        "retriever": "imported" if system is None else registry.name_of(type(system)),
        "family": "imported" if system is None else system.family,
        "trained": system is not None and system.trained,
        "deterministic": system is not None and system.deterministic,
        "options": {} if system is None else system.options(),
        "weights": {} if system is None else weights_of(system),
        "seed": 0 if system is None else system.seed,
        "collection": collection.name,
        "fingerprint": collection.fingerprint,
        "rules": collection.rules.options(),
    }
    return Identity(system=entrant.name, imported=system is None, key=digest_data([entrant.name, known]), **known)


def _evaluation(entrant: Entrant, asked: _Asked) -> Evaluation:
    exam = asked.exam
    if entrant.system is None:
        answers = _answers(entrant.answers, exam)
        remedy = "leave it out, or evaluate it by the tasks that it answers"
        refuse_no_answers(entrant.name, answers, asked.task, exam, remedy)
        return exam.evaluate(answers)
    if exam.stages:
        anew = type(entrant.system).from_options(entrant.name, entrant.system.options())
        answers = grow(anew, exam, Workplace.temporary()).rankings
    else:
        answers = ask(entrant.system, exam.queries, exam.reach, exam.collection.documents)
    followed = traces(entrant.system, exam.queries, exam.sought, exam.reach)
    found = exam.evaluate(answers, identifier_groups(entrant.system), followed)
    if isinstance(entrant.system, ChoosesCandidates):
        found = replace(found, counts=[*found.counts, *exam.ceiling(entrant.system.candidates())])
    return found.without(exam.barred(entrant.system.family, weights_of(entrant.system).values()))


def _answers(given: Any, exam: Exam) -> Rankings:
    """Answers made elsewhere, to the questions of an exam; those to other queries of the collection do not count."""
    asked, documents = range(len(exam.queries)), exam.collection.documents
    queries = [*exam.queries, *other_queries(exam)]
    if isinstance(given, Path):
        return read_run(given, queries, documents).take(asked)
    one_for_each = isinstance(given, list | tuple | Rankings)
    answers = as_rankings(given, exam.queries if one_for_each else queries, documents)
    return answers if one_for_each else answers.take(asked)


def _record(one: _Asked, evaluation: Evaluation) -> TaskRecord:
    # costs are measured in a process of the system's own, and not here
    result = TaskResult.of(one.task, one.options, one.exam, evaluation, timed=False)
    return TaskRecord(result, evaluation.query_ids, evaluation.values, evaluation.units, one.name, Path())


def _tasks(given: Any, collection: Collection) -> list[Task]:
    """Tasks by name (`search?depth=10`), as mappings with `task` and `options`, or as they are."""
    chosen = list(given) if isinstance(given, list | tuple) else [given]
    return [_task(task) for task in chosen or [entry.task for entry in assumed_tasks(collection)]]


def _task(given: Any) -> Task:
    if isinstance(given, Task):
        return given
    if isinstance(given, str):
        return open_task(*parse_query(given))
    if isinstance(given, Mapping) and "task" in given:
        return open_task(given["task"], given.get("options", {}))
    raise BenchError(f"{type(given).__name__} is no task; give a name, such as 'search' (see `bench list tasks`)")
