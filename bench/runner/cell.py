"""What a process of a cell does: fit the system and keep it, or load it, answer one task and have that evaluated.

A task is answered in a fresh process that loads the saved index, so that its costs hold nothing of the fit, of other
tasks and of what shared work was there already, and so that a `load` which does not give what `fit` gave is found.
A system that cannot be saved answers where it was fitted; what memory that took is not comparable and not told.
"""

import shutil
import traceback
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import registry
from bench.cells.environment import environment
from bench.cells.folder import checkpoints_folder, index_folder, write_manifest, write_task
from bench.cells.record import FitCost, Manifest, Problem, TaskCost, TaskResult
from bench.cells.sealed import plain
from bench.collections.collection import Collection, Rules, read_collection
from bench.errors import BenchError, InvalidOutput, MissingExtra, RemoteFailure
from bench.measures.measure import Count
from bench.progress import Progress
from bench.protocols import (
    ChoosesCandidates,
    SharesReading,
    TimesParts,
    Trace,
    can_be_saved,
    computes_elsewhere,
    identifier_groups,
    traces,
)
from bench.rankings import Rankings
from bench.retriever import Retriever
from bench.runner.cost import PartTimes, PeakMemory, Stopwatch, measure_latency
from bench.runner.first_answers import check_asked_again, check_first_answers, keep_first_answers
from bench.runner.fitting import ask, bound_threads, fit, grow, load
from bench.runner.parts import CellWorkplace
from bench.runner.plan import Cell, PlannedTask, open_task
from bench.runner.problems import problem_of
from bench.runner.processor import ProcessorWatch
from bench.store import folder_bytes, new_folder
from bench.tasks.exam import Exam
from bench.workplace import Workplace, common_folder

_FEW = 8
"""Questions that are asked before any is counted."""


@dataclass(frozen=True)
class Setting:
    """How many threads a cell has, and the arguments of the command that asked for it."""

    threads: int
    argv: Sequence[str] = ()


@dataclass
class _Answered:
    """A task's questions, one system's answers to them, and what those cost."""

    planned: PlannedTask
    exam: Exam
    rankings: Rankings
    cost: TaskCost
    facts: dict[str, Any] = field(default_factory=dict)
    counts: Sequence[Count] = ()
    traces: Sequence[Sequence[Trace]] | None = None


def fit_cell(cell: Cell, setting: Setting, tell: Progress) -> dict[str, Problem]:
    """Fit the system, write the index and the manifest; one that cannot be saved answers the tasks as well.

    Raises whatever the retriever raises in its fit. Returns the problem of each task that failed.
    """
    retriever = _constructed(cell, setting, tell)
    _fit(cell, retriever, setting)
    collection = _collection(cell)
    left = [task for task in cell.tasks if not task.done]
    if not can_be_saved(retriever):
        return _answer_here(cell, retriever, collection, setting)
    if left:
        with suppress(Exception):  # the task's own process meets it again and tells
            exam = open_task(left[0].name, left[0].options).on(collection)
            if not exam.stages:
                answers = ask(retriever, exam.queries[:_FEW], exam.reach, collection.documents)
                keep_first_answers(cell.folder, left[0].folder.name, answers)
    return {}


def answer_task(cell: Cell, planned: PlannedTask, setting: Setting, tell: Progress) -> None:
    """Load the system, answer one task, and write what that was worth. Raises whatever the retriever raises."""
    collection = _collection(cell)
    exam = open_task(planned.name, planned.options).on(collection)
    if exam.stages:
        retriever = _constructed(cell, setting, tell)
        _evaluate(cell, _grow(planned, exam, retriever, cell, setting), retriever, collection, setting)
        return
    tell("loading index", 0, 1)
    retriever, memory = _loaded(cell, setting, tell), None
    if exam.timed and not computes_elsewhere(retriever):
        with _refused_answers():
            ask(retriever, exam.queries[:_FEW], exam.reach, collection.documents)
        del retriever
        memory = PeakMemory()  # all libraries are there now and count for none
        retriever = _loaded(cell, setting, tell)
    answered = _answer(planned, exam, retriever, memory, cell.folder)
    _evaluate(cell, answered, retriever, collection, setting)


def _constructed(cell: Cell, setting: Setting, tell: Progress) -> Retriever:
    kind = registry.find("retriever", cell.identity.retriever).load()
    bound_threads(setting.threads)
    retriever: Retriever = kind.from_options(cell.system, cell.identity.options)
    retriever.report_to(tell)
    return retriever


