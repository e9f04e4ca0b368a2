"""What a result depends on besides its options: versions, code, and the machine."""

import platform
import shlex
import subprocess
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from bench.cells.record import Environment, Machine
from bench.machine import hardware

DISTRIBUTION = "retrieval-bench"


@cache
def versions() -> dict[str, str]:
    """Versions of Python, of the harness and of every library it depends on."""
    found = {"python": platform.python_version(), DISTRIBUTION: version(DISTRIBUTION)}
    for line in requires(DISTRIBUTION) or []:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": "offline"}):
            try:
                found[requirement.name] = version(requirement.name)
            except PackageNotFoundError:
                continue
    return found


@cache
def revision() -> dict[str, Any]:
    """Commit of the checkout that the harness runs from; empty for an installed wheel."""
    folder = Path(__file__).parents[2]
    if not (folder / ".git").exists():
        return {}
    commit = _git(folder, "rev-parse", "HEAD")
    return {"commit": commit, "dirty": bool(_git(folder, "status", "--porcelain"))} if commit else {}


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def environment(threads: int, argv: Sequence[str]) -> Environment:
    """All of this for a record; `argv` is what the command line was given, empty for a program of one's own."""
    return Environment(
        versions=versions(),
        revision=revision(),
        machine=Machine(**hardware(threads)),
        command=shlex.join(["python", "-m", "bench", *argv]) if argv else "",
    )
