"""Runs cells as job arrays of Slurm: one cell for each task of an array, which shares nothing but the store."""

import math
import shlex
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.durations import DAY
from bench.errors import BenchError
from bench.needs import Needs
from bench.runner.events import Event, Order, Remarked
from bench.runner.plan import Cell
from bench.store import write_text
from bench.visible import plural

_LARGEST = 1000
"""Tasks of an array; what Slurm allows unless a cluster says otherwise (MaxArraySize)."""


@dataclass(frozen=True)
class SlurmExecutor:
    """Submits arrays and does not wait for them; the same command run later shows what they came to.

    command: the arguments of `bench run` that plan these cells; jobs: cells of an array at a time, if bounded
    """

    command: tuple[str, ...]
    jobs: int | None = None

    def run(self, cells: Sequence[Cell], order: Order) -> Generator[tuple[Cell, Event]]:
        if shutil.which("sbatch") is None:
            raise BenchError(
                "there is no sbatch on this machine; --dry-run writes the scripts, to be submitted where there is one"
            )
        for script, of_script in self.write(cells, order):
            yield of_script[0], Remarked(f"{_submitted(script)}: {plural(len(of_script), 'cell')} of {script}")

    def write(self, cells: Sequence[Cell], order: Order) -> list[tuple[Path, Sequence[Cell]]]:
        """A script, below the store's folder, for all cells that need the same, and at most a thousand."""
        written = []
        for place, alike in enumerate(_alike(cells), 1):
            path = order.store.folder / "slurm" / f"cells-{place}.sh"
            write_text(path, self._script(alike, order))
            written.append((path, alike))
        return written

    def _script(self, cells: Sequence[Cell], order: Order) -> str:
        bound = f"%{self.jobs}" if self.jobs else ""
        wanted = [
            "--job-name=bench",
            f"--array=0-{len(cells) - 1}{bound}",
            *_wanted(cells[0].needs),
            *_time(cells),
        ]
        command = [sys.executable, "-m", "bench", *self.command, *(["--fresh"] if order.fresh else [])]
        return "\n".join(
            [
                "#!/bin/bash",
                *(f"#SBATCH {one}" for one in wanted),
                "",
                "cells=(",
                *(f"  {shlex.quote(cell.folder.name)}" for cell in cells),
                ")",
                f"cd {shlex.quote(str(Path.cwd()))} || exit 1",
                f'exec {shlex.join(command)} --cell "${{cells[$SLURM_ARRAY_TASK_ID]}}"',
                "",
            ]
        )


def _alike(cells: Sequence[Cell]) -> Iterator[Sequence[Cell]]:
    for needs in dict.fromkeys(cell.needs for cell in cells):
        found = [cell for cell in cells if cell.needs == needs]
        yield from (found[begin : begin + _LARGEST] for begin in range(0, len(found), _LARGEST))


def _wanted(needs: Needs) -> Iterator[str]:
    """What is asked of Slurm; where a need is not said the cluster's default holds."""
    if needs.cpus:
        yield f"--cpus-per-task={needs.cpus}"
    if needs.gpus:
        yield f"--gpus={math.ceil(needs.gpus)}"
    if needs.memory_gb:
        yield f"--mem={math.ceil(needs.memory_gb * 1000)}M"


def _time(cells: Sequence[Cell]) -> Iterator[str]:
    """Minutes until Slurm ends a task: what the fit and all tasks may take, where somebody has limited them."""
    longest = max(cell.time_limit * (1 + len(cell.tasks)) for cell in cells)
    if all(cell.time_limit != DAY for cell in cells):
        yield f"--time={math.ceil(longest / 60) + 1}"


def _submitted(script: Path) -> str:
    done = subprocess.run(["sbatch", "--parsable", str(script)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"sbatch refused {script}: {' '.join(done.stderr.split()) or 'it gives no reason'}")
    return f"submitted as job {done.stdout.strip().partition(';')[0]}"
