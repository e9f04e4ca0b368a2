"""Writes a suite's leaderboard from chosen cells alone: one folder, whole or not at all, and the overview of all."""

import json
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.collections.catalogue import is_parsed, open_dataset
from bench.collections.collection import Collection
from bench.errors import BenchError
from bench.leaderboard.board import Board
from bench.leaderboard.build import build_board
from bench.leaderboard.overview import refuse_others, write_overview
from bench.leaderboard.paths import published_id
from bench.leaderboard.published import BOARD, MANIFESTS, RUNS, write_cell
from bench.leaderboard.reported import REPORTED, keep_reported
from bench.leaderboard.selection import Selection
from bench.leaderboard.systems import PAGES, SYSTEMS, describe
from bench.leaderboard.writers.csv import as_csv, pairs_as_csv
from bench.leaderboard.writers.json import as_json
from bench.leaderboard.writers.latex import as_latex
from bench.leaderboard.writers.markdown import as_markdown
from bench.leaderboard.writers.page import as_page
from bench.leaderboard.writers.pictures import as_picture
from bench.leaderboard.writers.system import system_pages
from bench.store import new_folder, write_text
from bench.suite import Suite

_WRITERS = {
    BOARD: lambda board: as_json(board.as_data()),
    "pairs.csv": pairs_as_csv,
    "table.csv": as_csv,
    "table.tex": as_latex,
    "README.md": as_markdown,
    "index.html": as_page,
    "overview.svg": as_picture,
}
MADE_WITH = "made_with.json"
_DRAWING = ("altair", "jinja2", "vl-convert-python")
_BELOW = {MANIFESTS: (".json",), RUNS: (".parquet", ".trec.gz"), PAGES: (".html",), REPORTED: (".json",)}
"""Folders of a published leaderboard, with the ends of the names that lie there."""


def publish(suite: Suite, selection: Selection, results: Path) -> Board:
    """Write `results/SUITE`, then the overview of all suites in `results`.

    Raises BenchError for a suite whose name is no plain name, and where something lies in the folder that no
    `publish` wrote: it would be removed.
    """
    target = _target(suite, results)
    board = build_board(selection.request, selection.cells, selection.collections, selection.reported)
    systems = describe(board, selection.cells, dict(_at_hand(board, selection.specs)))
    with new_folder(target) as draft:
        shown = board.cells
        cells = {name: write_cell(cell, draft) for cell in selection.cells if (name := published_id(cell)) in shown}
        for name, text in {**views(board), **system_pages(board, systems, cells)}.items():
            write_text(draft / name, text)
        write_text(draft / SYSTEMS, systems.as_json())
        for one in selection.reported:
            keep_reported(one, draft)
        write_text(draft / MADE_WITH, as_json(made_with()))
    write_overview(results)
    return board


def _at_hand(board: Board, specs: Mapping[str, str]) -> Iterator[tuple[str, Collection]]:
    """The collections that lie parsed on this machine; nothing is fetched for their texts."""
    for shown in board.collections:
        try:
            spec = specs.get(shown.name, shown.name)
            collection = open_dataset(spec).collection if is_parsed(spec) else None
        except (BenchError, OSError):
            continue
        if collection is not None and collection.fingerprint == shown.fingerprint:
            yield shown.name, collection


def views(board: Board) -> dict[str, str]:
    """Every file that is made of the board, by name; equal boards give equal text."""
    return {name: write(board) for name, write in _WRITERS.items()}


def made_with() -> dict[str, str]:
    """Versions of the libraries that draw the page and its pictures, by which their bytes may differ."""
    return {name: version(name) for name in _DRAWING}


def was_made_with(folder: Path) -> Any:
    """What a published folder says of them; None where it says nothing."""
    try:
        return json.loads((folder / MADE_WITH).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _target(suite: Suite, results: Path) -> Path:
    refuse_others(results)
    name = suite.name
    if not name.strip() or name.startswith(".") or any(char in name for char in "/\\\0:"):
        raise BenchError(f"the suite is called '{name}', which names no folder; call its file NAME.toml")
    target = results / name
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise BenchError(f"{target} is no folder of its own and would be replaced; choose another --to")
    if target.exists() and not (target / BOARD).is_file():
        raise BenchError(f"{target} is not a published leaderboard and would be replaced; choose another --to")
    for stranger in strangers(target):
        raise BenchError(f"{stranger} was not published and would be removed; move it away, or choose another --to")
    return target


def strangers(folder: Path) -> Iterator[Path]:
    """What lies in a published folder and that `publish` does not write."""
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        inside = _BELOW.get(place.parts[0], ())
        known = (
            place.name in ((*_WRITERS, SYSTEMS, MADE_WITH) if path.is_file() else _BELOW)
            if len(place.parts) == 1
            else (len(place.parts) == 2 and path.is_file() and place.name.endswith(tuple(inside)))
        )
        if not known or path.is_symlink():
            yield path
