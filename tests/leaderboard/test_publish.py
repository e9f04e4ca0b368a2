"""Publishing from cells alone: what is shown, what is refused, what is never written."""

import csv
import io
import json
import os
import re
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from copied_cells import board_of, copied, selected
from finished_cells import HOSTILE, SPECIAL, Finished

from bench.cells.folder import read_all
from bench.errors import BenchError, DiskFull
from bench.leaderboard.board import Board
from bench.leaderboard.build import build_board
from bench.leaderboard.paths import published_id
from bench.leaderboard.publish import publish
from bench.leaderboard.published import read_published
from bench.leaderboard.selection import request_of, select
from bench.suite import SystemEntry


@pytest.fixture(scope="module")
def board(finished: Finished) -> Board:
    return board_of(selected(finished))


@pytest.fixture(scope="module")
def results(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    publish(finished.suite, selected(finished), folder)
    return folder


def test_every_system_has_a_row_and_a_failed_one_its_reason(board: Board) -> None:
    for block in board.collections[0].blocks:
        assert {row.system for row in block.rows} == {"tf-idf", "bm25", HOSTILE, SPECIAL, "raises"}
        failed = [row for row in block.rows if not row.done]
        assert [row.system for row in failed] == ["raises"]
        assert "the soufflé collapsed" in failed[0].problem
        assert block.rows[-1] is failed[0]


def test_a_figure_is_the_mean_over_seeds_with_its_spread(board: Board, finished: Finished) -> None:
    search = board.collections[0].blocks[0]
    row = next(row for row in search.rows if row.system == SPECIAL)
    each = [finished.task(SPECIAL, "search", seed).values["nDCG@10"].mean() for seed in (0, 1)]
    assert each[0] != each[1]
    figure = row.figures["nDCG@10"]
    assert figure.value == pytest.approx(np.mean(each))
    assert figure.spread == pytest.approx(np.std(each, ddof=1))
    assert figure.low <= figure.value <= figure.high
    assert sum(row.distribution) == pytest.approx(1)


def test_rows_are_grouped_by_what_the_tests_can_tell(board: Board) -> None:
    search = board.collections[0].blocks[0]
    names = [row.system for row in search.rows if row.done]
    assert names[-1] == SPECIAL
    last = search.rows[3]
    assert (last.best_rank, last.worst_rank) == (4, 4)
    assert len(search.pairs) == 6
    assert all(0 < pair.p <= pair.corrected <= 1 for pair in search.pairs)
    assert search.rows[0].among_best
    assert not last.among_best


def test_publishing_twice_gives_identical_bytes(finished: Finished, results: Path, tmp_path: Path) -> None:
    publish(finished.suite, selected(finished), tmp_path)
    first = {path.relative_to(results): path.read_bytes() for path in results.rglob("*") if path.is_file()}
    again = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert first == again
    assert {str(path) for path in first if len(path.parts) < 3} == {
        "README.md", "index.html", "tiny/README.md", "tiny/index.html", "tiny/table.tex", "tiny/table.csv",
        "tiny/pairs.csv", "tiny/leaderboard.json", "tiny/overview.svg", "tiny/made_with.json", "tiny/systems.json",
    }  # fmt: skip
    assert len([path for path in first if path.parts[1:2] == ("manifests",)]) == len(finished.cells)
    assert len([path for path in first if path.parts[1:2] == ("runs",)]) == sum(
        len(cell.tasks) for cell in finished.records()
    )


def test_no_path_of_the_machine_is_published(results: Path, finished: Finished) -> None:
    for path in results.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            text = data.decode(errors="replace") if path.suffix == ".parquet" else data.decode()
            for place in (str(finished.out), str(Path.home()), os.path.dirname(str(finished.out)), str(Path.cwd())):  # noqa: PTH120
                assert place not in text, path
            assert place.replace("/", "-") not in path.name


def test_names_are_escaped_in_markdown_and_latex(results: Path) -> None:
    shown = (results / "tiny" / "README.md").read_text()
    assert "<script" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert r"50% & $x_1$ | {y}" not in shown
    assert r"50% &amp; \$x\_1\$ &#124; {y}" in shown
    assert r"\*hostile\*" in shown
    tables = [line for line in shown.splitlines() if line.startswith("|")]
    widths = {line.count("|") for line in tables}
    assert len(widths) == 3  # one for each task, whatever the names hold
    assert re.search(r"\| 2 \(±\.\d{3}\) \|", shown)
    latex = (results / "tiny" / "table.tex").read_text()
    assert r"50\% \& \$x\_1\$ \textbar{} \{y\}" in latex
    assert r"\textless{}script\textgreater{}" in latex
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 3


def test_the_csv_holds_every_figure_in_full(results: Path, board: Board) -> None:
    lines = list(csv.DictReader(io.StringIO((results / "tiny" / "table.csv").read_text())))
    figures = {(line["task"], line["system"], line["measure"]): line for line in lines}
    for block in board.collections[0].blocks:
        for row in block.rows:
            for measure, figure in row.figures.items():
                line = figures[block.task, row.system, measure]
                assert (float(line["value"]), int(line["n"])) == (figure.value, figure.n)
    assert {line["problem"] for line in lines if line["system"] == "raises"} != {""}


def test_a_proof_lies_beside_every_figure(results: Path) -> None:
    data = json.loads((results / "tiny" / "leaderboard.json").read_text())
    for block in data["collections"][0]["blocks"]:
        for row in block["rows"]:
            for name in row["cells"]:
                manifest = json.loads((results / "tiny" / "manifests" / f"{name}.json").read_text())
                assert manifest["cell"]["system"] == row["system"]
                tasks = [task for task in manifest["tasks"] if task["task"] == block["task"]]
                assert len(tasks) == bool(row["figures"])
                assert all((results / "tiny" / "runs" / task["answers"]).is_file() for task in tasks)


def test_a_missing_cell_is_a_row(finished: Finished) -> None:
    suite = finished.suite.model_copy(update={"systems": [*finished.suite.systems, SystemEntry(retriever="sif")]})
    found = board_of(select(suite, [read_all([finished.out])]))
    assert [row.problem for row in found.collections[0].blocks[0].rows if row.system == "sif"] == ["not run"]
    suite = finished.suite.model_copy(update={"seeds": [0, 1, 2]})
    found = board_of(select(suite, [read_all([finished.out])]))
    rows = {row.system: row for row in found.collections[0].blocks[0].rows}
    assert rows["tf-idf"].problem == "seed 2: not run"
    assert rows["tf-idf"].seeds == [0, 1]
    assert rows["bm25"].problem == "", "one cell of a deterministic system stands for all seeds"


def test_what_no_row_shows_is_not_published(finished: Finished, tmp_path: Path) -> None:
    """Of a deterministic system one cell stands for those of other seeds."""
    again = finished.record("bm25")
    other = replace(again, identity=again.identity.model_copy(update={"seed": 1, "key": "f" * 64}))
    chosen = select(finished.suite, [[*finished.records(), other]])
    assert sum(cell.identity.system == "bm25" for cell in chosen.cells) == 2
    published = publish(finished.suite, chosen, tmp_path / "results")
    names = {path.stem for path in (tmp_path / "results" / "tiny" / "manifests").iterdir()}
    assert names == published.cells
    assert sum(name.startswith("bm25.") for name in names) == 1


def read_board(results: Path) -> Board:
    return Board.from_data(json.loads((results / "results" / "tiny" / "leaderboard.json").read_text()))


def test_collections_may_have_different_numbers_of_seeds(finished: Finished, tmp_path: Path) -> None:
    def elsewhere(data: dict[str, Any]) -> None:
        if "cell" in data:
            data["cell"] |= {"collection": "elsewhere", "fingerprint": "e" * 64}

    name = finished.suite.datasets[0]
    other = copied(finished, tmp_path / "other", ("bm25", "tf-idf", SPECIAL), elsewhere)
    for folder in (other / "cells").glob("*.seed1.*"):
        if folder.name.startswith(("bm25", "tf-idf")):
            shutil.rmtree(folder)
    chosen = selected(finished, finished.out, other, collections=[name, "elsewhere"])
    publish(finished.suite, chosen, tmp_path / "results")
    shown = (tmp_path / "results" / "tiny" / "README.md").read_text()
    here, there = (part.split("### ")[1] for part in shown.split("\n## ")[1:])
    assert "| 2 (±.000) |" in here
    assert "seed 1" not in here
    seeds = [row.seeds for row in read_board(tmp_path).collections[1].blocks[0].rows if row.done]
    assert sorted(seeds) == [[0], [0], [0, 1]]
    assert "| 1 |" in there
    assert "| 2 (±" in there
    assert "- tf-idf: seed 1: not run" in there


def test_two_machines_merge_and_their_costs_stay_apart(finished: Finished, tmp_path: Path) -> None:
    def elsewhere(data: dict[str, Any]) -> None:
        if "environment" in data:
            data["environment"]["machine"]["processor"] = "Abacus 3000"

    one = copied(finished, tmp_path / "one", ("bm25", "raises"), lambda data: None)
    two = copied(finished, tmp_path / "two", ("tf-idf", HOSTILE, SPECIAL, "bm25"), elsewhere)
    board = board_of(selected(finished, one, two))
    collection = board.collections[0]
    assert len(collection.hardware) == 2
    hardware = {row.system: row.hardware for row in collection.blocks[0].rows if row.done}
    assert "Abacus" not in hardware["bm25"]
    assert all("Abacus 3000" in hardware[name] for name in ("tf-idf", HOSTILE, SPECIAL))
    publish(finished.suite, selected(finished, one, two), tmp_path / "results")
    shown = (tmp_path / "results" / "tiny" / "README.md").read_text()
    assert "hardware 1: " in shown
    assert "hardware 2: " in shown


def test_two_fingerprints_are_refused_and_what_differs_is_named(finished: Finished, tmp_path: Path) -> None:
    def later(data: dict[str, Any]) -> None:
        if "cell" in data:
            data["cell"]["fingerprint"] = "e" * 64
            data["cell"]["rules"]["gains"] = "binary"
        if "facts" in data:
            data["environment"]["versions"]["numpy"] = "9.9"

    other = copied(finished, tmp_path / "other", ("tf-idf",), later)
    with pytest.raises(BenchError) as refused:
        publish(finished.suite, selected(finished, finished.out, other), tmp_path / "results")
    message = str(refused.value)
    assert re.search(r"beir:docstrings\d+ has two fingerprints: \w{6} .* and eeeeee", message)
    assert "rule gains linear against binary" in message
    assert f"numpy {np.__version__} against 9.9" in message
    assert not (tmp_path / "results").exists()
    chosen = selected(finished, finished.out, other, fingerprints=["eeee"])
    assert {cell.fingerprint for cell in chosen.cells} == {"e" * 64}


def test_a_table_with_two_definitions_is_refused(finished: Finished, tmp_path: Path) -> None:
    def redefined(data: dict[str, Any]) -> None:
        if data.get("task") == "search":
            data["definition"] = "median over the queries"

    other = copied(finished, tmp_path, ("bm25",), redefined)
    with pytest.raises(BenchError, match=r"another definition \(.*median over the queries"):
        board_of(selected(finished, other, finished.out))


def test_a_folder_that_was_not_published_is_never_replaced(finished: Finished, tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "thesis.tex").write_text("years of work")
    with pytest.raises(BenchError, match="would be replaced; choose another --to"):
        publish(finished.suite, selected(finished), tmp_path)
    assert (tmp_path / "tiny" / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("name", ["README.md", "index.html"])
def test_nor_is_a_file_that_is_no_overview(finished: Finished, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("# My project")
    with pytest.raises(BenchError, match=f"{name} was not published and would be replaced"):
        publish(finished.suite, selected(finished), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_overview_names_the_best_of_every_suite(results: Path) -> None:
    shown = (results / "README.md").read_text()
    assert "[tiny](tiny/README.md)" in shown
    assert shown.count("| [tiny]") == 3
    assert "<script" not in shown


@pytest.mark.parametrize("name", ["..", ".", "...", "", " ", "../up", "a/b", "a\\b", ".hidden", "C:"])
def test_no_name_of_a_suite_becomes_a_path(finished: Finished, tmp_path: Path, name: str) -> None:
    keep = tmp_path / "papers" / "thesis.tex"
    keep.parent.mkdir()
    keep.write_text("years of work")
    (tmp_path / "leaderboard.json").write_text("{}")
    results = tmp_path / "results"
    with pytest.raises(BenchError, match=r"names no folder; call its file NAME\.toml"):
        publish(finished.suite.model_copy(update={"name": name}), selected(finished), results)
    assert keep.read_text() == "years of work"
    assert not results.exists()


@pytest.mark.parametrize("place", ["thesis.tex", "runs/notes.txt", "figures/plot.parquet", "runs/old/a.parquet"])
def test_nothing_is_removed_that_was_not_published(
    finished: Finished, results: Path, tmp_path: Path, place: str
) -> None:
    shutil.copytree(results / "tiny", tmp_path / "tiny")
    mine = tmp_path / "tiny" / place
    mine.parent.mkdir(exist_ok=True, parents=True)
    mine.write_text("years of work")
    with pytest.raises(BenchError, match="was not published and would be removed"):
        publish(finished.suite, selected(finished), tmp_path)
    assert mine.read_text() == "years of work"


def test_a_link_is_never_replaced(finished: Finished, results: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "tiny").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BenchError, match="no folder of its own"):
        publish(finished.suite, selected(finished), tmp_path)


def test_an_option_that_is_no_path_is_published_as_it_is(finished: Finished, tmp_path: Path) -> None:
    pattern = r"(?u)\b\w+\b"
    vectors = str(tmp_path / "vectors.txt")

    def changed(data: dict[str, Any]) -> None:
        if "cell" in data:
            data["cell"]["options"] |= {"token_pattern": pattern, "vectors": vectors}
            data["cell"]["weights"] = {vectors: "d1", "owner/model": "d2"}

    folder = copied(finished, tmp_path / "runs", ("random-order", SPECIAL), changed)
    suite = finished.suite.model_copy(update={"systems": finished.suite.systems[3:4]})
    publish(suite, select(suite, [read_all([folder])]), tmp_path / "results")
    for cell in read_published(tmp_path / "results" / "tiny").cells.values():
        assert cell.cell.options["token_pattern"] == pattern
        assert cell.cell.options["vectors"] == "vectors.txt"
        assert cell.cell.weights == {"vectors.txt": "d1", "owner/model": "d2"}


def test_names_of_published_files_are_short_and_no_paths(finished: Finished) -> None:
    for cell in selected(finished).cells:
        name = published_id(cell)
        assert name.count(".") == 3
        assert "/" not in name
        assert len(name.encode()) < 150


def test_the_table_of_a_run_has_the_numbers_of_its_publication(finished: Finished, board: Board) -> None:
    shown = build_board(request_of(finished.suite), finished.records())
    for one, other in zip(shown.collections[0].blocks, board.collections[0].blocks, strict=True):
        assert [replace(row, cells=()) for row in one.rows] == [replace(row, cells=()) for row in other.rows]
        assert one.pairs == other.pairs
        assert (one.test, one.definition, one.columns) == (other.test, other.definition, other.columns)


def test_what_a_suite_says_of_the_outcome_opens_its_pages(finished: Finished, tmp_path: Path) -> None:
    said = ["No order of these rows is a finding.", "Nor is any of their differences."]
    written = "\n" + said[0] + "\n \n" + said[1].replace(" any", "\n  any")
    suite = finished.suite.model_copy(update={"findings": written})
    publish(suite, select(suite, [read_all([finished.out])]), tmp_path)
    for name, between in (("README.md", "\n\n"), ("index.html", "</p>\n<p>")):
        assert between.join(said) in (tmp_path / "tiny" / name).read_text().split("nDCG@10")[0]
    board = Board.from_data(json.loads((tmp_path / "tiny" / "leaderboard.json").read_text()))
    assert board.findings == "\n\n".join(said)


def test_where_there_is_no_room_the_published_board_stays_as_it_was(
    finished: Finished, tmp_path: Path, little_room: Callable[[int], AbstractContextManager[None]]
) -> None:
    publish(finished.suite, selected(finished), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    target = tmp_path / finished.suite.name
    with little_room(2_000), pytest.raises(DiskFull, match=f"^{target} cannot be written: the disk is full"):
        publish(finished.suite, selected(finished), tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
