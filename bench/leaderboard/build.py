"""Makes a board of cells: the only maker of rows, for the screen, for what is published and for its proof."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.cells.record import CellRecord, TaskRecord
from bench.errors import BenchError
from bench.leaderboard.board import NOT_RUN, Block, Board, CollectionBoard
from bench.leaderboard.reported import TASK, ReportedFigures
from bench.leaderboard.rows import Answered, failed_row, row_of, tested, words_of_test
from bench.measures.measure import Measure


@dataclass(frozen=True)
class Request:
    """What a board is to show, whether it was run or not; `findings` is what people say of it.

    systems: `retriever` and `name` of each
    tasks: `task` and its `options`, all of them
    """

    suite: str
    title: str
    systems: Sequence[Mapping[str, str]]
    tasks: Sequence[Mapping[str, Any]]
    seeds: Sequence[int]
    findings: str = ""

    @classmethod
    def of_board(cls, board: Board) -> "Request":
        """The request that a board was made for."""
        return cls(board.suite, board.title, board.systems, board.tasks, board.seeds, board.findings)


def build_board(
    request: Request,
    cells: Sequence[CellRecord],
    collections: Sequence[str] = (),
    reported: Sequence[ReportedFigures] = (),
) -> Board:
    """From cells of any collections, shown in the order of `collections`, then of the cells.

    `reported` are figures of others, each for the collection that has its fingerprint.

    A system and seed that no cell is of has a row that says so, a
    failed one its reason. Raises BenchError for a mix that no table may have: a collection with two fingerprints,
    a task by two definitions or with different questions.
    """
    of_collection: dict[str, list[CellRecord]] = {name: [] for name in collections}
    for cell in cells:
        of_collection.setdefault(cell.identity.collection, []).append(cell)
    return Board(
        suite=request.suite,
        title=request.title,
        systems=list(request.systems),
        tasks=list(request.tasks),
        seeds=list(request.seeds),
        findings=request.findings,
        collections=[_collection(request, name, found, reported) for name, found in of_collection.items() if found],
    )


def _collection(
    request: Request, name: str, cells: Sequence[CellRecord], reported: Sequence[ReportedFigures]
) -> CollectionBoard:
    fingerprints = {cell.identity.fingerprint: cell for cell in cells if cell.identity.fingerprint}
    if len(fingerprints) > 1:
        folders = " and ".join(str(cell.folder) for cell in fingerprints.values())
        raise BenchError(f"{name}: cells of different content or rules cannot share a table: {folders}")
    blocks = [_block(request, wanted["task"], wanted["options"], name, cells) for wanted in request.tasks]
    others = [one.row for one in reported if one.fingerprint in fingerprints]
    blocks = [replace(block, reported=others) if block.task == TASK else block for block in blocks]
    return CollectionBoard(
        name=name,
        fingerprint=next(iter(fingerprints), ""),
        rules=next((dict(cell.identity.rules) for cell in fingerprints.values()), {}),
        hardware=sorted({row.hardware for block in blocks for row in block.rows if row.hardware}),
        blocks=blocks,
    )


def _block(
    request: Request, task: str, options: Mapping[str, Any], collection: str, cells: Sequence[CellRecord]
) -> Block:
    every = _systems(request, task, options, cells)
    answered = [one for one in every if one.tasks]
    records = [record for one in answered for record in one.tasks]
    _check_alike(f"{collection}, {task}", records)
    result = records[0].result if records else None
    measures = _measures(records)
    pairs, rows = tested([row_of(one) for one in answered], answered, measures[0]) if measures else ([], [])
    columns = [name for name in (result.columns if result else []) if any(name in row.figures for row in rows)]
    return Block(
        task=task,
        options=dict(options),
        definition=result.definition if result else "",
        queries=result.queries if result else 0,
        instrument=next((record.result.instrument for record in records if record.result.instrument), None),
        measures=measures,
        columns=columns or [measure.name for measure in measures[:1]],
        timed=result.timed if result else False,
        test=words_of_test(measures[0], answered) if measures else "",
        rows=[*rows, *(failed_row(one) for one in every if not one.tasks)],
        pairs=pairs,
        second_instrument=result.second_instrument if result else None,
    )


def _measures(records: Sequence[TaskRecord]) -> list[Measure]:
    """Those that some row has, the primary one first."""
    known = {name for record in records for name in record.values}
    found = {measure.name: measure for record in records for measure in record.result.measures}
    primary = records[0].result.measures[0].name if records else ""
    return [measure for name, measure in found.items() if name in known or name == primary]


def _systems(request: Request, task: str, options: Mapping[str, Any], cells: Sequence[CellRecord]) -> list[Answered]:
    """The systems that were asked for, in their order, then third parties' runs of this task by name."""
    found = []
    labels = [entry["name"] for entry in request.systems]
    others = sorted({cell.identity.system for cell in cells if cell.identity.imported} - set(labels))
    for label in [*dict.fromkeys(labels), *others]:
        own = _one_of_each_seed([cell for cell in cells if cell.identity.system == label])
        done = {cell.identity.seed: record for cell in own if (record := record_of(cell, task, options))}
        imported = label in others
        if imported and not done:
            continue
        seeds = [] if imported or _stands_for_all(own, done) else sorted({*request.seeds, *_seeds(own)})
        found.append(Answered(label, own, done, _problem(own, done, seeds)))
    return found


