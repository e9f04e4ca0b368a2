"""What a system's cells, one for each seed, come to in a row of a table, and how rows compare."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from statistics import fmean, stdev
from typing import Any

import numpy as np

from bench.cells.record import CellRecord, FitCost, Machine, TaskCost, TaskRecord
from bench.leaderboard.board import BANDS, LAST_CHOSEN, START_CHOSEN, Pair, Row, RowCost, RowFigure
from bench.leaderboard.paths import published_id
from bench.leaderboard.text import fraction
from bench.measures.interval import Units, figure_over_seeds, units_of_kept
from bench.measures.measure import Count, Measure
from bench.measures.significance import (
    ALPHA,
    Comparison,
    compare_all,
    flips_tried,
    letters,
    mean_over_seeds,
    rank_intervals,
    smallest_differences,
)


@dataclass(frozen=True)
class Answered:
    """One system's cells, and what those that finished left of a task, by seed and in the order of the seeds."""

    system: str
    cells: Sequence[CellRecord]
    by_seed: Mapping[int, TaskRecord]
    problem: str

    @property
    def tasks(self) -> list[TaskRecord]:
        """What each seed left."""
        return list(self.by_seed.values())

    def values(self, measure: str) -> np.ndarray:
        """Shape [queries]: the mean over seeds; NaN for a query that has no value."""
        return mean_over_seeds([task.values[measure] for task in self.tasks])


def row_of(one: Answered) -> Row:
    """The row of a system that some cell has answered with."""
    results = [task.result for task in one.tasks]
    machines = set(map(hardware, _machines(one)))
    shown = one.values(results[0].measures[0].name) if results[0].measures[0].name in one.tasks[0].values else None
    return replace(
        failed_row(one),
        seeds=list(one.by_seed),
        shares_weights_with=_shared_weights(one),
        hardware=" / ".join(sorted(machines)),
        figures={name: figure for name in one.tasks[0].values if (figure := _figure(one, name))},
        counts=_counts(one.tasks) | _chosen_epochs(one.cells),
        cost=_costs(one, *machines) if len(machines) == 1 else RowCost(),
        distribution=_distribution(shown[~np.isnan(shown)]) if shown is not None else (),
    )


def failed_row(one: Answered) -> Row:
    """The row of a system without figures, with the reason."""
    identity = one.cells[0].identity if one.cells else None
    return Row(
        system=one.system,
        retriever=identity.retriever if identity else "",
        family=identity.family if identity else "",
        trained=bool(identity and identity.trained),
        deterministic=bool(identity and identity.deterministic),
        imported=bool(identity and identity.imported),
        seeds=[cell.identity.seed for cell in one.cells],
        cells=[published_id(cell) for cell in one.cells],
        problem=one.problem,
    )


def hardware(machine: Machine | None) -> str:
    """What makes two costs comparable: processor, threads and accelerator; empty where that is not known."""
    if machine is None:
        return ""
    threads = f"{machine.threads} thread{'' if machine.threads == 1 else 's'}"
    return f"{machine.processor}, {threads}, accelerator {machine.accelerator}"


def _machines(one: Answered) -> list[Machine | None]:
    """What each task was answered on; answers that need no accelerator count with the fit that used the machine's."""
    fitted = [cell.manifest.environment.machine for cell in one.cells if cell.manifest]
    return [_as_fitted(task.result.environment.machine, fitted) for task in one.tasks]


def _as_fitted(machine: Machine | None, fitted: Sequence[Machine | None]) -> Machine | None:
    for other in fitted:
        if other and machine and other.model_copy(update={"accelerator": machine.accelerator}) == machine:
            return other
    return machine


def _figure(one: Answered, measure: str) -> RowFigure | None:
    """Over seeds and queries; None where no query has a value."""
    of_seeds = np.stack([task.values[measure] for task in one.tasks])
    found = figure_over_seeds(measure, of_seeds, one.tasks[0].units)
    if not found.n:
        return None
    each = [float(np.nanmean(values)) for values in of_seeds if not np.isnan(values).all()]
    bounds = _known(found.low), _known(found.high)
    return RowFigure(found.value, *bounds, found.n, stdev(each) if len(each) > 1 else None)


def _shared_weights(one: Answered) -> str:
    result, own = one.tasks[0].result, one.cells[0].identity.weights.values()
    shared = [
        f"the {instrument.role}, {instrument.name}"
        for instrument in (result.instrument, result.second_instrument)
        if instrument and instrument.weights in own
    ]
    return " and ".join(shared)


def _counts(tasks: Sequence[TaskRecord]) -> dict[str, Count]:
    """The mean over seeds of every count that all of them have."""
    by_name = [{count.name: count for count in task.result.counts} for task in tasks]
    found = {}
    for name, count in by_name[0].items():
        values = [counts[name].value for counts in by_name if name in counts]
        if len(values) == len(tasks) and all(map(isfinite, values)):
            found[name] = replace(count, value=fmean(values))
    return found


def _chosen_epochs(cells: Sequence[CellRecord]) -> dict[str, Count]:
    """Of the fits that trained, the shares that kept the model as it was before and as it was at the end, if any."""
    facts = [cell.manifest.facts.get("training") for cell in cells if cell.manifest]
    courses = [course for course in facts if isinstance(course, dict)]
    found = {
        START_CHOSEN: ([course.get("chosen_epoch") == 0 for course in courses], "before any training"),
        LAST_CHOSEN: ([_chose_last(course) for course in courses], "in the last epoch: more might have helped"),
    }
    best = "share of the fits whose held-out queries were answered best"
    return {
        name: Count(name, fmean(hits), f"{best} {when}", kind="share")
        for name, (hits, when) in found.items()
        if any(hits)
    }


