"""Listings, hits, comparisons: texts of others stand there as they are, and outputs of any encoding take them."""

import io
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from screens import as_written, shown

from bench.collections.collection import Document, Query
from bench.hits import Evidence, Hit, Hits
from bench.leaderboard.compare import Comparisons, MeasureComparison, Moved
from bench.measures.significance import compare_all
from bench.terminal import ProgressDisplay, console, docids_table, hits_table, plan_table, print_names
from bench.terminal.comparison import comparison_view
from bench.terminal.console import Console, add, table
from bench.visible import plural, visible

TESTS = Path(__file__).parents[1]
HOSTILE = "[D] {title} [/b]\x1b[2J\x1b]8;;http://x\x07\u202e\x9b0m"
SEEN = "[D] {title} [/b]␛[2J␛]8;;http://x␇\\u202e\\x9b0m"


@dataclass
class Planned:
    """A cell of a plan, as far as the screen asks for it."""

    system: str = HOSTILE
    collection: str = "c"
    seed: int = 1
    tasks: Sequence[Any] = (SimpleNamespace(name="search"),)
    problem: str = ""
    done: bool = False
    identity: Any = field(default_factory=lambda: SimpleNamespace(key="k" * 20))


def test_only_what_is_obeyed_rather_than_seen_is_replaced() -> None:
    assert visible("naïve 数 𝔘 ‍क्षि – ★") == "naïve 数 𝔘 ‍क्षि – ★"
    assert visible("a\tb\nc\r\x00\x7f\x85\u2028\ud800") == "a b␊c␍␀␡\\x85\\u2028\\ud800"
    assert visible("a\nb", keep="\n") == "a\nb"


@pytest.mark.parametrize(
    ("number", "noun", "words"),
    [(1, "cell", "1 cell"), (0, "cell", "0 cells"), (1200, "query", "1,200 queries"), (1, "query", "1 query")],
)
def test_a_number_takes_the_right_plural(number: int, noun: str, words: str) -> None:
    assert plural(number, noun) == words


def test_a_plan_of_one_cell_says_so_and_shows_names_as_they_are() -> None:
    told = shown(plan_table([Planned()]))
    assert told.splitlines()[0].rstrip() == "1 cell"
    assert SEEN in told
    assert "2 cells" in shown(plan_table([Planned(), Planned(problem="no [/x] weights")]))


def test_hits_show_documents_and_never_obey_them() -> None:
    hits = Hits("asked", [Hit(1, f"d{HOSTILE}", 0.5, HOSTILE * 30)])
    told = as_written(hits_table(hits, SimpleNamespace(name="c")), 1000)
    assert SEEN in told
    assert "\x1b[2J" not in told
    assert "\x1b]8" not in told
    assert told.rstrip().endswith("...")
    assert f"nothing in {SEEN} matches" in shown(hits_table(Hits("asked", []), SimpleNamespace(name=HOSTILE)))


def test_what_hits_were_found_by_is_shown_the_rest_as_a_sum() -> None:
    evidence = [Evidence(f"word{number}{HOSTILE}", 1.5, "twice") for number in range(14)]
    told = as_written(
        hits_table(Hits("asked", [Hit(1, "d", 21.0, "text", evidence)]), SimpleNamespace(name="c")), 1000
    )
    assert f"1.500  word11{SEEN}  (twice)" in told
    assert "word12" not in told
    assert "3.000  of 2 more" in told
    assert "\x1b[2J" not in told


def test_identifiers_show_what_two_documents_share() -> None:
    named = SimpleNamespace(document=Document("d", "", ""), docid=("7", HOSTILE), shared=1)
    told = shown(docids_table([named]))
    assert f"7 {SEEN}" in told
    assert "1 of 2" in told


