"""Holds a published leaderboard against its proof: every figure is computed again from answers and judgements."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.cells.record import CellRecord
from bench.collections.catalogue import Dataset
from bench.digests import digest_file
from bench.errors import BenchError
from bench.leaderboard.board import Board
from bench.leaderboard.build import Request, build_board
from bench.leaderboard.moved import moved_queries
from bench.leaderboard.overview import OVERVIEWS, overview
from bench.leaderboard.publish import MADE_WITH, made_with, strangers, views, was_made_with
from bench.leaderboard.published import BOARD, MANIFESTS, RUNS, Published, published_files
from bench.leaderboard.reported import read_reported
from bench.leaderboard.systems import PAGES, SYSTEMS, Systems, read_systems
from bench.leaderboard.writers.csv import pairs_as_csv
from bench.leaderboard.writers.system import system_pages
from bench.verification.check import (
    NEAR,
    NEAR_WITH_MODEL,
    Check,
    compared,
    differences,
    first_difference,
)
from bench.verification.recompute import recompute

_PAIR_NUMBERS = ("difference", "low", "high", "effect", "p", "corrected")
_DRAWN = (".html", ".svg")
"""Files that libraries draw, whose other versions may draw them otherwise."""

_PICTURE = re.compile(r"<svg.*?</svg>", re.DOTALL)
"""In a page."""

_CONTRADICTIONS = (KeyError, ValueError, TypeError, IndexError, AttributeError)
"""What a board raises whose parts do not fit each other, such as a column of a measure that it does not have."""


def verify(published: Published, datasets: Mapping[str, Dataset | BenchError]) -> Iterator[Check]:
    """Check everything.

    `datasets` are the opened collections by the name that the leaderboard gives them, or why one cannot be opened.
    """
    files = list(check_files(published))
    yield from files
    spoilt = {check.what.removeprefix(f"{RUNS}/") for check in files if check.verdict == "FAIL"}
    cells: list[CellRecord] = []
    for name in published.collections():
        dataset = datasets[name]
        if isinstance(dataset, BenchError):
            yield Check(f"{name}: fingerprint", "FAIL", f"{dataset}; name it with --dataset '{name}=SOURCE:FOLDER'")
            continue
        found = recompute(published, name, dataset, spoilt)
        yield from found.checks
        cells += found.cells
    try:
        reported = read_reported([published.folder])
        board = build_board(Request.of_board(published.board), cells, published.collections(), reported)
    except (BenchError, *_CONTRADICTIONS) as error:
        yield Check("the table", "FAIL", f"no table can be made of these cells: {_in_words(error)}")
        return
    yield from _check_shown(published, board)
    yield from _compare_boards(published, board)
    yield from _compare_views(published)
    yield from _compare_systems(published, board, cells, datasets)
    yield from _compare_overview(published.folder.parent)


def check_files(published: Published) -> Iterator[Check]:
    """Answers are those that the manifests name, and nothing lies there that is no part of a leaderboard."""
    named = dict(file for cell in published.cells.values() for file in published_files(cell))
    present = {path.name for path in (published.folder / RUNS).glob("*")}
    for name in sorted(present - set(named)):
        yield Check(f"{RUNS}/{name}", "FAIL", "no manifest names this file")
    for name, digest in sorted(named.items()):
        if name not in present:
            yield Check(f"{RUNS}/{name}", "FAIL", "the file is missing")
        elif digest_file(published.folder / RUNS / name) != digest:
            yield Check(f"{RUNS}/{name}", "FAIL", "the file is not the one that its manifest names")
        else:
            yield Check(f"{RUNS}/{name}", "OK")
    for path in strangers(published.folder):
        yield Check(str(path.relative_to(published.folder)), "FAIL", "no `publish` wrote this")
    if was_made_with(published.folder) is None:
        yield Check(MADE_WITH, "FAIL", "it is missing, or no JSON")
    for name, cell in published.cells.items():
        yield _same_text(f"{MANIFESTS}/{name}.json", published.folder / MANIFESTS / f"{name}.json", cell.as_json())


def _check_shown(published: Published, board: Board) -> Iterator[Check]:
    """No collection of the board lacks its proof, and no cell lies beside it whose row, or task, is left out."""
    proved = {cell.cell.collection for cell in published.cells.values()}
    for name in published.collections():
        if name not in proved:
            yield Check(name, "FAIL", f"nothing in {MANIFESTS} proves its figures")
    uncomputed = set(published.collections()) - {collection.name for collection in board.collections}
    shown, tasks = board.cells, [(wanted["task"], dict(wanted["options"])) for wanted in board.tasks]
    for name, cell in published.cells.items():
        if cell.cell.collection in uncomputed:
            continue
        what = f"{MANIFESTS}/{name}.json"
        if name not in shown:
            yield Check(what, "FAIL", f"the board has no row of it, {cell.cell.system} on {cell.cell.collection}")
        for task in cell.tasks:
            if (task.task, task.options) not in tasks:
                yield Check(what, "FAIL", f"the board does not have its task {task.task}, or with other options")


def _compare_boards(published: Published, board: Board) -> Iterator[Check]:
    """Every figure, rank, group, pair and cost of the published files against what the proof gives."""
    given, computed = _data(published.board), _data(board)
    yield from differences(board.suite, _without(given, "collections"), _without(computed, "collections"))
    recomputed = {one["name"]: one for one in computed["collections"]}
    for one in given["collections"]:
        other = recomputed.get(one["name"])
        if other is None:
            continue
        for name in ("fingerprint", "rules", "hardware"):
            yield compared(f"{one['name']}: {name}", one[name], other[name])
        yield compared(f"{one['name']}: tasks", _tasks(one), _tasks(other))
        for block, again in zip(one["blocks"], other["blocks"], strict=False):
            yield from _compare_blocks(f"{one['name']}, {block['task']}", block, again)
    yield from _compare_pairs(published, board)


def _data(board: Board) -> dict[str, Any]:
    """As it is read back from JSON."""
    return dict(json.loads(json.dumps(board.as_data())))


def _tasks(collection: Mapping[str, Any]) -> list[str]:
    return [block["task"] for block in collection["blocks"]]


def _without(data: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name not in names}


def _compare_blocks(where: str, block: Mapping[str, Any], computed: Mapping[str, Any]) -> Iterator[Check]:
    instruments = [one for one in (block["instrument"], block["second_instrument"]) if one]
    with_model = any(one["weights"] for one in instruments)
    near = NEAR_WITH_MODEL if with_model else NEAR
    yield from differences(where, _without(block, "rows"), _without(computed, "rows"), near)
    rows = {row["system"]: row for row in computed["rows"]}
    if [row["system"] for row in block["rows"]] != [row["system"] for row in computed["rows"]]:
        yield Check(where, "FAIL", "the rows or their order are not those that the cells give")
    for row in block["rows"]:
        if row["system"] in rows:
            yield from _compare_rows(f"{where}, {row['system']}", row, rows[row["system"]], near)


def _compare_rows(where: str, row: Mapping[str, Any], computed: Mapping[str, Any], near: float) -> Iterator[Check]:
    """One check for each figure, and one for each count and each other part of the row that differs."""
    for measure in dict.fromkeys([*row["figures"], *computed["figures"]]):
        yield compared(f"{where}: {measure}", row["figures"].get(measure), computed["figures"].get(measure), near)
    yield from differences(where, row["counts"], computed["counts"], near)
    others = ("figures", "counts", "cost")
    yield from differences(where, _without(row, *others), _without(computed, *others), near)
    yield compared(f"{where}: cost", row["cost"], computed["cost"])


def _compare_pairs(published: Published, board: Board) -> Iterator[Check]:
    present = {collection.name for collection in board.collections}
    uncomputed = set(published.collections()) - present
    text = _text(published.folder / "pairs.csv")
    given, computed = (
        [line for line in csv.DictReader(io.StringIO(one)) if line.get("collection") not in uncomputed]
        for one in (text, pairs_as_csv(board))
    )
    if len(given) != len(computed):
        yield Check("pairs.csv", "FAIL", f"{len(given)} pairs are published, the cells give {len(computed)}")
    for line, other in zip(given, computed, strict=False):
        where = f"pairs.csv: {other['collection']}, {other['task']}, {other['first']} against {other['second']}"
        yield compared(where, _numbers(line), _numbers(other), NEAR)


def _numbers(line: Mapping[str, str]) -> dict[str, Any]:
    """A pair's line with its numbers as such; an effect that is not known stays empty."""
    return {name: _number(text) if name in _PAIR_NUMBERS else text for name, text in line.items()}


