"""The machine that costs are measured on, and how much of it this process may use."""

import platform
import sys
from functools import cache
from pathlib import Path
from typing import Any

import psutil


def usable_cores() -> list[int]:
    """Numbers of the cores that this process may use, at least one."""
    process = psutil.Process()
    cores = list(process.cpu_affinity() if hasattr(process, "cpu_affinity") else range(psutil.cpu_count() or 0))
    return cores or [0]


@cache
def machine() -> dict[str, Any]:
    """The hardware that costs were measured on."""
    return {
        "processor": _processor(),
        "cores": len(usable_cores()),
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


def hardware(threads: int) -> dict[str, Any]:
    """What costs depend on: the machine, how much of it is used, and its accelerator."""
    return machine() | {"threads": threads, "accelerator": _accelerator()}


def _accelerator() -> str:
    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name() if torch and torch.cuda.is_available() else "none"
