"""A third party's run as a row beside the suite's own."""

from pathlib import Path

import pytest
from finished_cells import Finished

from bench.errors import BenchError
from bench.leaderboard.assemble import make_board
from bench.leaderboard.cells import read_cells
from bench.leaderboard.formats import as_markdown
from bench.leaderboard.imported import keep_run, score_run
from bench.leaderboard.publish import publish, select
from bench.leaderboard.verify import read_published, verify, worst
from bench.results import read_result


def imported(finished: Finished, out: Path, name: str) -> Path:
    path = next(finished.cell("bm25").folder.glob("tasks/search*/run.trec.gz"))
    collection = finished.dataset.collection
    return keep_run(score_run(path, collection, name), path, collection, out)


def test_an_imported_run_is_a_row_that_says_so(finished: Finished, tmp_path: Path) -> None:
    imported(finished, tmp_path / "other", "anserini")
    cells = [read_cells([folder]) for folder in (finished.out, tmp_path / "other")]
    board = make_board(finished.suite, select(finished.suite, cells).cells)
    search, exclusivity, _ = board.collections[0].blocks
    row = next(row for row in search.rows if row.system == "anserini")
    assert row.imported
    ours = read_result(finished.cell("bm25")).tasks[0].figures
    assert {name: figure.value for name, figure in row.figures.items()} == pytest.approx(
        {name: figure.value for name, figure in ours.items()}
    )
    assert not any(row.cost.values())
    assert row.problem == ""
    assert "anserini" not in {row.system for row in exclusivity.rows}
    same = next(pair for pair in search.pairs if {pair.first, pair.second} == {"anserini", "bm25"})
    assert same.p == 1
    shown = as_markdown(board)
    assert "imported: a third party's run" in shown
    assert "| imported |" in shown


def test_an_imported_row_is_published_and_verified(finished: Finished, tmp_path: Path) -> None:
    imported(finished, tmp_path / "other", "anserini <2>")
    suite = finished.suite.model_copy(
        update={"systems": finished.suite.systems[:2], "tasks": finished.suite.tasks[:1]}
    )
    cells = [read_cells([folder]) for folder in (finished.out, tmp_path / "other")]
    publish(suite, select(suite, cells), tmp_path / "results")
    published = read_published(tmp_path / "results" / "tiny")
    checks = list(verify(published, {published.collections()[0]: finished.dataset}))
    assert worst(checks) == "OK"
    assert any(check.what.endswith("anserini <2>: MAP") for check in checks)


def test_an_import_cannot_take_the_name_of_a_system(finished: Finished, tmp_path: Path) -> None:
    imported(finished, tmp_path, "bm25")
    with pytest.raises(BenchError, match="import it again under another --name"):
        select(finished.suite, [read_cells([tmp_path])])