def _number(text: str) -> float | str:
    try:
        return float(text)
    except (TypeError, ValueError):
        return text


def _compare_views(published: Published) -> Iterator[Check]:
    """The tables and the page say what leaderboard.json says."""
    try:
        expected = views(published.board)
    except _CONTRADICTIONS as error:
        yield Check(BOARD, "FAIL", f"no tables can be made of it: {_in_words(error)}")
        return
    for name, text in expected.items():
        if name == "pairs.csv":
            continue
        yield _same_view(published, name, text)


def _same_view(published: Published, name: str, text: str) -> Check:
    """A file that is made of the board; what other versions of the libraries draw may differ, and nothing else."""
    path, given = published.folder / name, was_made_with(published.folder)
    check = _same_text(name, path, text)
    if check.verdict == "FAIL" and name.endswith(_DRAWN) and given != made_with():
        if name.endswith(".html") and _PICTURE.sub("", _text(path)) != _PICTURE.sub("", text):
            return check
        return Check(name, "near", f"drawn with {given}, here with {made_with()}")
    return check


def _compare_systems(
    published: Published, board: Board, cells: Sequence[CellRecord], datasets: Mapping[str, Dataset | BenchError]
) -> Iterator[Check]:
    """The pages of single systems show what systems.json says, and the queries there are those that moved most.

    What a plugin says of itself, and what its defaults were, cannot be computed again.
    """
    try:
        systems = read_systems(published.folder)
        expected = system_pages(published.board, systems, published.cells)
    except (BenchError, *_CONTRADICTIONS) as error:
        yield Check(SYSTEMS, "FAIL", _in_words(error))
        return
    yield from _compare_moved(systems, board, cells, datasets)
    for name, text in expected.items():
        yield _same_view(published, name, text)
    for path in sorted((published.folder / PAGES).glob("*")):
        if f"{PAGES}/{path.name}" not in expected:
            yield Check(f"{PAGES}/{path.name}", "FAIL", "no system has this page")


