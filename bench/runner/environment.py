"""What a result depends on besides its options: versions, code, machine."""

import os
import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from bench import __version__

DISTRIBUTION = "retrieval-bench"


@cache
def versions() -> dict[str, str]:
    """Versions of Python, of the harness and of every library it depends on."""
    found = {"python": platform.python_version(), DISTRIBUTION: __version__}
    for line in requires(DISTRIBUTION) or []:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": "offline"}):
            try:
                found[requirement.name] = version(requirement.name)
            except PackageNotFoundError:
                continue
    return found


@cache
def machine() -> dict[str, Any]:
    """The hardware that costs were measured on."""
    import psutil

    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(terse=True),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


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


def manifest(threads: int) -> dict[str, Any]:
    """Everything above, with the command line, as it stands in every manifest."""
    return {
        "versions": versions(),
        "revision": revision(),
        "machine": hardware(threads),
        "command": " ".join(["python -m bench", *sys.argv[1:]]),
    }


def hardware(threads: int) -> dict[str, Any]:
    """What costs depend on: the machine, how much of it is used, and its accelerator."""
    return machine() | {"threads": threads, "accelerator": _accelerator()}


def _accelerator() -> str:
    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name() if torch and torch.cuda.is_available() else "none"
