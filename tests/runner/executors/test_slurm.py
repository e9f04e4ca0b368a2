"""Slurm is handed arrays of cells; a task of one makes its cell and knows nothing but the store."""

import os
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import PLUGINS, MakeCells
from typer.testing import CliRunner

from bench.cells.folder import read_all
from bench.cells.stores import FolderStore
from bench.cli import app
from bench.errors import BenchError
from bench.needs import Needs
from bench.runner.events import Order, Unwatched
from bench.runner.executors.slurm import SlurmExecutor
from bench.runner.plan import Cell
from bench.runner.run import run_cells


def _scripts(cells: list[Cell], *command: str, jobs: int | None = None, fresh: bool = False) -> list[list[str]]:
    order = Order(FolderStore(cells[0].folder.parents[1]), fresh)
    return [path.read_text().splitlines() for path, _ in SlurmExecutor(command, jobs).write(cells, order)]


def test_cells_that_need_the_same_share_an_array(make_cells: MakeCells) -> None:
    first, second, third = make_cells("tf-idf", "saved", "random-order")
    large = replace(second, needs=Needs(cpus=8, gpus=0.5, memory_gb=1.5))
    timed = replace(large, folder=third.folder, time_limit=600.0)
    plain, demanding = _scripts([first, large, timed], "run", "--suite", "it's.toml", jobs=4)
    directives = [line for line in plain if line.startswith("#SBATCH")]
    assert directives == ["#SBATCH --job-name=bench", "#SBATCH --array=0-0%4"]
    assert plain[0] == "#!/bin/bash"
    assert shlex.split(plain[-1])[2:] == [
        *("-m", "bench", "run", "--suite", "it's.toml", "--cell"),
        "${cells[$SLURM_ARRAY_TASK_ID]}",
    ]
    wanted = [line.removeprefix("#SBATCH ") for line in demanding if line.startswith("#SBATCH")]
    assert wanted[1:] == ["--array=0-1%4", "--cpus-per-task=8", "--gpus=1", "--mem=1500M"]


def test_a_time_that_somebody_has_limited_is_asked_for(make_cells: MakeCells) -> None:
    (cell,) = make_cells("tf-idf", tasks={"search": {}, "completeness": {}})
    (script,) = _scripts([replace(cell, time_limit=600.0)], fresh=True)
    assert "#SBATCH --time=31" in script  # the fit and two tasks, ten minutes each
    assert " --fresh --cell " in script[-1]


def test_an_array_has_no_more_tasks_than_slurm_allows(make_cells: MakeCells) -> None:
    (cell,) = make_cells("tf-idf")
    many = [replace(cell, folder=cell.folder.with_name(f"cell-{number}")) for number in range(1001)]
    first, second = _scripts(many)
    assert "#SBATCH --array=0-999" in first
    assert "#SBATCH --array=0-0" in second


def test_the_body_of_a_script_makes_its_cell(beir_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out of it"
    given = ["run", "--dataset", f"beir:{beir_folder}", "--retriever", "tf-idf", "--retriever", "tf-idf?min_df=2"]
    where = ["--plugin", str(PLUGINS), "--out", str(out)]
    shown = CliRunner().invoke(app, [*given, *where, "--executor", "slurm", "--dry-run", "--needs", "cpus=1"])
    assert shown.exit_code == 0, shown.output
    (script,) = (out / "slurm").glob("*.sh")
    assert f"sbatch '{script}'" in shown.output
    assert not (out / "cells").exists()
    environment = os.environ | {"SLURM_ARRAY_TASK_ID": "1"}
    done = subprocess.run(["bash", str(script)], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (record,) = read_all([out])
    assert record.done
    assert record.identity.options["min_df"] == 2
    again = CliRunner().invoke(app, [*given, *where, "--executor", "slurm", "--dry-run"])
    assert "1 cell to run" in again.output


def test_scripts_are_submitted_where_there_is_sbatch(
    make_cells: MakeCells, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cell,) = make_cells("tf-idf")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BenchError, match="there is no sbatch on this machine; --dry-run writes the scripts"):
        run_cells([cell], Unwatched(), SlurmExecutor(("run",)))
    _fake_sbatch(tmp_path, "echo '17;cluster'")
    (line,) = run_cells([cell], Unwatched(), SlurmExecutor(("run",)))
    assert line.startswith("submitted as job 17: 1 cell of ")
    _fake_sbatch(tmp_path, "echo no such partition >&2; exit 1")
    with pytest.raises(BenchError, match="sbatch refused .*: no such partition"):
        run_cells([cell], Unwatched(), SlurmExecutor(("run",)))


def _fake_sbatch(folder: Path, body: str) -> None:
    path = folder / "sbatch"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
