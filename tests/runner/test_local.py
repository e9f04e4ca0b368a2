"""Cells run in processes of their own: what they leave, and what becomes of one that fails."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from bench import registry
from bench.collections.catalogue import open_dataset
from bench.results import CellResult, read_result
from bench.runner.local import run_cells
from bench.runner.plan import Cell, make_plan
from bench.suite import Suite, SystemEntry

PLUGINS = Path(__file__).parents[1] / "plugins.py"

Run = Callable[..., list[CellResult]]


class Notes:
    """A watcher that writes down what it is told."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def started(self, cell: Cell) -> None:
        self.heard.append(f"started {cell.system}")

    def progressed(self, cell: Cell, phase: str, done: int, total: int) -> None:
        self.heard.append(phase)

    def finished(self, cell: Cell, seconds: float, problem: str) -> None:
        self.heard.append(f"finished {cell.system} {problem}".strip())


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_from_files", [])
    registry.load_files([PLUGINS])
    return


def _cells(beir_folder: Path, out: Path, *systems: str, seeds: tuple[int, ...] = (0,), **options: Any) -> list[Cell]:
    suite = Suite(
        name="test",
        datasets=[f"beir:{beir_folder}"],
        systems=[SystemEntry(retriever=name, options=options) for name in systems],
        seeds=list(seeds),
    )
    return make_plan(suite, [open_dataset(suite.datasets[0])], out, plugin_files=[PLUGINS])


def _run(cells: list[Cell], **arguments: Any) -> tuple[list[CellResult], Notes]:
    notes = Notes()
    run_cells(cells, notes, **arguments)
    return [read_result(cell) for cell in cells], notes


def test_a_cell_leaves_its_figures_run_file_rankings_and_manifest(beir_folder: Path, tmp_path: Path) -> None:
    cells = _cells(beir_folder, tmp_path, "tf-idf")
    (result,), notes = _run(cells)
    assert result.problem == ""
    assert notes.heard[0] == "started tf-idf"
    assert notes.heard[-1] == "finished tf-idf"
    task = result.tasks[0]
    assert 0.3 < task.figures["nDCG@10"].value < 1
    folder = cells[0].tasks[0].folder
    values = pq.read_table(folder / "queries.parquet").column("nDCG@10").to_numpy()
    assert values.mean() == pytest.approx(task.figures["nDCG@10"].value)
    ranked = pq.read_table(folder / "rankings.parquet")
    first = gzip.decompress((folder / "run.trec.gz").read_bytes()).decode().splitlines()[0].split()
    assert first[:4] == [ranked.column("query")[0].as_py(), "Q0", ranked.column("document")[0].as_py(), "1"]
    record = json.loads((cells[0].folder / "manifest.json").read_text())
    assert record["cell"]["fingerprint"] == cells[0].fingerprint
    assert record["versions"]["numpy"] == np.__version__
    assert {"processor", "cores", "threads"} <= set(record["machine"])
    assert task.cost["p50_ms"] <= task.cost["p95_ms"] <= task.cost["p99_ms"]
    assert task.cost["queries_per_second"] > 0
    assert 0 < record["cost"]["fit_processor_seconds"] < 60
    shares = record["cost"]["fit_others_share"], task.cost["others_share"]
    assert all(share is None or 0 <= share <= 1 for share in shares)
    assert result.cost["index_bytes"] is None


def test_the_same_seed_gives_byte_identical_run_files_and_another_seed_does_not(
    beir_folder: Path, tmp_path: Path
) -> None:
    files = []
    for out, seed in (("a", 5), ("b", 5), ("c", 6)):
        cells = _cells(beir_folder, tmp_path / out, "random-order", seeds=(seed,))
        _run(cells)
        files.append((cells[0].tasks[0].folder / "run.trec.gz").read_bytes())
    assert files[0] == files[1]
    assert files[0] != files[2]