def _loaded(cell: Cell, setting: Setting, tell: Progress) -> Retriever:
    retriever = _constructed(cell, setting, tell)
    retriever.work_in(Workplace(checkpoints_folder(cell.folder), common_folder(setting.threads)))
    load(retriever, index_folder(cell.folder))
    return retriever


def _collection(cell: Cell) -> Collection:
    rules = Rules(**cell.identity.rules)
    return read_collection(cell.collection_folder, cell.collection, rules)


def _fit(cell: Cell, retriever: Retriever, setting: Setting) -> None:
    retriever.progress("fitting", 0, 1)
    workplace = CellWorkplace(
        checkpoints_folder(cell.folder),
        common_folder(setting.threads),
        cells=cell.folder.parent,
        fingerprint=cell.identity.fingerprint,
        machine=environment(setting.threads, ()).machine,
    )
    view = _collection(cell).training_view()  # the test split is not in this process until the fit is done
    memory, watch, processor = PeakMemory(), Stopwatch(), ProcessorWatch()
    fit(retriever, view, workplace)
    cost = FitCost(
        seconds=watch.seconds + workplace.reused_seconds - workplace.keeping_seconds,
        reused_seconds=workplace.reused_seconds,
        processor_seconds=None if workplace.reused_seconds else processor.seconds,
        others_share=processor.others_share,
        peak_memory_mb=None if computes_elsewhere(retriever) or workplace.reused_seconds else memory.added,
        index_bytes=_save(cell, retriever),
        parts_seconds=dict(retriever.fit_seconds()) if isinstance(retriever, TimesParts) else {},
    )
    manifest = Manifest(
        cell=cell.identity,
        facts=plain(retriever.facts()),
        cost=cost,
        environment=environment(setting.threads, setting.argv),
    )
    write_manifest(cell.folder, manifest)
    shutil.rmtree(workplace.checkpoints, ignore_errors=True)


def _save(cell: Cell, retriever: Retriever) -> int | None:
    """Keep the index, if it can be; its size in bytes, None for one that is nowhere or elsewhere."""
    if not can_be_saved(retriever):
        return None
    retriever.progress("saving index", 0, 1)
    index = index_folder(cell.folder)
    with new_folder(index) as draft:
        retriever.save(draft)
    return None if computes_elsewhere(retriever) else folder_bytes(index)


def _answer_here(cell: Cell, retriever: Retriever, collection: Collection, setting: Setting) -> dict[str, Problem]:
    """Answer all tasks that are left, then have all evaluated; the problem of each that failed."""
    problems: dict[str, Problem] = {}
    answered = []
    for planned in (task for task in cell.tasks if not task.done):
        try:
            exam = open_task(planned.name, planned.options).on(collection)
            if exam.stages:
                anew = type(retriever).from_options(cell.system, cell.identity.options)
                answered.append(_grow(planned, exam, anew, cell, setting))
            else:
                answered.append(_answer(planned, exam, retriever, None, None))
        except Exception as error:
            traceback.print_exc()
            problems[planned.name] = problem_of(error)
    for one in answered:
        try:
            _evaluate(cell, one, retriever, collection, setting)
        except Exception as error:
            traceback.print_exc()
            problems[one.planned.name] = problem_of(error)
    return problems


def _grow(planned: PlannedTask, exam: Exam, retriever: Retriever, cell: Cell, setting: Setting) -> _Answered:
    """Have a system that is not yet fitted answer an exam whose collection it is given in parts."""
    retriever.progress(f"{planned.name}: fitting a part", 0, 1)
    processor = ProcessorWatch()
    workplace = Workplace(checkpoints_folder(cell.folder), common_folder(setting.threads))
    grown = grow(retriever, exam, workplace)
    shutil.rmtree(workplace.checkpoints, ignore_errors=True)
    seconds = Count(
        "milliseconds to add a document",
        grown.seconds_per_document * 1000,
        "milliseconds that a document took to be added",
        "ms / added document",
        kind="amount",
        needs_scores=True,
    )
    cost = TaskCost(others_share=processor.others_share)
    return _Answered(planned, exam, grown.rankings, cost, counts=[seconds])