def _chose_last(course: Mapping[str, Any]) -> bool:
    """Whether a figure chose the epoch, and the last of several."""
    epochs = course.get("epochs") or [{}]
    return bool(course.get("decided_by") and course.get("chosen_epoch") == epochs[-1].get("epoch") != 0)


def _costs(one: Answered, here: str) -> RowCost:
    """What the fit cost counts only where it was fitted on the hardware that answered, `here`."""
    fitted = [cell.manifest for cell in one.cells if cell.manifest]
    same = all(hardware(manifest.environment.machine) == here for manifest in fitted)
    return mean_costs(
        [manifest.cost for manifest in fitted] if same else [], [task.result.cost for task in one.tasks]
    )


def mean_costs(fits: Sequence[FitCost], tasks: Sequence[TaskCost]) -> RowCost:
    """Means over seeds of what is known; of the shares that other work took of the processor, the largest."""
    return RowCost(
        fit_seconds=_mean(fit.seconds for fit in fits),
        fit_processor_seconds=_mean(fit.processor_seconds for fit in fits),
        fit_others_share=_largest(fit.others_share for fit in fits),
        index_bytes=_mean(fit.index_bytes for fit in fits),
        p50_ms=_mean(task.p50_ms for task in tasks),
        p99_ms=_mean(task.p99_ms for task in tasks),
        queries_per_second=_mean(task.queries_per_second for task in tasks),
        memory_mb=_mean(task.memory_mb for task in tasks),
        others_share=_largest(task.others_share for task in tasks),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _largest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _distribution(values: np.ndarray) -> list[float]:
    """Share of the values, shape [queries], in each of BANDS."""
    bounds = np.array([1e-9, 0.25, 0.5, 0.75, 1 - 1e-9])
    counts = np.bincount(np.searchsorted(bounds, values, side="right"), minlength=len(BANDS))
    return (counts / max(len(values), 1)).tolist()


def tested(rows: Sequence[Row], answered: Sequence[Answered], primary: Measure) -> tuple[list[Pair], list[Row]]:
    """All pairs of systems, and the rows from the best mean on with the ranks and groups that the pairs leave."""
    known = [(row, one) for row, one in zip(rows, answered, strict=True) if primary.name in row.figures]
    without = [row for row in rows if primary.name not in row.figures]
    if not known:
        return [], without
    rows = [row for row, _ in known]
    found = _compared([one for _, one in known], primary.name)
    ranks = rank_intervals(len(rows), found, higher_is_better=primary.higher_is_better)
    sign = -1 if primary.higher_is_better else 1
    order = sorted(range(len(rows)), key=lambda i: sign * rows[i].figures[primary.name].value)
    groups = letters(order, found)
    ranked = [replace(rows[i], best_rank=ranks[i].best, worst_rank=ranks[i].worst, groups=groups[i]) for i in order]
    return [_pair(one, rows) for one in found], [*ranked, *without]


def _compared(answered: Sequence[Answered], measure: str) -> list[Comparison]:
    """All pairs, over the queries for which every system has a value."""
    values = np.stack([one.values(measure) for one in answered])
    known = np.isfinite(values).all(axis=0)
    return compare_all(values[:, known], units_of_kept(answered[0].tasks[0].units, known)) if known.any() else []


def _pair(one: Comparison, rows: Sequence[Row]) -> Pair:
    names = rows[one.first].system, rows[one.second].system
    low, high, effect = map(_known, (one.low, one.high, one.effect))
    return Pair(*names, one.difference, low, high, effect, one.p, one.corrected)


def _known(value: float) -> float | None:
    """NaN as a board has it."""
    return value if isfinite(value) else None


def words_of_test(primary: Measure, answered: Sequence[Answered]) -> str:
    """How ranks and groups were found, for a table's foot."""
    compared = [one for one in answered if primary.name in one.tasks[0].values]
    systems = len(compared)
    if systems < 2:
        return ""
    values = np.stack([one.values(primary.name) for one in compared])
    known = np.isfinite(values).all(axis=0)
    task = compared[0].tasks[0]
    units = units_of_kept(task.units, known)
    number = len(Units(int(known.sum()), units))
    of = "queries" if units is None else task.result.units_are
    flips = flips_tried(number, systems)
    pairs = "the one pair" if systems == 2 else f"all {systems * (systems - 1) // 2} pairs"
    whole = "" if units is None else f" of whole {of}"
    return (
        f"ranks and groups: {primary}, paired randomisation test of {pairs} ({flips:,} sign flips{whole}, "
        f"Smucker et al. 2007), Holm's correction, level {ALPHA:g}; systems that share a letter cannot be told apart"
        f"{_smallest(values[:, known], units, f'{number:,} {of}')}"
    )


def _smallest(values: np.ndarray, units: Sequence[str] | None, so_many: str) -> str:
    """What the queries, or their units, can show at all, in words; nothing where that is not known."""
    if not values.shape[1]:
        return ""
    found = smallest_differences(values, units)
    found = found[np.isfinite(found) & (found > 0)]
    if not len(found):
        return ""
    low, high = (fraction(float(end)).replace(".000", "below .001") for end in (found.min(), found.max()))
    span = low if low == high else f"{low} to {high}, by pair"
    return f"; the smallest true difference that {so_many} show in 4 of 5 cases is {span} (before correction)"