@pytest.mark.parametrize(
    ("system", "reason"),
    [
        ("gives-nan", "not a finite number"),
        ("raises", "ValueError: the soufflé collapsed"),
        ("is-killed", "killed by the system, most likely out of memory"),
        ("peeks-at-test", "has no split 'test'"),
    ],
)
def test_a_failed_cell_is_a_reason_and_never_a_figure(
    beir_folder: Path, tmp_path: Path, system: str, reason: str
) -> None:
    cells = _cells(beir_folder, tmp_path, system, "tf-idf")
    (failed, sound), notes = _run(cells)
    assert reason in failed.problem
    assert failed.tasks == ()
    assert not list(cells[0].folder.glob("tasks/*"))
    assert sound.problem == ""
    assert any(line.startswith(f"finished {system}") and reason in line for line in notes.heard)


def test_the_reason_of_a_failure_is_the_same_however_long_it_took(beir_folder: Path, tmp_path: Path) -> None:
    cells = _cells(beir_folder, tmp_path, "raises", seeds=(0, 1))
    (first, second), _ = _run(cells)
    assert first.problem == second.problem == "ValueError: the soufflé collapsed"
    recorded = json.loads((cells[0].folder / "failure.json").read_text())
    assert recorded["seconds"] >= 0


def test_a_traceback_goes_to_the_log(beir_folder: Path, tmp_path: Path) -> None:
    cells = _cells(beir_folder, tmp_path, "raises")
    _run(cells)
    assert "Traceback" in (cells[0].folder / "log.txt").read_text()


def test_weights_that_are_not_there_fail_their_cell_alone(beir_folder: Path, tmp_path: Path) -> None:
    suite = Suite(
        name="test",
        datasets=[f"beir:{beir_folder}"],
        systems=[
            SystemEntry(retriever="sbert", options={"model": str(tmp_path)}),
            SystemEntry(retriever="tf-idf"),
        ],
    )
    cells = make_plan(suite, [open_dataset(suite.datasets[0])], tmp_path / "out", plugin_files=[PLUGINS])
    (missing, sound), _ = _run(cells)
    assert "no .safetensors file" in missing.problem
    assert sound.problem == ""


def test_finished_cells_are_reused_and_fresh_runs_them_again(beir_folder: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    cells = _cells(beir_folder, tmp_path, "counts-fits", ledger=str(ledger))
    _run(cells)
    _, notes = _run(cells)
    assert notes.heard == []
    assert ledger.read_text() == "fit\n"
    _run(cells, fresh=True)
    assert ledger.read_text() == "fit\nfit\n"


def test_a_cell_that_lost_its_answers_loads_its_index_instead_of_fitting(beir_folder: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    cells = _cells(beir_folder, tmp_path, "counts-fits", ledger=str(ledger))
    _run(cells)
    (cells[0].tasks[0].folder / "result.json").unlink()
    (result,), notes = _run(cells)
    assert "loading index" in notes.heard
    assert ledger.read_text() == "fit\n"
    assert result.problem == ""
    assert result.cost["index_bytes"] == 3


def test_cells_run_side_by_side(beir_folder: Path, tmp_path: Path) -> None:
    results, notes = _run(_cells(beir_folder, tmp_path, "tf-idf", "random-order"), jobs=2)
    assert [result.problem for result in results] == ["", ""]
    assert notes.heard[:2] == ["started tf-idf", "started random-order"]


def test_another_option_seed_or_code_is_another_cell(beir_folder: Path, tmp_path: Path) -> None:
    keys = {
        _cells(beir_folder, tmp_path, "tf-idf")[0].key,
        _cells(beir_folder, tmp_path, "tf-idf", min_df=2)[0].key,
        _cells(beir_folder, tmp_path, "tf-idf", seeds=(1,))[0].key,
    }
    assert len(keys) == 3
    assert _cells(beir_folder, tmp_path, "tf-idf")[0].key in keys
    assert list(tmp_path.iterdir()) == []
