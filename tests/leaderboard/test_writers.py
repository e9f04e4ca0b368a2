"""Each format shows every name and text as it is, and nothing in it is obeyed."""

import csv
import io
import re
import subprocess
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from shutil import which

import pytest
from boards import board, changed

from bench.leaderboard.board import Block, Board, Pair, Row, RowFigure
from bench.leaderboard.publish import views
from bench.leaderboard.writers.csv import as_csv, pairs_as_csv
from bench.leaderboard.writers.latex import as_latex
from bench.leaderboard.writers.markdown import as_markdown

NAMES = ("[1] bm25", "*dsi*", "=1+1", "-5 dB", "@home", "+plus", "a | b & c_d", "50% $x$ {y} #1 ~^\\")


def with_rows(made: Board, rows: list[Row]) -> Board:
    (collection,) = made.collections
    block = replace(collection.blocks[0], rows=rows)
    return replace(made, collections=[replace(collection, blocks=[block])])


@pytest.fixture
def hostile() -> Board:
    made = board(NAMES, ["pydoc-1k"], relevance=False)
    failed = replace(made.collections[0].blocks[0].rows[0], figures={}, problem="=cmd|' /C calc'!A0", system="[late]")
    return with_rows(made, [*made.collections[0].blocks[0].rows, failed])


def block_of(made: Board) -> Block:
    return made.collections[0].blocks[0]


def test_no_text_of_the_csv_begins_a_formula_and_numbers_stay_numbers(hostile: Board) -> None:
    lines = list(csv.reader(io.StringIO(as_csv(hostile))))
    texts = [field for line in lines for field in line if not is_number(field)]
    assert not any(field.startswith(("=", "+", "-", "@", "\t", "\r")) for field in texts)
    systems = {line[3] for line in lines[1:]}
    assert {"'=1+1", "'-5 dB", "'@home", "'+plus", "[1] bm25"} <= systems
    (failed,) = [line for line in lines if line[3] == "[late]" and line[lines[0].index("problem")]][-1:]
    assert failed[lines[0].index("problem")] == "'=cmd|' /C calc'!A0"
    assert len({len(line) for line in lines}) == 1


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def test_a_task_that_is_asked_twice_is_told_apart_everywhere() -> None:
    made = board(["bm25", "sbert"], ["pydoc-1k"], relevance=False)
    (collection,), pair = made.collections, Pair("bm25", "sbert", 0.1, 0.0, 0.2, 0.3, 0.04, 0.04)
    twice = [replace(block_of(made), options={"depth": depth}, pairs=[pair]) for depth in (10, 20)]
    made = replace(made, collections=[replace(collection, blocks=twice)])
    names = ["search?depth=10", "search?depth=20"]
    for text in (as_csv(made), pairs_as_csv(made)):
        named = [line["task"] for line in csv.DictReader(io.StringIO(text))]
        assert list(dict.fromkeys(named)) == names
    assert re.findall("^### (.*)$", as_markdown(made), re.MULTILINE) == names
    labels = re.findall(r"\\label\{(.*)\}", as_latex(made))
    assert len(set(labels)) == 2


def test_the_csv_has_figures_counts_and_costs_under_one_head(hostile: Board) -> None:
    lines = list(csv.DictReader(io.StringIO(as_csv(hostile))))
    mine = {line["measure"]: line for line in lines if line["system"] == "*dsi*"}
    row = next(row for row in block_of(hostile).rows if row.system == "*dsi*")
    assert float(mine["MRR@10"]["value"]) == row.figures["MRR@10"].value
    assert float(mine["short"]["value"]) == 1.0
    assert float(mine["p50_ms"]["value"]) == row.cost.p50_ms
    assert mine["nDCG@10"]["best_rank"] == "1"
    assert mine["MRR@10"]["best_rank"] == ""


def test_pairs_are_written_with_their_numbers_in_full() -> None:
    made = board(["a", "=b"], ["pydoc-1k"], relevance=False)
    (collection,) = made.collections
    pair = Pair("=b", "a", -0.25, -0.3, -0.2, None, 0.0001, 0.0001)
    made = replace(made, collections=[replace(collection, blocks=[replace(collection.blocks[0], pairs=[pair])])])
    (line,) = csv.DictReader(io.StringIO(pairs_as_csv(made)))
    assert (line["first"], line["difference"], line["effect"], line["p"]) == ("'=b", "-0.25", "", "0.0001")


