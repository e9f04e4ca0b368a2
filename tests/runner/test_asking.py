"""Asking one system touches no measured cell."""

from pathlib import Path

import pytest
from conftest import PLUGINS, MakeCells, ledger_of, run, suite_of

from bench.cells.stores import FolderStore
from bench.collections.catalogue import open_dataset
from bench.errors import BenchError
from bench.runner.asking import ask


def _ask(beir_folder: Path, out: Path, system: str, **options: str) -> list[str]:
    suite = suite_of(beir_folder, system, **options)
    dataset = open_dataset(suite.datasets[0])
    return [
        hit.document for hit in ask(suite, dataset, "join two paths", 3, FolderStore(out), plugin_files=[PLUGINS])
    ]


@pytest.mark.parametrize("system", ["saved", "random-order"])
def test_a_run_after_a_question_gives_what_it_gives_without(
    make_cells: MakeCells, beir_folder: Path, tmp_path: Path, system: str
) -> None:
    (alone,), _ = run(make_cells(system, out=tmp_path / "alone"))
    _ask(beir_folder, tmp_path / "out", system)
    cells = make_cells(system)
    assert not cells[0].folder.exists()
    (after,), _ = run(cells)
    assert after.tasks[0].run_file.read_bytes() == alone.tasks[0].run_file.read_bytes()
    assert after.tasks[0].result.figures == alone.tasks[0].result.figures
    assert after.manifest is not None
    assert alone.manifest is not None
    assert after.manifest.environment.machine == alone.manifest.environment.machine
    assert set(after.manifest.cost.model_dump(exclude_none=True)) == set(
        alone.manifest.cost.model_dump(exclude_none=True)
    )


def test_a_finished_cell_is_read_and_not_written(make_cells: MakeCells, beir_folder: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    cells = make_cells("saved", ledger=str(ledger))
    run(cells)
    before = {path: path.stat().st_mtime_ns for path in cells[0].folder.rglob("*")}
    _ask(beir_folder, tmp_path / "out", "saved", ledger=str(ledger))
    assert {path: path.stat().st_mtime_ns for path in cells[0].folder.rglob("*")} == before
    assert ledger_of(ledger) == "fit\n"
    assert not (tmp_path / "out" / "asked").exists()


def test_what_was_fitted_to_be_asked_is_kept_for_the_next_question(beir_folder: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    first = _ask(beir_folder, tmp_path / "out", "saved", ledger=str(ledger))
    assert _ask(beir_folder, tmp_path / "out", "saved", ledger=str(ledger)) == first
    assert ledger_of(ledger) == "fit\n"


def test_a_system_that_fails_says_why(beir_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="has no retrieve"):
        _ask(beir_folder, tmp_path, "no-retrieve")


@pytest.mark.parametrize(
    ("system", "reason"), [("raises", "ValueError: "), ("exits-politely", r"it ended its process \(sys\.exit\(0\)\)")]
)
def test_what_a_system_raises_is_one_line_that_says_where(
    beir_folder: Path, tmp_path: Path, system: str, reason: str
) -> None:
    with pytest.raises(BenchError, match=rf"^'{system}' failed in .*plugins\.py:\d+: {reason}.*$") as caught:
        _ask(beir_folder, tmp_path, system)
    assert "\n" not in str(caught.value)
