"""What a system's cells, one for each seed, come to in a row of a table."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from bench.tasks import Task

_COSTS_OF_FIT = ("fit_seconds", "fit_processor_seconds", "index_bytes")
_COSTS_OF_TASK = ("p50_ms", "p99_ms", "queries_per_second", "added_memory_mb")


def shown_measures(task: Task) -> list[str]:
    """The measures that tables show, the primary one first; those that the options leave out are not there."""
    return [measure for measure in task.columns if measure in task.measures()] or task.measures()[:1]


def mean_counts(counts: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The mean over seeds of everything that is a number for each."""
    names = [name for name in counts[0] if all(isinstance(one.get(name), int | float) for one in counts)]
    return {name: fmean(one[name] for one in counts) for name in names}


def mean_costs(of_fit: Sequence[Mapping[str, Any]], of_task: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Means over seeds; of the shares that other work took of the processor, the largest."""
    means = {name: _mean(of_fit, name) for name in _COSTS_OF_FIT}
    means |= {name: _mean(of_task, name) for name in _COSTS_OF_TASK}
    shares = {"fit_others_share": of_fit, "others_share": of_task}
    return means | {name: max(_known(costs, name), default=None) for name, costs in shares.items()}


def _mean(costs: Sequence[Mapping[str, Any]], name: str) -> float | None:
    known = _known(costs, name)
    return fmean(known) if known else None


def _known(costs: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    return [cost[name] for cost in costs if cost.get(name) is not None]


def hardware(machine: Mapping[str, Any]) -> str:
    """What makes two costs comparable: processor, threads and accelerator."""
    if not machine:
        return ""
    threads = f"{machine['threads']} thread{'' if machine['threads'] == 1 else 's'}"
    return f"{machine['processor']}, {threads}, accelerator {machine['accelerator']}"


def shared_weights(counts: Mapping[str, Any], weights: Mapping[str, str]) -> str:
    """Which model that the task measures with has the system's own weights, if any."""
    roles = [role for role in ("judge", "selector") if counts.get(f"{role}_weights") in weights.values()]
    return ", ".join(f"the {role}, {counts[role]}" for role in roles)
