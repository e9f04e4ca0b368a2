"""results/README.md and results/index.html: every published suite with its best systems."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bench.errors import BenchError
from bench.leaderboard.page import as_overview_page
from bench.leaderboard.text import fraction, markdown
from bench.store import write_text


class Line(NamedTuple):
    """One task of one suite on one collection."""

    suite: str
    collection: str
    task: str
    measure: str
    best: str
    """The systems that none is significantly better than, with their figures."""

    systems: int
    not_done: int
    """Failed or not run."""


def write_overview(results: Path) -> None:
    """Both overviews, from every `leaderboard.json` below `results`."""
    boards = [_read(path) for path in sorted(results.glob("*/leaderboard.json"))]
    lines = [line for board in boards for line in _lines(board)]
    write_text(results / "README.md", _as_markdown(lines))
    write_text(results / "index.html", as_overview_page(lines))


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise BenchError(f"{path} cannot be read: {error}; publish that suite again") from None


def _lines(board: dict[str, Any]) -> Iterator[Line]:
    for collection in board["collections"]:
        for block in collection["blocks"]:
            done = [row for row in block["rows"] if row["figures"]]
            best = [row for row in done if row["best_rank"] == 1]
            named = [f"{row['system']} {fraction(row['figures'][block['primary']]['value'])}" for row in best]
            yield Line(
                suite=board["suite"],
                collection=collection["name"],
                task=block["task"],
                measure=block["primary"],
                best=", ".join(named),
                systems=len(block["rows"]),
                not_done=len(block["rows"]) - len(done),
            )


def _as_markdown(lines: list[Line]) -> str:
    head = "# Results\n\nPublished leaderboards, each with the run files and manifests that prove it.\n\n"
    if not lines:
        return head + "None is published yet.\n"
    table = ["| suite | collection | task | measure | best (none significantly better) | systems | not done |"]
    table.append("|---|---|---|---|---|---:|---:|")
    for line in lines:
        link = f"[{markdown(line.suite)}]({line.suite}/README.md)"
        fields = [link, *map(markdown, line[1:5]), str(line.systems), str(line.not_done)]
        table.append("| " + " | ".join(fields) + " |")
    return head + "\n".join(table) + "\n"