def _answer(
    planned: PlannedTask, exam: Exam, retriever: Retriever, memory: PeakMemory | None, folder: Path | None
) -> _Answered:
    """Ask all questions at once, and then single ones where those are timed."""
    retriever.progress(f"{planned.name}: answering", 0, len(exam.queries))
    processor = ProcessorWatch()
    documents = exam.collection.documents
    with _refused_answers():
        first = ask(retriever, exam.queries[:_FEW], exam.reach, documents)
        if folder:
            check_first_answers(folder, planned.folder.name, first)
        rankings, seconds = _ask_all(retriever, exam)
        check_asked_again(first, rankings)
        rate, facts = len(exam.queries) / seconds, retriever.answer_facts()
        cost = TaskCost(
            queries_per_second=None if retriever.recorded else rate, memory_mb=memory.added if memory else None
        )
        exam.final(rankings)  # what is no answer is refused before it is timed
        ceiling = exam.ceiling(retriever.candidates()) if isinstance(retriever, ChoosesCandidates) else []
    if exam.timed and not retriever.recorded:
        retriever.progress(f"{planned.name}: timing single queries", 0, 1)
        parts = PartTimes(retriever)
        latency = measure_latency(lambda one: parts.watch(retriever.retrieve(one, exam.reach)), exam.queries)
        of_one = {"p50_ms": latency.p50, "p95_ms": latency.p95, "p99_ms": latency.p99, "latency_queries": latency.n}
        cost = cost.model_copy(update=of_one | {"parts_p50_ms": parts.p50_ms(latency.n)})
    cost = cost.model_copy(update={"others_share": processor.others_share})
    followed = traces(retriever, exam.queries, exam.sought, exam.reach)
    return _Answered(planned, exam, rankings, cost, facts, ceiling, followed)


def _ask_all(retriever: Retriever, exam: Exam) -> tuple[Rankings, float]:
    """The answers to all questions, and the seconds that they take.

    Where single questions are not timed either, each is read once for all systems that have the same encoder, and
    every system is charged the reading.
    """
    reading: AbstractContextManager[None] = nullcontext()
    charged = retriever.workplace.reused_seconds
    watch = Stopwatch()
    if isinstance(retriever, SharesReading) and not exam.timed:
        reading = retriever.reading_once(exam.queries)
    with reading:
        rankings = ask(retriever, exam.queries, exam.reach, exam.collection.documents)
    return rankings, watch.seconds + retriever.workplace.reused_seconds - charged


@contextmanager
def _refused_answers() -> Iterator[None]:
    """What is wrong while a system answers is wrong with its answers, but for a package or a server that it lacks."""
    try:
        yield
    except (MissingExtra, RemoteFailure, InvalidOutput):
        raise
    except BenchError as error:
        raise InvalidOutput(str(error)) from error


def _evaluate(
    cell: Cell, answered: _Answered, retriever: Retriever, collection: Collection, setting: Setting
) -> None:
    """Have the answers evaluated and write the task's folder."""
    planned, exam, identity = answered.planned, answered.exam, cell.identity
    retriever.progress(f"{planned.name}: scoring", 0, 1)
    evaluation = exam.evaluate(answered.rankings, identifier_groups(retriever), answered.traces).without(
        exam.barred(identity.family, identity.weights.values())
    )
    result = TaskResult.of(
        planned.name,
        planned.options,
        exam,
        evaluation,
        counts=[*evaluation.counts, *answer_counts(answered.facts), *answered.counts, *parts_counts(answered.cost)],
        cost=answered.cost,
        environment=environment(setting.threads, setting.argv),
    )
    write_task(planned.folder, result, evaluation, collection.documents)


_NOTES = {
    "invalid answers": "{value} of the identifiers written do not exist",
    "duplicate answers": "{value} of the identifiers written are repetitions",
    "short answers": "",  # a column tells
}


def answer_counts(facts: dict[str, Any]) -> list[Count]:
    """What a system has to tell of its answers, as shares beside the figures."""
    return [
        Count(name, float(value), kind="share", needs_scores=True, note=_NOTES.get(name, f"{{value}} {name}"))
        for name, value in facts.items()
    ]


def parts_counts(cost: TaskCost) -> list[Count]:
    """How long each part of a composed system takes for a single query, for the table's foot."""
    return [
        Count(f"ms in {name}", value, kind="amount", needs_scores=True, note=f"{{value}} ms of a query are {name}'s")
        for name, value in cost.parts_p50_ms.items()
    ]