def _compare_moved(
    systems: Systems, board: Board, cells: Sequence[CellRecord], datasets: Mapping[str, Dataset | BenchError]
) -> Iterator[Check]:
    opened = {name: one.collection for name in systems.texts if isinstance(one := datasets.get(name), Dataset)}
    computed = moved_queries(board, cells, opened)
    present = {collection.name for collection in board.collections}
    for name, about in systems.systems.items():
        given = [one.model_dump(mode="json") for one in about.moved if one.collection in present]
        again = [one.model_dump(mode="json") for one in computed.get(name, [])]
        yield compared(f"{SYSTEMS}: queries of {name} that moved", given, again, NEAR)


def _compare_overview(results: Path) -> Iterator[Check]:
    """Where the board lies among others, both overviews say what their boards say."""
    if not any((results / name).is_file() for name in OVERVIEWS):
        yield Check("overview", "not checked", f"there is neither {' nor '.join(OVERVIEWS)} in {results}")
        return
    try:
        found = overview(results)
    except (BenchError, *_CONTRADICTIONS) as error:
        yield Check("overview", "FAIL", _in_words(error))
        return
    for name, text in found.items():
        what, path = f"{results.name}/{name}", results / name
        yield _same_text(what, path, text) if path.is_file() else Check(what, "FAIL", "the file is missing")


def _same_text(what: str, path: Path, expected: str) -> Check:
    """A file against what it ought to be."""
    given = _text(path)
    if given == expected:
        return Check(what, "OK")
    return Check(what, "FAIL", first_difference(given, expected))


def _in_words(error: Exception) -> str:
    return str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"


def _text(path: Path) -> str:
    """A file's text; what cannot be read equals nothing that is expected."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
