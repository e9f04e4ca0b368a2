"""A failure is data: of a kind, with its reason in a line and the end of the cell's log."""

from pathlib import Path

import pytest
from conftest import MakeCells, run, suite_of

from bench.cells.record import Failure, Problem
from bench.errors import BenchError, Busy, DiskFull, InvalidOutput, MissingExtra
from bench.leaderboard.build import build_board
from bench.leaderboard.figures import figures
from bench.leaderboard.selection import request_of
from bench.runner.problems import problem_of


@pytest.mark.parametrize(
    ("system", "kind", "reason"),
    [
        ("raises", "error", "ValueError: the soufflé collapsed"),
        ("lacks-package", "missing dependency", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("has-no-memory", "out of memory", "Unable to allocate"),
        ("is-killed", "out of memory", "killed by the system"),
        ("crashes", "crashed", "ended with SIGSEGV before the work was done"),
        ("exits-at-once", "crashed", "ended with exit status 0"),
        ("exits-politely", "crashed", "sys.exit(0)"),
        ("is-asked", "interrupted", "ended by SIGTERM from outside; the same command goes on"),
        ("gives-nan", "invalid output", "not a finite number"),
        ("loads-wrongly", "invalid output", "answers otherwise"),
        ("draws-anew", "invalid output", "has another answer when it is asked again"),
        ("peeks-at-test", "bad input", "has no split 'test'"),
        ("no-retrieve", "error", "cannot be constructed"),
    ],
)
def test_each_failure_is_of_a_kind(make_cells: MakeCells, system: str, kind: str, reason: str) -> None:
    (record,), _ = run(make_cells(system))
    assert record.failure is not None
    assert (record.failure.kind, reason in record.failure.reason) == (kind, True)


def test_the_end_of_the_log_is_kept_and_that_of_an_earlier_run_is_not(make_cells: MakeCells) -> None:
    cells = make_cells("crashes")
    cells[0].folder.mkdir(parents=True)
    (cells[0].folder / "log.txt").write_text("of an earlier run\n")
    (record,), _ = run(cells)
    assert isinstance(record.failure, Failure)
    assert "about to fall" in record.failure.log
    assert "Segmentation fault" in record.failure.log
    assert "of an earlier run" not in record.failure.log
    assert len(record.failure.log) <= 4000


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MissingExtra("charts", "charts"), "missing dependency"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "out of memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), "out of memory"),
        (InvalidOutput("no answer"), "invalid output"),
        (Busy("another run is writing x"), "error"),
        (DiskFull("x"), "error"),
        (BenchError("line 3 is no table"), "bad input"),
        (KeyError("x"), "error"),
    ],
)
def test_an_error_says_of_which_kind_it_is(error: Exception, kind: str) -> None:
    assert problem_of(error).kind == kind


def test_the_kind_is_told_where_the_reason_does_not_say_it() -> None:
    assert str(Problem("bad input", "there is no folder x")) == "bad input: there is no folder x"
    assert str(Problem("time limit", "time limit of 5 s exceeded")) == "time limit of 5 s exceeded"
    assert str(Problem("error", "KeyError: 'x'")) == "KeyError: 'x'"


def test_rows_and_figures_tell_the_kind(make_cells: MakeCells, beir_folder: Path) -> None:
    records, _ = run(make_cells("gives-nan", "tf-idf"))
    request = request_of(suite_of(beir_folder, "gives-nan", "tf-idf"))
    row = build_board(request, records).collections[0].blocks[0].rows[-1]
    assert row.problem.startswith("invalid output: ")
    kinds = {(one["system"], one["failure"]) for one in figures(request, records) if one["task"] == "search"}
    assert kinds == {("gives-nan", "invalid output"), ("tf-idf", None)}


def test_a_cell_whose_index_has_no_room_says_so_and_leaves_nothing_half_written(make_cells: MakeCells) -> None:
    cells = make_cells("fills-the-disk", "tf-idf")
    (record, sound), _ = run(cells)
    assert record.problem.startswith(f"{cells[0].folder / 'index'} cannot be written: the disk is full")
    assert sound.done
    assert {path.name for path in cells[0].folder.iterdir()} == {"failure.json", "log.txt"}