def test_a_comparison_shows_both_sides_with_the_test() -> None:
    values = np.array([[1.0, 0.5, 1.0, 0.0], [0.0, 0.5, 0.5, 0.5]])
    one = MeasureComparison("nDCG@10", True, (0.625, 0.375), 4, 2, 1, 1, compare_all(values, seed=0)[0], 16)
    side = SimpleNamespace(name=HOSTILE, task_name="search", fingerprint="f" * 64)
    found = Comparisons((side, side), [one], [Moved(Query("q", HOSTILE), 1.0, 0.0)])  # type: ignore[arg-type]
    told = shown(comparison_view(found), 400)
    assert SEEN in told
    assert "4 queries" in told
    assert "+0.2500" in told
    assert "1.000 against 0.000  q" in told


@pytest.mark.parametrize("width", [86, 100, 140])
def test_a_comparison_of_long_names_keeps_measures_and_figures_whole(width: int) -> None:
    values = np.array([[1.0, 0.5, 1.0, 0.0], [0.0, 0.5, 0.5, 0.5]])
    one = MeasureComparison("Recall@100", True, (0.625, 0.375), 4, 2, 1, 1, compare_all(values, seed=0)[0], 16)
    sides = [
        SimpleNamespace(name=name * 9, task_name="search", fingerprint="f" * 64) for name in ("one-run.", "other.")
    ]
    told = shown(comparison_view(Comparisons(tuple(sides), [one], [])), width)  # type: ignore[arg-type]
    [line] = [line for line in told.splitlines() if line.startswith("Recall@100")]
    assert line.split()[1:4] == ["0.6250", "0.3750", "+0.2500"]
    assert "…" not in told
    assert max(map(len, told.splitlines())) <= width


def test_a_table_folds_long_texts_and_keeps_figures_whole() -> None:
    made = table(("name", "value"), right=("value",))
    add(made, "word " * 30, "0.1234")
    assert "0.1234" in shown(made, 40)
    assert shown(made, 40).count("word") == 30


def test_cells_at_work_end_with_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    screen = console()
    with ProgressDisplay(screen) as display:
        for cell, problem in ((Planned(), ""), (Planned("other"), "bad [/b]\x1b[2J")):
            display.started(cell)  # type: ignore[arg-type]
            display.progressed(cell, "encoding [x]", 1, 3)  # type: ignore[arg-type]
            display.finished(cell, 1.25, problem)  # type: ignore[arg-type]
    told = capsys.readouterr().out
    assert f"{SEEN} on c, seed 1 done 1.2 s" in told
    assert "other on c, seed 1 failed: bad [/b]␛[2J 1.2 s" in told


def test_a_string_that_is_printed_is_a_text(capsys: pytest.CaptureFixture[str]) -> None:
    console().print(f"run files in {HOSTILE}")
    assert capsys.readouterr().out == f"run files in {SEEN}\n"


def test_a_line_of_what_is_at_work_is_a_text() -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=100)
    with screen.status(f"opening {HOSTILE}") as status:
        status.update(f"fitting {HOSTILE}")
        assert SEEN in shown(status)
    told = screen.file.getvalue()  # type: ignore[attr-defined]
    assert f"fitting {SEEN}" in told
    assert "\x1b]8" not in told


def test_names_are_plain_text_for_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    print_names([("a", "first"), ("long", HOSTILE)])
    assert capsys.readouterr().out == f"a     first\nlong  {SEEN}\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_an_output_of_any_encoding_shows_the_board(encoding: str) -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(TESTS)!r})\n"
        "from boards import board\n"
        "from bench.terminal import BoardView, console, print_names\n"
        "print_names([('naïve', '数 –')])\n"
        "console().print(BoardView(board(['bm25', 'naïve 数'], ['c'])))\n"
        "console().print('out [run] [/b]')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        check=False,
    )
    told = done.stdout.decode(encoding)
    assert done.stderr == b""
    assert done.returncode == 0
    assert "±" in told or "~.030" in told
    assert "1-2 ab" in told or "1–2 ab" in told
    assert "out [run] [/b]" in told
    assert len({line.rstrip().rfind("ab") for line in told.splitlines() if " ab " in line}) >= 1
