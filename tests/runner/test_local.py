"""Cells run in processes of their own: what they leave, and what becomes of one that fails."""

import gzip
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import PLUGINS, PROBES, MakeCells, Notes, ledger_of, run

from bench.cells.record import CellRecord
from bench.collections.catalogue import open_dataset
from bench.runner.executors.local import LocalExecutor
from bench.runner.plan import Cell, PlannedTask, make_plan
from bench.runner.run import run_cells
from bench.suite import Suite, SystemEntry


def _value(record: CellRecord, measure: str, task: int = 0) -> float:
    return next(figure.value for figure in record.tasks[task].result.figures if figure.measure == measure)


def test_a_cell_leaves_its_figures_run_file_rankings_and_manifest(make_cells: MakeCells) -> None:
    cells = make_cells("tf-idf")
    (record,), notes = run(cells, argv=["run", "--retriever", "sbert projection"])
    assert record.done
    assert notes.heard[0] == "started tf-idf"
    assert notes.heard[-1] == "finished tf-idf"
    (task,) = record.tasks
    value = _value(record, "nDCG@10")
    assert 0.3 < value < 1
    assert np.mean(task.values["nDCG@10"]) == pytest.approx(value)
    ranked = pq.read_table(task.run_file.with_name("rankings.parquet"))
    first = gzip.decompress(task.run_file.read_bytes()).decode().splitlines()[0].split()
    assert first[:4] == [ranked.column("query")[0].as_py(), "Q0", ranked.column("document")[0].as_py(), "1"]
    manifest, cost = record.manifest, task.result.cost
    assert manifest is not None
    assert manifest.cell == cells[0].identity
    assert manifest.environment.versions["numpy"] == np.__version__
    assert manifest.environment.machine is not None
    assert manifest.environment.machine.threads >= 1
    assert manifest.environment.command == "python -m bench run --retriever 'sbert projection'"
    assert cost.p50_ms <= cost.p95_ms <= cost.p99_ms
    assert cost.queries_per_second > 0
    assert 0 < manifest.cost.processor_seconds < 60
    shares = manifest.cost.others_share, cost.others_share
    assert all(share is None or 0 <= share <= 1 for share in shares)


def test_what_a_task_says_of_itself_is_in_its_result(make_cells: MakeCells) -> None:
    (record,), _ = run(make_cells("tf-idf"))
    result = record.tasks[0].result
    assert result.timed
    assert result.depth == 100
    assert result.columns[0] == result.measures[0].name == "nDCG@10"
    assert {figure.measure for figure in result.figures} <= {measure.name for measure in result.measures}


def test_the_same_seed_gives_byte_identical_run_files_and_another_seed_does_not(
    make_cells: MakeCells, tmp_path: Path
) -> None:
    files = []
    for out, seed in (("a", 5), ("b", 5), ("c", 6)):
        (record,), _ = run(make_cells("random-order", out=tmp_path / out, seeds=(seed,)))
        files.append(record.tasks[0].run_file.read_bytes())
    assert files[0] == files[1]
    assert files[0] != files[2]


@pytest.mark.parametrize(
    ("system", "reason"),
    [
        ("gives-nan", "not a finite number"),
        ("raises", "ValueError: the soufflé collapsed"),
        ("is-killed", "killed by the system, most likely out of memory"),
        ("peeks-at-test", "has no split 'test'"),
        ("exits-politely", "ended its process"),
        ("exits-at-once", "ended with exit status 0 before the work was done"),
        ("no-retrieve", "cannot be constructed: NoRetrieve has no retrieve; define it"),
        ("raises-when-made", "cannot be constructed: RuntimeError: no licence found"),
        ("loads-wrongly", "loaded answers otherwise than the system that was fitted"),
    ],
)
def test_a_failed_cell_is_a_reason_and_never_a_figure(make_cells: MakeCells, system: str, reason: str) -> None:
    cells = make_cells(system, "tf-idf") if system == "raises" else make_cells(system)
    (failed, *others), notes = run(cells)
    assert re.search(reason, failed.problem)
    assert failed.tasks == []
    assert not list(cells[0].folder.glob("tasks/*"))
    assert all(other.done for other in others)
    assert any(line.startswith(f"finished {system}") for line in notes.heard)


def test_the_reason_of_a_failure_is_the_same_however_long_it_took(make_cells: MakeCells) -> None:
    (first, second), _ = run(make_cells("raises", seeds=(0, 1)))
    assert first.problem == second.problem == "ValueError: the soufflé collapsed"
    assert first.failure is not None
    assert first.failure.seconds >= 0


def test_a_traceback_goes_to_the_log(make_cells: MakeCells) -> None:
    cells = make_cells("raises")
    run(cells)
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
    (missing, sound), _ = run(cells)
    assert "no .safetensors file" in missing.problem
    assert sound.done


@pytest.mark.parametrize("system", ["fails-on-probes"])
def test_a_failed_task_costs_only_its_own_table(make_cells: MakeCells, system: str) -> None:
    cells = make_cells(system, tasks=PROBES)
    (record,), _ = run(cells)
    assert [task.result.task for task in record.tasks] == ["search"]
    assert "task exclusivity: ValueError: too long a question" in record.problem
    assert "task completeness" in record.problem
    assert "search" not in record.problem
    assert not cells[0].done


@pytest.mark.parametrize("system", ["reverses", "reuses-arrays"])
def test_what_a_retriever_does_with_its_lists_and_arrays_changes_no_figure(
    make_cells: MakeCells, system: str
) -> None:
    (odd, plain), _ = run(make_cells(system, "saved"))
    assert odd.tasks[0].query_ids == plain.tasks[0].query_ids
    assert odd.tasks[0].values["nDCG@10"].tolist() == plain.tasks[0].values["nDCG@10"].tolist()


