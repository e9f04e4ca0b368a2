"""results/README.md and results/index.html: every published suite with its best systems."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from bench.errors import BenchError
from bench.leaderboard.board import Block, Board
from bench.leaderboard.published import BOARD, read_board
from bench.leaderboard.text import fraction, markdown
from bench.leaderboard.writers.overview import as_overview_page
from bench.store import write_text

_HEAD = "# Results\n\nPublished leaderboards"
OVERVIEWS = {"README.md": _HEAD, "index.html": "<h1>Leaderboards</h1>"}
"""Both by name, with what tells each from another file of that name."""


def refuse_others(results: Path) -> None:
    """Raise BenchError if a file that is no overview would be replaced by one."""
    for name, sign in OVERVIEWS.items():
        path = results / name
        if path.is_file() and sign not in path.read_text(encoding="utf-8", errors="replace"):
            raise BenchError(f"{path} was not published and would be replaced; move it away, or choose another --to")


def write_overview(results: Path) -> None:
    """Both overviews, from every published board below `results`. Raises BenchError for one that is damaged."""
    for name, text in overview(results).items():
        write_text(results / name, text)


def overview(results: Path) -> dict[str, str]:
    """Both files by name. A folder whose name begins with a dot is a draft, and left out."""
    paths = [path for path in sorted(results.glob(f"*/{BOARD}")) if not path.parent.name.startswith(".")]
    boards = [read_board(path) for path in paths]
    return {"README.md": _as_markdown(boards), "index.html": as_overview_page(boards)}


def _as_markdown(boards: Sequence[Board]) -> str:
    head = f"{_HEAD}, each with the answers and manifests that prove it.\n\n"
    if not boards:
        return head + "None is published yet.\n"
    table = ["| suite | collection | task | measure | best (none significantly better) | systems | not done |"]
    table.append("|---|---|---|---|---|---:|---:|")
    for board in boards:
        for collection in board.collections:
            table += [_line(board.suite, collection.name, block) for block in collection.named_blocks]
    return head + "\n".join(table) + "\n"


def _line(suite: str, collection: str, block: Block) -> str:
    """One task of one suite on one collection, with the systems that none is significantly better than."""
    best = [f"{row.system} {fraction(row.figures[block.primary.name].value)}" for row in block.rows if row.among_best]
    not_done = sum(not row.done for row in block.rows)
    fields = [collection, block.task, block.primary.name, ", ".join(best), str(len(block.rows)), str(not_done)]
    return f"| [{markdown(suite)}]({quote(suite)}/README.md) | " + " | ".join(map(markdown, fields)) + " |"