def _seeds(cells: Sequence[CellRecord]) -> list[int]:
    return [cell.identity.seed for cell in cells]


def _one_of_each_seed(cells: Sequence[CellRecord]) -> list[CellRecord]:
    """The newest cell of each seed; of a deterministic system one cell alone, one that is done if there is any."""
    newest = {cell.identity.seed: cell for cell in sorted(cells, key=lambda cell: cell.changed)}
    ordered = [newest[seed] for seed in sorted(newest)]
    if any(cell.identity.deterministic for cell in ordered):
        return sorted(ordered, key=lambda cell: (cell.failure is not None, not cell.tasks))[:1]
    return ordered


def _stands_for_all(cells: Sequence[CellRecord], done: Mapping[int, TaskRecord]) -> bool:
    return bool(done) and cells[0].identity.deterministic


def record_of(cell: CellRecord, task: str, options: Mapping[str, Any]) -> TaskRecord | None:
    """What the cell left of the task with these options; the newest, if its code has changed."""
    found = [one for one in cell.tasks if one.result.task == task and dict(one.result.options) == dict(options)]
    return max(found, key=lambda one: (_written(one), one.name), default=None)


def _written(record: TaskRecord) -> float:
    return record.run_file.stat().st_mtime if record.run_file.is_file() else 0.0


def _problem(cells: Sequence[CellRecord], done: Mapping[int, TaskRecord], seeds: Sequence[int]) -> str:
    """Why some seeds have no figures; the seeds are named only where not all of them share one reason."""
    reasons = {cell.identity.seed: cell.failure.problem for cell in cells if cell.failure}
    if cells and cells[0].identity.deterministic:
        reasons = dict.fromkeys(seeds, next(iter(reasons.values()), NOT_RUN))
    missing = {seed: reasons.get(seed) or NOT_RUN for seed in seeds if seed not in done}
    if len(missing) == len(seeds) and len(set(missing.values())) == 1:
        return next(iter(missing.values()))
    of_reason: dict[str, list[str]] = {}
    for seed, reason in missing.items():
        of_reason.setdefault(reason, []).append(str(seed))
    return "; ".join(
        f"seed{'s' if len(found) > 1 else ''} {', '.join(found)}: {reason}" for reason, found in of_reason.items()
    )


def _check_alike(where: str, records: Sequence[TaskRecord]) -> None:
    """One table has one definition, one primary measure and one set of questions."""
    for other in records[1:]:
        first, folders = records[0], f"{other.run_file.parent} and {records[0].run_file.parent}"
        if other.result.definition != first.result.definition:
            raise BenchError(
                f'{where}: {other.run_file.parent} was judged by another definition ("{other.result.definition}") '
                f'than {first.run_file.parent} ("{first.result.definition}"); run the older one again'
            )
        if other.result.measures[0] != first.result.measures[0]:
            raise BenchError(f"{where}: {folders} have different primary measures; run the older one again")
        if list(other.query_ids) != list(first.query_ids):
            raise BenchError(f"{where}: {folders} answered different questions; run the older one again")