def test_a_retriever_may_change_the_working_folder(
    make_cells: MakeCells, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "away").mkdir()
    (record,), _ = run(make_cells("changes-folder", tasks=PROBES, out=Path("out"), away=str(tmp_path / "away")))
    assert record.done
    assert not list((tmp_path / "away").iterdir())


def test_a_system_that_loads_otherwise_gets_no_figure_of_any_task(make_cells: MakeCells) -> None:
    (record,), _ = run(make_cells("loads-wrongly", tasks=PROBES))
    assert record.tasks == []
    assert record.problem.startswith("invalid output: query ")
    assert "answers otherwise" in record.problem


def test_progress_that_is_not_known_is_no_failure(make_cells: MakeCells) -> None:
    (record,), _ = run(make_cells("tells-half"))
    assert record.done


def test_a_retriever_may_close_what_it_prints_to(make_cells: MakeCells) -> None:
    (record,), _ = run(make_cells("closes-output"))
    assert record.done


def test_a_task_that_ends_without_a_result_is_not_begun_again(
    make_cells: MakeCells, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = make_cells("saved")
    monkeypatch.setattr(PlannedTask, "done", False)  # as if it had been written elsewhere
    (record,), _ = run(cells)
    assert "it ended without a result; see its log.txt" in record.problem


def test_finished_cells_are_reused_and_fresh_runs_them_again(make_cells: MakeCells, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    cells = make_cells("counts-fits", ledger=str(ledger))
    run(cells)
    _, notes = run(cells)
    assert notes.heard == []
    assert ledger_of(ledger) == "fit\n"
    run(cells, fresh=True)
    assert ledger_of(ledger) == "fit\nfit\n"


def test_a_cell_that_lost_its_answers_loads_its_index_instead_of_fitting(
    make_cells: MakeCells, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    cells = make_cells("counts-fits", ledger=str(ledger))
    run(cells)
    (cells[0].tasks[0].folder / "result.json").unlink()
    (record,), notes = run(cells)
    assert "loading index" in notes.heard
    assert ledger_of(ledger) == "fit\n"
    assert record.done
    assert record.manifest is not None
    assert record.manifest.cost.index_bytes == 3


class _StopsAtSecondTask(Notes):
    def progressed(self, cell: Cell, phase: str, done: int, total: int) -> None:
        super().progressed(cell, phase, done, total)
        if phase == "exclusivity: answering":
            raise KeyboardInterrupt


def test_an_interrupted_cell_keeps_its_finished_tasks_and_goes_on(make_cells: MakeCells, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    cells = make_cells("saved", tasks=PROBES, ledger=str(ledger))
    with pytest.raises(KeyboardInterrupt):
        run_cells(cells, _StopsAtSecondTask())
    finished = cells[0].tasks[0].folder / "result.json"
    before = finished.stat().st_mtime_ns
    (record,), notes = run(cells)
    assert record.done
    assert len(record.tasks) == len(PROBES)
    assert finished.stat().st_mtime_ns == before
    assert ledger_of(ledger) == "fit\n"
    assert "search: answering" not in notes.heard


def test_what_was_edited_is_run_again_and_said(make_cells: MakeCells) -> None:
    cells = make_cells("saved")
    (before,), _ = run(cells)
    path = cells[0].tasks[0].folder / "result.json"
    path.write_text(path.read_text().replace('"queries": ', '"queries": 1'))
    assert not cells[0].done
    notes = Notes()
    (line,) = run_cells(cells, notes)
    assert "result.json is not as it was written" in line
    (after,), _ = run(cells)
    assert after.tasks[0].result.figures == before.tasks[0].result.figures
    assert notes.heard[-1] == "finished saved"


def test_a_damaged_index_is_fitted_again(make_cells: MakeCells, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    cells = make_cells("counts-fits", ledger=str(ledger))
    run(cells)
    (cells[0].folder / "index" / "size").write_text("1")
    (cells[0].tasks[0].folder / "result.json").unlink()
    (_, line) = run_cells(cells, Notes())
    assert (
        line
        == f"{cells[0].folder / 'index' / 'size'} is not as it was written; run the cell again, which writes it anew"
    )
    (record,), _ = run(cells)
    assert record.done
    assert ledger_of(ledger) == "fit\nfit\n"


def test_shared_work_that_was_damaged_is_told_by_the_run(make_cells: MakeCells, own_cache: Path) -> None:
    cells = make_cells("needs-memory", megabytes=1)
    assert run_cells(cells, Notes()) == []
    (states,) = (path for path in own_cache.glob("shared/*/*/states.npy") if '"states": 1}' in _key(path))
    states.write_bytes(states.read_bytes()[:-1] + b"x")
    (line,) = run_cells(cells, Notes(), fresh=True)
    assert line == f"{states.parent} was damaged (states.npy has changed) and is made again"
    assert "was damaged" in (cells[0].folder / "log.txt").read_text()


def _key(path: Path) -> str:
    return path.with_name("key.json").read_text()


def test_cells_run_side_by_side(make_cells: MakeCells) -> None:
    records, notes = run(make_cells("tf-idf", "random-order"), executor=LocalExecutor(jobs=2))
    assert all(record.done for record in records)
    assert notes.heard[:2] == ["started tf-idf", "started random-order"]


def test_another_option_seed_or_code_is_another_cell(make_cells: MakeCells, tmp_path: Path) -> None:
    keys = {
        make_cells("tf-idf")[0].identity.key,
        make_cells("tf-idf", min_df=2)[0].identity.key,
        make_cells("tf-idf", seeds=(1,))[0].identity.key,
    }
    assert len(keys) == 3
    assert make_cells("tf-idf")[0].identity.key in keys
    assert not (tmp_path / "out").exists()
