"""Cells read back from their folders."""

import shutil
from pathlib import Path

import pytest
from finished_cells import Finished
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.leaderboard.cells import published_id, read_cells, without_paths


def test_every_cell_comes_back_with_its_figures_or_its_reason(finished: Finished) -> None:
    cells = read_cells([finished.out])
    assert len(cells) == len(finished.cells) == 10
    failed = [cell for cell in cells if cell.problem]
    assert {(cell.system, cell.seed) for cell in failed} == {("raises", 0), ("raises", 1)}
    assert "the soufflé collapsed" in failed[0].problem
    done = next(cell for cell in cells if cell.system == "bm25")
    assert [task.task for task in done.tasks] == ["completeness", "exclusivity", "search"]
    search = done.tasks[2]
    figure = search.figures["nDCG@10"]
    assert figure.value == pytest.approx(search.per_query["nDCG@10"].mean(), abs=1e-12)
    assert len(search.query_ids) == search.queries


def test_no_published_name_holds_a_path(finished: Finished, beir_folder: Path) -> None:
    for cell in read_cells([finished.out / "cells"]):
        assert cell.collection == f"beir:{beir_folder.name}"
        assert published_id(cell).count(".") == 3
        assert "/" not in published_id(cell)
        assert "tmp" not in published_id(cell).split(".")[1]


def test_a_folder_without_cells_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="holds no cell"):
        read_cells([tmp_path])


def test_a_damaged_cell_is_named(finished: Finished, tmp_path: Path) -> None:
    shutil.copytree(finished.cell("bm25").folder, tmp_path / "cell")
    (tmp_path / "cell" / "manifest.json").write_text("{")
    with pytest.raises(BenchError, match=r"cell/manifest\.json cannot be read"):
        read_cells([tmp_path])
    (tmp_path / "cell" / "manifest.json").write_text("{}")
    with pytest.raises(BenchError, match="lacks 'cell'; run it again"):
        read_cells([tmp_path])


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("beir:/home/ada/data/scifact?split=dev", "beir:scifact?split=dev"),
        ("python -m bench run --out /tmp/x/runs --jobs 2", "python -m bench run --out runs --jobs 2"),
        ("/home/Ada Lovelace/vectors.txt", "vectors.txt"),
        ("see 'C:\\Users\\ada\\log.txt'", "see 'log.txt'"),
        ("~/models/minilm", "minilm"),
        ("sentence-transformers/all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"),
        ("https://example.org/a/b", "https://example.org/a/b"),
        ("16/32/64 words, 3 q/s", "16/32/64 words, 3 q/s"),
        ("--plugin=/a/b/c.py", "--plugin=c.py"),
    ],
)
def test_a_path_is_cut_to_its_last_part_and_nothing_else_is(given_: str, expected: str) -> None:
    assert without_paths({given_: [given_, 1, None]}) == {expected: [expected, 1, None]}


@given(st.lists(st.sampled_from(["/", "a", " ", "b.c", ":", "~", "=", "'"]), max_size=12).map("".join))
def test_what_has_no_path_left_does_not_change_again(text: str) -> None:
    once = without_paths(text)
    assert without_paths(once) == once or "/" in once
