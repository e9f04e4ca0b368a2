"""What the page of a single system tells beyond the board: what it is, what differs from its defaults, what moved."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from inspect import cleandoc
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from bench import registry
from bench.cells.record import CellRecord
from bench.collections.collection import Collection
from bench.digests import digest_data
from bench.errors import BenchError
from bench.leaderboard.board import Board
from bench.leaderboard.moved import Moved, moved_queries
from bench.leaderboard.paths import without_paths
from bench.leaderboard.writers.json import as_json
from bench.retriever import Retriever
from bench.store import slug

SYSTEMS = "systems.json"
PAGES = "systems"
"""Where the pages themselves lie, one for each system."""

_PLACED = ("seed", "device")


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class About(_Data):
    """One system. `paper` and `description` are its plugin's own words, `code` is where it is written.

    differs: its value and the default of each option that is not as it comes; None: there is none
    """

    paper: str = ""
    description: str = ""
    code: str = ""
    differs: dict[str, tuple[Any, Any]] = {}
    moved: list[Moved] = []


class Systems(_Data):
    """All systems that have a page, by name. `texts` names the collections whose texts stand here."""

    format: Literal[1] = 1
    texts: list[str] = []
    systems: dict[str, About] = {}

    def as_json(self) -> str:
        return as_json(self.model_dump(mode="json"))


def read_systems(folder: Path) -> Systems:
    """What `publish` wrote. Raises BenchError for a file that is missing or damaged."""
    path = folder / SYSTEMS
    try:
        return Systems.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error.strerror
        raise BenchError(f"{path} cannot be read: {reason}; publish the leaderboard again") from None


def page_name(system: str) -> str:
    """The file of a system's page; two systems never share one."""
    name = slug(system, 60)
    plain = name == system and name == name.lower()
    return f"{PAGES}/{name if plain else f'{name}-{digest_data(system)[:6]}'}.html"


def with_page(board: Board) -> list[str]:
    """The systems that have a cell, in the order of the tables."""
    rows = (row for collection in board.collections for block in collection.blocks for row in block.rows)
    return list(dict.fromkeys(row.system for row in rows if row.cells))


def describe(board: Board, cells: Sequence[CellRecord], collections: Mapping[str, Collection]) -> Systems:
    """What is told of each system. `collections` are those whose texts may be shown, by the board's names."""
    of_system = {cell.system: cell for cell in reversed(cells)}
    moved = moved_queries(board, cells, collections)
    return Systems(
        texts=[one.name for one in board.collections if one.name in collections],
        systems={name: _about(of_system[name], moved.get(name, [])) for name in with_page(board)},
    )


def _about(cell: CellRecord, moved: list[Moved]) -> About:
    """In the words of the plugin, where it is installed here."""
    plugin = registry.plugins("retriever").get(cell.identity.retriever)
    if plugin is None or cell.imported:
        return About(moved=moved)
    try:
        kind = plugin.load()
    except BenchError:
        return About(moved=moved)
    module = sys.modules.get(kind.__module__)
    return About(
        paper=cleandoc(module.__doc__ or "") if module else "",
        description=cleandoc(kind.__doc__ or ""),
        code=plugin.file.name if plugin.file else plugin.target,
        differs=dict(_differing(kind, cell.identity.options)),
        moved=moved,
    )


def _differing(kind: type[Retriever], options: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Options, those of groups with dotted names, whose value is not the default."""
    try:
        usual = dict(_flat(without_paths(kind().options())))
    except BenchError:  # an option has no default
        return
    for name, value in _flat(options):
        if name not in _PLACED and usual.get(name) != value:
            yield name, (value, usual.get(name))


def _flat(options: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in options.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
