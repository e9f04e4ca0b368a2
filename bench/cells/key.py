"""The key of a cell and of a task: a digest of all that their result depends on, and of nothing else."""

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from bench import registry
from bench.cells.environment import versions
from bench.cells.record import Identity
from bench.digests import digest_code, digest_data, digest_file
from bench.models import find_weights
from bench.retriever import Retriever
from bench.tasks import Task

_HARNESS = "bench.runner.fitting"
"""The module of the harness that fits and asks; what orders answers is reached from it and from the task."""


def cell_key_parts(retriever: Retriever, fingerprint: str) -> dict[str, Any]:
    """What answers depend on, as JSON-like data without any path of this machine; the cell's key is its digest.

    Raises BenchError for weights and OSError for files that are not there.
    """
    return {
        "collection": fingerprint,
        **harness_parts(),
        **_system_parts(retriever),
    }


def harness_parts() -> dict[str, Any]:
    """What all answers on a machine depend on: the harness's code, and the versions of what is installed."""
    return {"harness": digest_code(_HARNESS), "versions": versions()}


def _system_parts(retriever: Retriever) -> dict[str, Any]:
    """Of one system and, below it, of the systems that it is composed of."""
    weights = _own_weights(retriever)
    return {
        "retriever": _name(type(retriever)),
        "options": portable(retriever.options(), weights),
        "code": _code(type(retriever), "retriever"),
        "weights": sorted(weights.values()),
        "components": [_system_parts(part) for part in retriever.components()],
    }


def task_key_parts(name: str, task: Task) -> dict[str, Any]:
    """What a task's figures depend on beside the answers. Raises BenchError for weights that are not there."""
    weights = {wanted: find_weights(wanted).digest for wanted in task.weights()}
    return {
        "task": name,
        "options": portable(task.options(), weights),
        "code": _code(type(task), "task"),
        "weights": sorted(weights.values()),
    }


def weights_of(retriever: Retriever) -> dict[str, str]:
    """Digests of the weights and files that a system and its parts use, by name or path. Raises as above."""
    found = _own_weights(retriever)
    for part in retriever.components():
        found |= weights_of(part)
    return found


def _own_weights(retriever: Retriever) -> dict[str, str]:
    weights = {name: find_weights(name).digest for name in retriever.weights()}
    return weights | {str(path): _digest_once(path, path.stat().st_mtime_ns) for path in retriever.files()}


@cache
def _digest_once(path: Path, changed: int) -> str:  # noqa: ARG001
    """Word vectors take seconds to read, and many cells use them."""
    return digest_file(path)


def portable(data: Any, weights: Mapping[str, str]) -> Any:
    """Options in which the paths of weights and files are cut to their names: their content is in the key."""
    if isinstance(data, Mapping):
        return {name: portable(value, weights) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [portable(value, weights) for value in data]
    if isinstance(data, str) and data in weights and _is_path(data):
        return Path(data).name
    return data


def _is_path(name: str) -> bool:
    """A model of the hub is called OWNER/NAME."""
    return Path(name).is_absolute() or name.startswith(".") or name.count(os.sep) > 1


def _name(kind: type) -> str:
    return kind.__qualname__ if _file(kind, "retriever") else f"{kind.__module__}:{kind.__qualname__}"


def _code(kind: type, of: registry.Kind) -> str:
    return digest_code(_file(kind, of) or kind.__module__)


def _file(kind: type, of: registry.Kind) -> Path | None:
    """The file that was given with --plugin, for a class that is defined there."""
    target = f"{kind.__module__}:{kind.__qualname__}"
    return next((plugin.file for plugin in registry.plugins(of).values() if plugin.target == target), None)


def check_key(identity: Identity) -> str:
    """What is wrong with a cell's key: it is not that of its parts, or they are not what the cell shows."""
    parts = identity.key_parts
    if not parts:
        return "" if identity.imported else "it does not say what its key was made of"
    if digest_data(parts) != identity.key:
        return "its key is not the digest of its parts"
    options = portable(identity.options, identity.weights)
    shown = {"options": options, "collection": identity.fingerprint}
    for name, value in shown.items():
        if parts.get(name) != value:
            return f"its {name} as shown is not what its key was made of"
    if set(identity.weights.values()) != _weights_in(parts):
        return "its weights as shown are not what its key was made of"
    return (
        "" if options.get("seed", identity.seed) == identity.seed else "its seed as shown is not that of its options"
    )


def _weights_in(parts: Mapping[str, Any]) -> set[str]:
    below = (_weights_in(part) for part in parts.get("components", ()))
    return set(parts.get("weights", ())).union(*below)
