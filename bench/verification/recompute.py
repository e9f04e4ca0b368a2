"""Published cells with everything that their answers give computed again."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from bench.cells.key import check_key
from bench.cells.record import CellRecord, TaskRecord, TaskResult
from bench.collections.catalogue import Dataset
from bench.errors import BenchError
from bench.leaderboard.answers import read_answers, read_values
from bench.leaderboard.paths import published_id
from bench.leaderboard.published import RUNS, Published, PublishedCell, PublishedTask, published_files
from bench.measures.interval import figure_of
from bench.measures.measure import Count
from bench.runner.plan import open_task
from bench.tasks.exam import Evaluation, Exam
from bench.verification.check import Check


@dataclass
class Recomputed:
    """The cells of one collection; none where one of them cannot be computed.

    evaluations: of each cell's tasks, in their order
    """

    cells: list[CellRecord] = field(default_factory=list)
    evaluations: list[list[Evaluation]] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)


def recompute(published: Published, name: str, dataset: Dataset, spoilt: Set[str] = frozenset()) -> Recomputed:
    """The cells of the collection that the board calls `name`, which is opened as `dataset`.

    spoilt: files of answers that are not as they were published; they are not read
    """
    board = next(one for one in published.board.collections if one.name == name)
    fingerprint = dataset.collection.fingerprint
    if board.fingerprint != fingerprint:
        detail = f"published {board.fingerprint[:12]}, here {fingerprint[:12]}: other content or rules"
        return Recomputed(checks=[Check(f"{name}: fingerprint", "FAIL", detail)])
    found = Recomputed(checks=[Check(f"{name}: fingerprint", "OK")])
    exams = _Exams(dataset)
    for identifier, cell in published.cells.items():
        if cell.cell.collection != name:
            continue
        found.checks += [Check(f"{name}: {identifier}", "FAIL", problem) for problem in _wrong(cell, dataset)]
        try:
            _refuse(spoilt, cell)
            measured = [_measured(published, cell, task, exams.of(task)) for task in cell.tasks]
        except BenchError as error:
            failed = Check(f"{name}: {identifier}", "FAIL", str(error))
            return Recomputed(checks=[*found.checks, failed])
        record = _record(published, cell, measured)
        if published_id(record) != identifier:
            found.checks.append(Check(f"{name}: {identifier}", "FAIL", "the manifest has another cell's name"))
        found.cells.append(record)
        found.evaluations.append([evaluation for _, evaluation in measured])
    return found


def _refuse(spoilt: Set[str], cell: PublishedCell) -> None:
    for name, _ in published_files(cell):
        if name in spoilt:
            raise BenchError(f"{RUNS}/{name} is not the file that was published; nothing is computed from it")


def _wrong(cell: PublishedCell, dataset: Dataset) -> Iterator[str]:
    """What a manifest says that cannot be."""
    identity, fingerprint = cell.cell, dataset.collection.fingerprint
    rules = dataset.collection.rules.options()
    if any(rules.get(name) != value for name, value in identity.rules.items()):
        yield "its rules are not those of the collection"
    versions, shown = identity.key_parts.get("versions", {}), cell.environment.versions
    if cell.fitted and any(shown.get(name) != value for name, value in versions.items()):
        yield "its versions as shown are not what its key was made of"
    if identity.fingerprint not in (fingerprint, ""):
        yield f"a row of another fingerprint, {identity.fingerprint[:12]}, is mixed in"
    elif cell.fitted and (problem := check_key(identity)):
        yield problem


class _Exams:
    """Each task bound to the collection once."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._opened: list[tuple[str, Mapping[str, object], Exam]] = []

    def of(self, task: PublishedTask) -> Exam:
        for name, options, exam in self._opened:
            if name == task.task and options == task.options:
                return exam
        exam = open_task(task.task, task.options).on(self._dataset.collection)
        self._opened.append((task.task, task.options, exam))
        return exam


def _record(
    published: Published, cell: PublishedCell, measured: Sequence[tuple[TaskResult, Evaluation]]
) -> CellRecord:
    return CellRecord(
        identity=cell.cell,
        manifest=cell.manifest,
        failure=cell.failure,
        tasks=[_task(published.runs(task.answers), *one) for task, one in zip(cell.tasks, measured, strict=True)],
        folder=published.folder,
    )


def _task(answers: Path, result: TaskResult, evaluation: Evaluation) -> TaskRecord:
    return TaskRecord(
        result=result,
        query_ids=evaluation.query_ids,
        values=evaluation.values,
        units=evaluation.units,
        name=answers.stem,
        run_file=answers,
    )


def _measured(
    published: Published, cell: PublishedCell, task: PublishedTask, exam: Exam
) -> tuple[TaskResult, Evaluation]:
    """One task's answers, measured anew, with the published values of measures that depend on more than answers.

    Raises BenchError for answers or values that do not fit the exam.
    """
    found = exam.evaluate(read_answers(published.runs(task.answers), exam.queries, exam.collection.documents))
    if task.values:
        found = _with_values(found, read_values(published.runs(task.values), found.query_ids))
    evaluation = found.without(exam.barred(cell.cell.family, cell.cell.weights.values()))
    result = TaskResult.of(
        task.task,
        task.options,
        exam,
        evaluation,
        counts=list(_counts(evaluation, task.counts)),
        cost=task.cost,
        environment=task.environment or cell.environment,
    )
    return result, evaluation


def _with_values(evaluation: Evaluation, reported: Mapping[str, np.ndarray]) -> Evaluation:
    """The same with values that answers alone do not give; none takes the place of one that they do."""
    beyond = {name: values for name, values in reported.items() if name not in evaluation.values}
    figures = [figure_of(name, values, evaluation.units) for name, values in beyond.items()]
    return replace(evaluation, values={**evaluation.values, **beyond}, figures=[*evaluation.figures, *figures])


def _counts(evaluation: Evaluation, given: Sequence[Count]) -> Iterator[Count]:
    """Counts computed anew, in the order given; what the system itself told stays as it was reported."""
    computed = {count.name: count for count in evaluation.counts}
    for count in given:
        yield computed.get(count.name, count)
