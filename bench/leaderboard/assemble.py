"""Makes a leaderboard of cells: figures, costs, ranks and groups for every task and collection."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import stdev
from typing import Any

import numpy as np

from bench.errors import BenchError
from bench.leaderboard.board import (
    BANDS,
    NOT_RUN,
    Block,
    Board,
    CollectionBoard,
    Pair,
    Row,
    RowFigure,
    made_with,
)
from bench.leaderboard.cells import CellRecord, TaskRecord, published_id, without_paths
from bench.leaderboard.rows import hardware, mean_costs, mean_counts, shared_weights, shown_measures
from bench.measures.significance import (
    ALPHA,
    Comparison,
    compare_all,
    flips_for,
    letters,
    mean_interval,
    mean_over_seeds,
    rank_intervals,
)
from bench.runner.plan import open_task
from bench.suite import Suite, TaskEntry

_LOWER_IS_BETTER = "fail@"


@dataclass(frozen=True)
class _Answered:
    """One system's cells, and what those that finished left of a task, in the order of the seeds."""

    system: str
    cells: Sequence[CellRecord]
    tasks: Sequence[TaskRecord]
    problem: str

    def values(self, measure: str) -> np.ndarray:
        """Shape [queries]: the mean over seeds; NaN for a query that has no value."""
        return mean_over_seeds([task.per_query[measure] for task in self.tasks])


def make_board(suite: Suite, cells: Mapping[str, Sequence[CellRecord]]) -> Board:
    """From the suite's cells by collection. Raises BenchError for a mix that no table may have."""
    return Board(
        suite=suite.name,
        title=suite.title,
        systems=[{"retriever": entry.retriever, "name": entry.label} for entry in suite.systems],
        tasks=[{"task": entry.task, "options": without_paths(entry.options)} for entry in suite.tasks],
        seeds=list(suite.seeds),
        collections=[_collection(suite, name, found) for name, found in cells.items()],
        made_with=made_with(),
    )


def _collection(suite: Suite, name: str, cells: Sequence[CellRecord]) -> CollectionBoard:
    blocks = [_block(wanted, suite, name, cells) for wanted in suite.tasks]
    return CollectionBoard(
        name=name,
        fingerprint=cells[0].fingerprint,
        rules=without_paths(cells[0].identity["rules"]),
        hardware=sorted({row.hardware for block in blocks for row in block.rows if row.hardware}),
        blocks=blocks,
    )


def _block(wanted: TaskEntry, suite: Suite, collection: str, cells: Sequence[CellRecord]) -> Block:
    task = open_task(wanted.task, wanted.options)
    options = without_paths(task.options())
    columns = shown_measures(task)
    every = _every_system(suite, wanted.task, options, cells)
    answered = [one for one in every if one.tasks]
    left = [record for one in answered for record in one.tasks]
    _check_alike(f"{collection}, {wanted.task}", left)
    lower = columns[0].startswith(_LOWER_IS_BETTER)
    pairs, rows = _tested([_row(one, columns[0]) for one in answered], answered, columns[0], lower)
    return Block(
        task=wanted.task,
        options=options,
        definition=without_paths(left[0].definition) if left else "",
        queries=left[0].queries if left else 0,
        judge=_judge(left),
        primary=columns[0],
        columns=columns,
        count_columns=dict(task.count_columns),
        timed=task.timed,
        lower_is_better=lower,
        test=_test_in_words(columns[0], len(answered)),
        rows=[*rows, *(_failed(one) for one in every if not one.tasks)],
        pairs=pairs,
    )


def _every_system(
    suite: Suite, task: str, options: Mapping[str, Any], cells: Sequence[CellRecord]
) -> list[_Answered]:
    """The suite's systems in its order, then third parties' runs of this task."""
    found = []
    for label in dict.fromkeys([*(entry.label for entry in suite.systems), *(cell.system for cell in cells)]):
        own = sorted((cell for cell in cells if cell.system == label), key=lambda cell: cell.seed)
        done = {cell.seed: record for cell in own if (record := record_of(cell, task, options))}
        if own and own[0].imported and not done:
            continue
        seeds = [] if own and own[0].imported else sorted({*suite.seeds, *(cell.seed for cell in own)})
        found.append(_Answered(label, own, list(done.values()), _problem(own, done, seeds)))
    return found


def record_of(cell: CellRecord, task: str, options: Mapping[str, Any]) -> TaskRecord | None:
    """What the cell left of the task with these options; the newest, if its code has changed."""
    found = [one for one in cell.tasks if one.task == task and without_paths(one.options) == options]
    return max(found, key=lambda one: (one.run_file.stat().st_mtime, one.folder), default=None)


def _problem(cells: Sequence[CellRecord], done: Mapping[int, TaskRecord], seeds: Sequence[int]) -> str:
    """Why some seeds have no figures; the seeds are named only where not all of them share one reason."""
    reasons = {cell.seed: without_paths(cell.problem) for cell in cells}
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
    """One table has one definition and one set of questions."""
    for other in records[1:]:
        if without_paths(other.definition) != without_paths(records[0].definition):
            raise BenchError(
                f'{where}: {other.run_file.parent} was judged by another definition ("{other.definition}") than '
                f'{records[0].run_file.parent} ("{records[0].definition}"); run the older one again'
            )
        if list(other.query_ids) != list(records[0].query_ids):
            raise BenchError(
                f"{where}: {other.run_file.parent} and {records[0].run_file.parent} answered different questions; "
                "run the older one again"
            )


