"""The leaderboard on the screen: it fits, cuts no name and no figure, and says what it left out."""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from boards import board, changed
from screens import as_written, shown

from bench.leaderboard.board import Block, Board, RowFigure
from bench.leaderboard.columns import notes
from bench.leaderboard.text import fraction
from bench.terminal import BoardView

SYSTEMS = ["bm25", "se_dsi key-words", "a system with quite a long name, which takes two lines", "colbert"]
WIDTHS = (80, 100, 140)
HOSTILE = "x [/b] [red]y\x1b[31m\x1b]0;title\x07"


@pytest.fixture(scope="module")
def made() -> Board:
    return board(SYSTEMS, ["pydoc-1k"], probes=True)


def lines(made: Board, width: int) -> list[str]:
    return shown(BoardView(made), width).splitlines()


def left_out(made: Board, width: int) -> list[str]:
    """What the first table says that it left out."""
    told = re.search(r"left out: (.*?);", " ".join(lines(made, width)))
    return re.sub(r" +", " ", told[1]).split(", ") if told else []


def search(made: Board) -> Block:
    return made.collections[0].blocks[0]


@pytest.mark.parametrize("width", [40, *WIDTHS, 200])
def test_no_line_is_wider_than_the_terminal(made: Board, width: int) -> None:
    assert max(map(len, lines(made, width))) <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_names_and_figures_are_never_cut(made: Board, width: int) -> None:
    told = lines(made, width)
    assert "…" not in "\n".join(told)
    table = told[1 : told.index("")]
    for row in search(made).rows:
        [line] = [line for line in table if f" {fraction(row.figures['nDCG@10'].value)} ±" in line]
        assert row.system.startswith(line[:36].rstrip())
    names = " ".join(line[:36].rstrip() for line in table)
    assert all(name in names for name in SYSTEMS)


@pytest.mark.parametrize("width", WIDTHS)
def test_what_is_shown_and_what_is_left_out_is_every_column(made: Board, width: int) -> None:
    widest = lines(made, 300)
    assert left_out(made, 300) == []
    header = " ".join(lines(made, width)[1:3])
    for word in {"fit", "q/s", "disk", "memory", "short", "MRR", "rank"}:
        assert (word in header) != any(word in name for name in left_out(made, width))
        assert word in " ".join(widest[1:3])


def test_costs_leave_first_then_counts_then_facts_then_lesser_measures_then_the_rank(made: Board) -> None:
    order = ["rank", "MRR@10", "Hits@1", "Recall@100", "trained", "no answer", "short", "tied @10", "fit s"]
    order += ["p50 ms", "p99 ms", "q/s", "memory MB", "disk MB"]
    gone = [left_out(made, width) for width in range(150, 50, -1)]
    assert all(set(narrower) >= set(wider) for wider, narrower in pairwise(gone))
    for names in gone:
        assert set(names) == set(order[len(order) - len(names) :])
    assert set(left_out(made, 50)) >= set(order[1:])


def test_the_width_that_shows_all_is_the_one_that_is_told(made: Board) -> None:
    told = re.search(r"a terminal of (\d+) columns shows all, --json FILE writes", " ".join(lines(made, 80)))
    assert told
    needed = int(told[1])
    assert left_out(made, needed) == []
    assert left_out(made, needed - 1) == ["disk MB"]


def test_the_notes_are_the_published_ones(made: Board) -> None:
    told = " ".join(shown(BoardView(made), 140).split())
    for block in made.collections[0].blocks:
        for note in notes(block, made.collections[0].hardware):
            assert " ".join(note.split()) in told


def test_a_figure_without_an_interval_has_a_dash() -> None:
    alone = changed(board(["bm25"], ["pydoc-1k"]), figures={"nDCG@10": RowFigure(0.8597, None, None, 1)})
    assert ".860 –" in "\n".join(lines(alone, 140))


def test_a_failed_system_is_a_row_with_its_reason_and_its_log(made: Board, tmp_path: Path) -> None:
    cell = search(made).rows[3].cells[0]
    (tmp_path / cell).mkdir()
    (tmp_path / cell / "log.txt").write_text("Traceback", encoding="utf-8")
    failed = changed(made, ["colbert"], figures={}, problem="the soufflé collapsed", best_rank=None)
    told = shown(BoardView(failed, tmp_path), 400)
    assert len(re.findall(r"^colbert +failed *$", told, re.M)) == 4
    assert told.count(f"colbert: failed: the soufflé collapsed; log: {tmp_path / cell / 'log.txt'}") == 1


def test_a_system_that_failed_in_one_task_says_in_which(made: Board) -> None:
    blocks = list(made.collections[0].blocks)
    blocks[1] = replace(
        blocks[1],
        rows=[replace(r, figures={}, problem="not run") if r.system == "bm25" else r for r in blocks[1].rows],
    )
    told = shown(BoardView(replace(made, collections=[replace(made.collections[0], blocks=blocks)])))
    assert "bm25 (exclusivity): not run" in told
    assert re.search(r"^bm25 .*not run *$", told, re.M)


def test_names_and_reasons_are_shown_and_never_obeyed() -> None:
    made = changed(board([HOSTILE, "bm25"], ["c [bold]\x1b[2J"]), ["bm25"], figures={}, problem="bad\r\x1b[A [/red]")
    told = as_written(BoardView(made))
    plain = re.sub(r"\x1b\[[\d;]*m", "", told)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", plain)
    assert "x [/b] [red]y␛[31m␛]0;title␇" in re.sub(r"\n", "", plain)
    assert "c [bold]␛[2J" in plain
    assert "bm25: failed: bad␍␛[A [/red]" in plain
    assert "\x1b[31m\x1b]" not in told


def test_a_board_without_figures_is_one_of_reasons(made: Board) -> None:
    (collection,) = changed(made, figures={}, best_rank=None, problem="not run").collections
    blocks = [replace(block, measures=[], columns=[]) for block in collection.blocks]
    told = shown(BoardView(replace(made, collections=[replace(collection, blocks=blocks)])))
    assert all(f"{name}: not run" in told for name in SYSTEMS)
    assert len(re.findall(r"^bm25 +not run *$", told, re.M)) == len(blocks)
