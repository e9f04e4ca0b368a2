"""What a cell leaves on disk, read back, and what becomes of it when it was changed."""

import gzip
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made_packages import identity, task_result, write_cell

from bench.cells.folder import (
    can_load,
    is_cell,
    is_done,
    is_fitted,
    read,
    read_all,
    remove_damaged,
    write_failure,
    write_manifest,
)
from bench.cells.record import Failure, Manifest
from bench.collections.collection import Collection
from bench.errors import BenchError


@pytest.fixture
def small(make_collection: Callable[..., Collection]) -> Collection:
    return make_collection({"d1": "one", "d 2": "two", "d3": "three"})


@pytest.fixture
def cell(tmp_path: Path, small: Collection) -> Path:
    return write_cell(tmp_path / "cells" / "bm25.small.seed0.0123456789", small)


def test_a_cell_is_read_back_as_it_was_written(cell: Path) -> None:
    record = read(cell)
    assert record.identity == identity()
    assert record.done
    assert record.problem == ""
    assert (record.system, record.collection, record.seed, record.imported) == ("bm25", "small", 0, False)
    (task,) = record.tasks
    written = task_result()
    assert task.result.measures == written.measures
    assert task.result.figures[0] == written.figures[0]
    assert task.result.cost == written.cost
    assert task.result.instrument == written.instrument
    assert task.name == "search.0123456789"
    assert list(task.query_ids) == ["q1", "q2"]
    np.testing.assert_array_equal(task.values["nDCG@10"], [1.0, 0.831])
    assert task.units is None
    assert gzip.decompress(task.run_file.read_bytes()).decode().splitlines()[0].startswith("q1 Q0 d%202 1 2.5")


def test_what_is_not_a_number_is_null_on_disk_and_not_a_number_again_when_read(cell: Path) -> None:
    (task,) = read(cell).tasks
    text = (cell / "tasks" / task.name / "result.json").read_text()
    assert "NaN" not in text
    assert json.loads(text)["figures"][1]["value"] is None
    assert math.isnan(task.result.figures[1].value)
    assert math.isnan(task.result.counts[1].value)
    assert np.isnan(task.values["fail@1"]).all()


def test_units_of_queries_are_kept(tmp_path: Path, small: Collection) -> None:
    write_cell(tmp_path / "cell", small, units=["d1", "d1"])
    (task,) = read(tmp_path / "cell").tasks
    assert task.units == ["d1", "d1"]
    assert set(task.values) == {"nDCG@10", "fail@1"}


def test_a_failure_is_a_cell_with_a_reason(tmp_path: Path) -> None:
    write_failure(tmp_path / "cell", Failure(cell=identity(), reason="the soufflé collapsed", seconds=1.0))
    record = read(tmp_path / "cell")
    assert record.problem == "the soufflé collapsed"
    assert not record.done
    assert record.tasks == []


def test_an_edited_figure_is_not_believed(cell: Path) -> None:
    path = cell / "tasks" / "search.0123456789" / "result.json"
    path.write_text(path.read_text().replace("0.9155", "0.999"))
    with pytest.raises(BenchError, match=r"result\.json is not as it was written; run the cell again"):
        read(cell)
    assert not is_done(path.parent)


@pytest.mark.parametrize("name", ["queries.parquet", "rankings.parquet", "run.trec.gz", "result.json"])
@pytest.mark.parametrize("damage", ["truncated", "flipped", "missing"])
def test_a_damaged_file_is_named_with_the_remedy(cell: Path, name: str, damage: str) -> None:
    path = cell / "tasks" / "search.0123456789" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    damaged = {"truncated": bytes(data[:-20]), "flipped": bytes(data), "missing": b""}[damage]
    path.unlink() if damage == "missing" else path.write_bytes(damaged)
    with pytest.raises(BenchError, match=rf"{name}.*run the cell again"):
        read(cell)
    (line,) = remove_damaged(cell)
    assert name in line
    assert not path.parent.exists()
    assert is_fitted(cell)


def test_a_damaged_manifest_takes_the_cell_with_it(cell: Path) -> None:
    (cell / "manifest.json").write_text("{")
    with pytest.raises(BenchError, match=r"manifest\.json cannot be read"):
        read(cell)
    assert not is_fitted(cell)
    assert len(remove_damaged(cell)) == 1
    assert not cell.exists()


def test_a_damaged_index_is_not_loaded_and_the_figures_stay(cell: Path) -> None:
    assert can_load(cell)
    (cell / "index" / "terms.json").write_text("[1]")
    assert not can_load(cell)
    assert read(cell).done


@pytest.mark.parametrize("text", ['{"cell": {"system": "bm25"}}', '{"format": 1}', "[]"])
def test_a_record_of_another_version_says_so(cell: Path, text: str) -> None:
    (cell / "manifest.json").write_text(text)
    with pytest.raises(BenchError, match=r"manifest\.json was made by another version; run the cell again"):
        read(cell)


def test_a_sound_cell_is_left_as_it_is(cell: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in cell.rglob("*")}
    assert remove_damaged(cell) == []
    assert {path: path.stat().st_mtime_ns for path in cell.rglob("*")} == before


def test_drafts_are_never_read_as_cells_or_tasks(cell: Path) -> None:
    shutil.copytree(cell, cell.with_name(f".{cell.name}-abcd.draft"))
    shutil.copytree(cell / "tasks" / "search.0123456789", cell / "tasks" / ".search.0123456789-abcd.draft")
    (record,) = read_all([cell.parent.parent])
    assert len(record.tasks) == 1
    assert not is_cell(cell.with_name(f".{cell.name}-abcd.draft"))


def test_a_folder_without_cells_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="holds no cell"):
        read_all([tmp_path])


def test_an_imported_cell_has_neither_costs_nor_environment(tmp_path: Path) -> None:
    write_manifest(tmp_path, Manifest(cell=identity(imported=True, key_parts={})))
    record = read(tmp_path)
    assert record.imported
    assert record.manifest is not None
    assert record.manifest.cost.seconds is None
    assert record.manifest.environment.machine is None
