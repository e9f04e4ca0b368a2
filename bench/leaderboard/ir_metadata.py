"""The header of an exported run: ir_metadata 0.2 (Breuer, Keller and Schaer 2022, www.ir-metadata.org)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.cells.environment import DISTRIBUTION
from bench.cells.record import Environment, Identity, Machine
from bench.collections.cards import cards
from bench.leaderboard.published import PublishedCell, PublishedTask

SCHEMA = "0.2"

_TREC_EVAL = {"nDCG": "ndcg_cut", "Recall": "recall", "P": "P", "Hits": "success", "MAP": "map_cut"}
"""trec_eval's names of measures with a cut-off, which the schema proposes."""


def header(cell: PublishedCell, task: PublishedTask, measures: Sequence[str]) -> dict[str, Any]:
    """What a manifest knows of each component of PRIMAD and of the resources; what is not known is left out.

    measures: those that the board reports of the task
    """
    ran = task.environment or cell.environment
    machine = ran.machine or cell.environment.machine
    described = {
        "schema version": SCHEMA,
        "tag": cell.cell.system,
        "platform": _platform(machine, ran.versions),
        "implementation": _implementation(ran),
        "resources": _resources(cell, task),
        "method": _method(cell.cell),
        "actor": {"team": "not stated"},
        "data": {"test collection": _collection(cell.cell)},
        "research goal": {
            "evaluation": {
                "reported measures": [_trec_eval(name) for name in measures],
                "significance test": [{"name": "paired randomisation test", "correction method": "Holm"}],
            }
        },
    }
    return dict(_known(described))


def _platform(machine: Machine | None, versions: Mapping[str, str]) -> dict[str, Any]:
    software = {
        "libraries": {"python": [f"{name}=={version}" for name, version in versions.items()]},
        "retrieval toolkit": [f"{name}=={version}" for name, version in versions.items() if name == DISTRIBUTION],
    }
    if machine is None:
        return {"software": software}
    accelerator = None if machine.accelerator == "none" else machine.accelerator
    return {
        "hardware": {
            "cpu": {"model": machine.processor, "number of cores": machine.cores},
            "gpu": {"model": accelerator},
            "ram": f"{machine.memory_gb:g} GB",
        },
        "operating system": {"kernel": machine.system},
        "software": software,
    }


def _implementation(ran: Environment) -> dict[str, Any]:
    return {
        "executable": {"cmd": ran.command},
        "source": {
            "lang": ["python"],
            "commit": ran.revision.get("commit"),
            "uncommitted changes": ran.revision.get("dirty"),
        },
    }


def _resources(cell: PublishedCell, task: PublishedTask) -> dict[str, Any]:
    """Of the fit, and of answering in a fresh process."""
    seconds, processor, memory = cell.cost.seconds, cell.cost.processor_seconds, task.cost.memory_mb
    return {
        "runtime": {
            "wallclock": None if seconds is None else f"{1000 * seconds:.0f} ms",
            "user": None if processor is None else f"{1000 * processor:.0f} ms",
        },
        "ram": {"used process": None if memory is None else f"{1000 * memory:.0f} KB"},
    }


def _method(identity: Identity) -> dict[str, Any]:
    stage = {"name": identity.retriever, "method": identity.family, "params": dict(identity.options)}
    return {"automatic": True, "score ties": "document id", "retrieval": [stage]}


def _collection(identity: Identity) -> dict[str, Any]:
    card = cards().get(identity.collection)
    source, _, argument = (card.source if card else "").partition(":")
    return {
        "name": identity.collection,
        "source": f"content and rules with the fingerprint {identity.fingerprint}",
        "qrels": ", ".join(f"{name} {value}" for name, value in identity.rules.items()),
        "ir_datasets": f"https://ir-datasets.com/{argument}" if source == "irds" else None,
    }


def _trec_eval(measure: str) -> str:
    name, _, cutoff = measure.partition("@")
    if not cutoff:
        return measure.lower()
    return f"{_TREC_EVAL[name]}_{cutoff}" if name in _TREC_EVAL else measure


def _known(data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The pairs whose value is known, also below."""
    for name, value in data.items():
        found = dict(_known(value)) if isinstance(value, Mapping) and name != "params" else value
        if found not in (None, "", {}, []):
            yield name, found
