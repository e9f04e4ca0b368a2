"""Cells of a published leaderboard again: the same board, reused by a run, and refused where nothing proves it."""

import json
import shutil
from pathlib import Path

import pytest
from finished_cells import PLUGINS, Finished

from bench.cells.folder import read_all
from bench.collections.catalogue import Dataset
from bench.errors import BenchError
from bench.leaderboard.publish import publish
from bench.leaderboard.published import read_published
from bench.leaderboard.reported import ReportedFigures, keep_reported, read_reported
from bench.leaderboard.selection import select
from bench.runner.plan import make_plan
from bench.suite import Suite
from bench.verification.restore import Restored, restore


def restored(folder: Path, dataset: Dataset, out: Path) -> list[Restored]:
    published = read_published(folder)
    return restore(published, dict.fromkeys(published.collections(), dataset), out)


def test_a_board_of_restored_cells_is_the_one_that_they_came_from(
    original: Path, suite: Suite, finished: Finished, tmp_path: Path
) -> None:
    (told,) = restored(original, finished.dataset, tmp_path / "restored")
    assert (told.written, told.present) == (len(read_published(original).cells), 0)
    cells = read_all([tmp_path / "restored"])
    assert any(cell.failure for cell in cells)
    publish(suite, select(suite, [cells]), tmp_path / "results")
    again = tmp_path / "results" / "tiny"
    for name in ("leaderboard.json", "table.csv", "README.md"):
        assert (again / name).read_text() == (original / name).read_text()
    assert {path.name: path.read_bytes() for path in (again / "runs").glob("*")} == {
        path.name: path.read_bytes() for path in (original / "runs").glob("*")
    }


def test_a_run_takes_restored_cells_for_its_own(
    original: Path, suite: Suite, finished: Finished, tmp_path: Path
) -> None:
    restored(original, finished.dataset, tmp_path / "restored")
    plan = make_plan(suite, [finished.dataset], tmp_path / "restored", plugin_files=[PLUGINS])
    assert [cell.system for cell in plan if not cell.done] == ["raises", "raises"]


def test_what_lies_there_is_left_as_it_is(original: Path, finished: Finished, tmp_path: Path) -> None:
    restored(original, finished.dataset, tmp_path)
    kept = next((tmp_path / "cells").glob("bm25.*"))
    (kept / "mine.txt").write_text("a note")
    other = next((tmp_path / "cells").glob("tf-idf.*"))
    shutil.rmtree(other)
    (told,) = restored(original, finished.dataset, tmp_path)
    assert told.written == 1
    assert (kept / "mine.txt").is_file()
    assert other.is_dir()


def test_figures_of_others_come_along(folder: Path, finished: Finished, tmp_path: Path) -> None:
    one = ReportedFigures(
        system="theirs", collection="c", fingerprint="f", source="a paper", figures={"nDCG@10": 0.5}
    )
    keep_reported(one, folder)
    restored(folder, finished.dataset, tmp_path / "restored")
    assert read_reported([tmp_path / "restored"]) == [one]


def test_a_board_that_proves_nothing_is_refused_before_anything_is_written(
    folder: Path, finished: Finished, tmp_path: Path
) -> None:
    next(folder.glob("runs/bm25.*search*")).write_bytes(b"nothing")
    with pytest.raises(BenchError, match=r"not the one that its manifest names; nothing was restored"):
        restored(folder, finished.dataset, tmp_path / "restored")
    assert not (tmp_path / "restored").exists()


def test_a_changed_manifest_is_refused(folder: Path, finished: Finished, tmp_path: Path) -> None:
    path = next(folder.glob("manifests/bm25.*.json"))
    data = json.loads(path.read_text())
    data["cell"]["fingerprint"] = "0" * 64
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    with pytest.raises(BenchError, match="is mixed in"):
        restored(folder, finished.dataset, tmp_path / "restored")
    assert not (tmp_path / "restored").exists()
