"""MTEB's result files as rows that are marked, and neither ranked nor tested."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from finished_cells import Finished
from typer.testing import CliRunner

from bench.cells.folder import read_all
from bench.cli import app
from bench.errors import BenchError
from bench.leaderboard.build import build_board
from bench.leaderboard.publish import publish
from bench.leaderboard.published import read_published
from bench.leaderboard.reported import is_mteb_result, keep_reported, read_mteb, read_reported
from bench.leaderboard.selection import Selection, select
from bench.leaderboard.writers.csv import as_csv
from bench.leaderboard.writers.latex import as_latex
from bench.leaderboard.writers.markdown import as_markdown
from bench.leaderboard.writers.page import as_page
from bench.verification.check import worst
from bench.verification.verify import verify

SCORES = {
    "hf_subset": "default",
    "languages": ["eng-Latn"],
    "main_score": 0.987,
    "ndcg_at_10": 0.987,
    "mrr_at_10": 0.9,
    "hit_rate_at_1": 0.8,
    "nauc_ndcg_at_10_max": -0.2,
    "map_at_1000": 0.7,
}


def written(folder: Path, name: str = "acme/dense", **changes: Any) -> Path:
    """A result file as MTEB lays it out, with what it says of the model beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    data = {"task_name": "Mine", "mteb_version": "2.1.0", "dataset_revision": "abc", "scores": {"test": [SCORES]}}
    (folder / "Mine.json").write_text(json.dumps(data | changes))
    (folder / "model_meta.json").write_text(json.dumps({"name": name, "revision": "r1"}))
    return folder / "Mine.json"


def with_reported(finished: Finished, folder: Path) -> Selection:
    keep_reported(read_mteb(written(folder / "model"), finished.dataset.collection), folder / "out")
    return select(finished.suite, [read_all([finished.out])], reported=read_reported([folder / "out"]))


def test_figures_take_the_names_that_they_have_here(finished: Finished, tmp_path: Path) -> None:
    path = written(tmp_path)
    assert is_mteb_result(path)
    found = read_mteb(path, finished.dataset.collection)
    assert found.system == "acme/dense"
    assert found.figures == {"nDCG@10": 0.987, "MRR@10": 0.9, "Hits@1": 0.8, "MAP@1000": 0.7}
    assert found.source == "Mine in MTEB 2.1.0, revision r1"
    assert read_mteb(path, finished.dataset.collection, "ours").system == "ours"


def test_a_run_is_no_result_file(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"q1": {"d1": 1.0}}')
    (tmp_path / "list.json").write_text("[1]")
    assert not any(map(is_mteb_result, tmp_path.iterdir()))


def test_it_stands_below_the_table_without_rank_and_test(finished: Finished, tmp_path: Path) -> None:
    selection = with_reported(finished, tmp_path)
    board = build_board(selection.request, selection.cells, selection.collections, selection.reported)
    search, exclusivity, _ = board.collections[0].blocks
    alone = build_board(selection.request, selection.cells, selection.collections)
    assert search.rows == alone.collections[0].blocks[0].rows
    assert search.pairs == alone.collections[0].blocks[0].pairs
    assert [one.system for one in search.reported] == ["acme/dense"]
    assert exclusivity.reported == ()
    text = as_markdown(board)
    line = next(line for line in text.splitlines() if line.startswith("| acme/dense ‡"))
    assert line.split(" | ")[1:3] == ["–", "imported"]
    assert ".987" in line
    assert "‡ imported, not run here, so without rank, interval and cost: acme/dense: Mine in MTEB" in text
    for form in (as_page(board), as_latex(board)):
        assert "acme/dense ‡" in form
    assert ",acme/dense,reported,reported,,,True,,,nDCG@10,0.987," in as_csv(board)


def test_it_is_published_and_verified(finished: Finished, tmp_path: Path) -> None:
    publish(finished.suite, with_reported(finished, tmp_path), tmp_path / "results")
    published = read_published(tmp_path / "results" / "tiny")
    datasets = {published.collections()[0]: finished.dataset}
    checks = list(verify(published, datasets))
    assert worst(checks) == "OK", [check for check in checks if check.verdict != "OK"]
    (kept,) = (published.folder / "reported").iterdir()
    kept.unlink()
    assert any("reported" in check.what for check in verify(published, datasets) if check.verdict == "FAIL")


def test_figures_of_another_collection_are_passed_over(finished: Finished, tmp_path: Path) -> None:
    elsewhere = read_mteb(written(tmp_path), finished.dataset.collection).model_copy(update={"fingerprint": "e" * 64})
    chosen = select(finished.suite, [read_all([finished.out])], reported=[elsewhere])
    assert not chosen.reported
    assert chosen.passed_over["imported for other collections, or by other rules"] == 1


def test_the_name_of_a_row_is_refused(finished: Finished, tmp_path: Path) -> None:
    taken = read_mteb(written(tmp_path), finished.dataset.collection, "bm25")
    with pytest.raises(BenchError, match="'bm25' is imported, and the name of a row; .* another --name"):
        select(finished.suite, [read_all([finished.out])], reported=[taken])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scores": {"dev": [SCORES]}}, r"no figures of the split 'test' \(dev\); choose one with \?split=NAME"),
        ({"scores": []}, r"no figures of the split 'test' \(none\)"),
        ({"scores": {"test": [SCORES | {"hf_subset": one} for one in "ab"]}}, r"several subsets \(a, b\)"),
        ({"scores": {"test": [{"main_score": 0.5}]}}, "no figure such as ndcg_at_10; expected a result file of MTEB"),
        ({"scores": {"test": [{"ndcg_at_10": 98.7}]}}, "ndcg_at_10 is 98.7; expected a number between 0 and 1"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(
    finished: Finished, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(BenchError, match=said):
        read_mteb(written(tmp_path, **changes), finished.dataset.collection)


def test_another_task_than_the_card_names_is_refused(finished: Finished, tmp_path: Path) -> None:
    scifact = replace(finished.dataset.collection, name="scifact")
    with pytest.raises(BenchError, match="is of MTEB's task Mine, and scifact is SciFact there"):
        read_mteb(written(tmp_path), scifact)


def test_the_command_shows_and_keeps_it(finished: Finished, tmp_path: Path) -> None:
    path = written(tmp_path / "model")
    given = ["score", str(path), "--dataset", finished.suite.datasets[0], "--keep", str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*given, "--json", str(tmp_path / "figures.json")])
    assert done.exit_code == 0, done.output
    assert "imported, not run here" in done.output
    assert "acme/dense" in done.output
    assert [one.system for one in read_reported([tmp_path / "out"])] == ["acme/dense"]
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert {"imported, not run"} == {figure["status"] for figure in figures}
    twice = CliRunner().invoke(app, [*given[:2], str(written(tmp_path / "again")), *given[2:]])
    assert "and another result are of 'acme/dense'; score them one by one, each with a --name" in str(twice.exception)
    without = CliRunner().invoke(app, ["score", str(path), "--qrels", "qrels.txt"])
    assert "name their collection with --dataset alone" in str(without.exception)
