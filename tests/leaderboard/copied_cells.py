"""Finished cells as another machine would have them, and what a suite selects of them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from finished_cells import Finished

from bench.cells.folder import read_all
from bench.cells.record import FORMAT
from bench.digests import digest_data
from bench.leaderboard.board import Board
from bench.leaderboard.build import build_board
from bench.leaderboard.selection import Selection, select


def selected(finished: Finished, *folders: Path, **chosen: Any) -> Selection:
    return select(finished.suite, [read_all([folder]) for folder in folders or (finished.out,)], **chosen)


def board_of(selection: Selection) -> Board:
    return build_board(selection.request, selection.cells, selection.collections)


def copied(finished: Finished, to: Path, systems: tuple[str, ...], change: Callable[[dict[str, Any]], None]) -> Path:
    """Some systems' cells as another machine would have them: their JSON files changed by `change`."""
    for cell in finished.cells:
        if cell.system in systems:
            shutil.copytree(cell.folder, to / "cells" / cell.folder.name)
    for path in to.rglob("*.json"):
        if path.name in ("manifest.json", "failure.json", "result.json"):
            resealed(path, change)
    return to


def resealed(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a record as its writer would have written it."""
    data = json.loads(path.read_text())
    assert data.pop("format") == FORMAT
    data.pop("digest")
    change(data)
    data["format"] = FORMAT
    path.write_text(json.dumps(data | {"digest": digest_data(data)}))