def test_a_figure_without_an_interval_has_a_dash_in_every_format() -> None:
    alone = changed(board(NAMES[:3], ["pydoc-1k"]), figures={"nDCG@10": RowFigure(0.8597, None, None, 1)})
    (collection,) = alone.collections
    search = replace(collection.blocks[0], pairs=[Pair("a", "b", 0.25, None, None, None, 1.0, 1.0)])
    written = views(replace(alone, collections=[replace(collection, blocks=[search])]))
    for text in written.values():
        assert not re.search(r"\b(nan|NaN|None)\b", text)
    assert ".860 (–)" in written["README.md"]
    assert ".860 (–)" in written["table.tex"]
    assert "n = 1; 95 % –" in written["index.html"]
    (line, *_) = csv.DictReader(io.StringIO(written["table.csv"]))
    assert (line["value"], line["low"], line["high"], line["n"]) == ("0.8597", "", "", "1")
    (pair,) = csv.DictReader(io.StringIO(written["pairs.csv"]))
    assert (pair["difference"], pair["low"], pair["high"]) == ("0.25", "", "")


def test_no_row_of_latex_is_an_argument_of_the_line_break_before_it(hostile: Board) -> None:
    lines = as_latex(hostile).splitlines()
    for before, line in pairwise(lines):
        if before.endswith(r"\\"):
            assert not line.lstrip().startswith(("[", "*"))
    assert r"{}\textbf{[1] bm25} & " in as_latex(hostile)


def test_a_latex_table_is_narrow_and_has_a_label_and_a_caption_of_one_sentence(hostile: Board) -> None:
    text = as_latex(hostile)
    assert r"\label{tab:made-up-pydoc-1k-search}" in text
    caption = next(line for line in text.splitlines() if line.startswith(r"\caption"))
    assert caption == r"\caption{search on pydoc-1k (suite made-up, fingerprint ffffff).}"
    head = next(line for line in text.splitlines() if line.startswith("{}system"))
    assert head == r"{}system & rank & nDCG@10 & MRR@10 & Hits@1 & Recall@100 \\"
    assert r"\footnotesize {}bold: no system is significantly better \\ {}what search means" in text
    wide = as_latex(hostile, kinds=("rank", "primary", "quality", "cost"), measures=2)
    assert r"& nDCG@10 & MRR@10 & fit s & p50 ms" in wide


def test_names_are_escaped_in_latex(hostile: Board) -> None:
    text = as_latex(hostile)
    assert r"50\% \$x\$ \{y\} \#1 \textasciitilde{}\textasciicircum{}\textbackslash{}" in text
    assert r"a \textbar{} b \& c\_d" in text


@pytest.fixture
def failed(hostile: Board) -> Board:
    """Not one system has a figure, so that there is no measure to show."""
    rows = [
        replace(row, figures={}, best_rank=None, problem="the soufflé collapsed") for row in block_of(hostile).rows
    ]
    block = replace(block_of(hostile), rows=rows, measures=[], columns=[], test="", timed=False)
    return replace(hostile, collections=[replace(hostile.collections[0], blocks=[block])])


def test_a_table_of_failures_alone_has_room_for_their_reasons(failed: Board) -> None:
    lines = [line for line in as_markdown(failed).splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1
    assert sum("failed: the soufflé collapsed" in line for line in lines) == len(NAMES) + 1
    text = as_latex(failed)
    assert r"\multicolumn{1}{l}{failed: the soufflé collapsed}" in text
    assert r"\begin{tabular}{ll}" in text


@pytest.mark.skipif(not which("pdflatex"), reason="no LaTeX here")
@pytest.mark.parametrize("name", ["hostile", "failed"])
def test_latex_compiles(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    head = r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{booktabs}\begin{document}"
    (tmp_path / "t.tex").write_text(head + as_latex(request.getfixturevalue(name)) + r"\end{document}")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60).returncode == 0


def test_every_line_of_a_markdown_table_has_as_many_fields(hostile: Board) -> None:
    lines = [line for line in as_markdown(hostile).splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1
    assert any(line.startswith(r"| a &#124; b &amp; c\_d |") for line in lines)
    assert any(r"**\*dsi\***" in line for line in lines)
    assert any("failed: =cmd" in line for line in lines)