def _judge(records: Sequence[TaskRecord]) -> str:
    for record in records:
        for role in ("judge", "selector"):
            if role in record.counts:
                return f"{role}: {without_paths(record.counts[role])}"
    return ""


def _row(one: _Answered, primary: str) -> Row:
    first, machines = one.cells[0], {hardware(task.machine) for task in one.tasks}
    shown = one.values(primary)
    return Row(
        system=one.system,
        retriever=first.identity["retriever"],
        family=first.identity["family"],
        trained=first.identity["trained"],
        imported=first.imported,
        seeds=[cell.seed for cell in one.cells],
        cells=[published_id(cell) for cell in one.cells],
        problem=one.problem,
        shares_weights_with=without_paths(shared_weights(one.tasks[0].counts, first.identity["weights"])),
        hardware=" / ".join(sorted(machines)),
        figures={measure: figure for measure in one.tasks[0].figures if (figure := _figure(one, measure))},
        counts=mean_counts([task.counts for task in one.tasks]),
        cost=_costs(one) if len(machines) == 1 else {},
        distribution=_distribution(shown[~np.isnan(shown)]),
    )


def _failed(one: _Answered) -> Row:
    cell = one.cells[0] if one.cells else None
    return Row(
        system=one.system,
        retriever=cell.identity["retriever"] if cell else "",
        family=cell.identity["family"] if cell else "",
        trained=bool(cell and cell.identity["trained"]),
        imported=False,
        seeds=[cell.seed for cell in one.cells],
        cells=[published_id(cell) for cell in one.cells],
        problem=one.problem,
    )


def _figure(one: _Answered, measure: str) -> RowFigure | None:
    """One seed's figure as its cell wrote it; of several seeds, the mean over them, query by query."""
    found = [task.figures[measure] for task in one.tasks]
    if not found[0].n:
        return None
    if len(found) == 1:
        return RowFigure(found[0].value, found[0].low, found[0].high, found[0].n)
    values = one.values(measure)
    known = values[~np.isnan(values)]
    spread = stdev(each.value for each in found)
    return RowFigure(float(known.mean()), *mean_interval(known), len(known), spread)


def _costs(one: _Answered) -> dict[str, float | None]:
    """Means over seeds. What the fit cost counts only where it was fitted on the machine that answered."""
    fitted = [cell for cell in one.cells if cell.manifest]
    same = all(hardware(cell.machine) == hardware(one.tasks[0].machine) for cell in fitted)
    of_fit = [cell.manifest.get("cost", {}) for cell in fitted] if same else []
    return mean_costs(of_fit, [task.cost for task in one.tasks])


def _distribution(values: np.ndarray) -> list[float]:
    """Share of the values, shape [queries], in each of BANDS."""
    bounds = np.array([1e-9, 0.25, 0.5, 0.75, 1 - 1e-9])
    counts = np.bincount(np.searchsorted(bounds, values, side="right"), minlength=len(BANDS))
    return (counts / max(len(values), 1)).tolist()


def _tested(
    rows: Sequence[Row], answered: Sequence[_Answered], primary: str, lower_is_better: bool
) -> tuple[list[Pair], list[Row]]:
    """All pairs of systems, and the rows from the best mean on with the ranks and groups that the pairs leave."""
    known = [(row, one) for row, one in zip(rows, answered, strict=True) if primary in row.figures]
    without = [row for row in rows if primary not in row.figures]
    if not known:
        return [], without
    rows = [row for row, _ in known]
    values = np.stack([one.values(primary) for _, one in known])
    found = compare_all(values[:, np.isfinite(values).all(axis=0)])
    ranks = rank_intervals(len(rows), found, higher_is_better=not lower_is_better)
    sign = 1 if lower_is_better else -1
    order = sorted(range(len(rows)), key=lambda i: sign * rows[i].figures[primary].value)
    groups = letters(order, found)
    ranked = [replace(rows[i], best_rank=ranks[i].best, worst_rank=ranks[i].worst, groups=groups[i]) for i in order]
    return [_pair(one, rows) for one in found], [*ranked, *without]


def _pair(one: Comparison, rows: Sequence[Row]) -> Pair:
    effect = one.effect if np.isfinite(one.effect) else None
    names = rows[one.first].system, rows[one.second].system
    return Pair(*names, one.difference, one.low, one.high, effect, one.p, one.corrected)


def _test_in_words(primary: str, systems: int) -> str:
    if systems < 2:
        return ""
    return (
        f"ranks and groups: {primary}, paired randomisation test of "
        f"{'the one pair' if systems == 2 else f'all {systems * (systems - 1) // 2} pairs'} "
        f"({flips_for(systems):,} sign flips, Smucker et al. 2007), Holm's correction, level {ALPHA:g}; "
        "systems that share a letter cannot be told apart"
    )
