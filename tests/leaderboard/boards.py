"""Leaderboards written by hand or by a generator, of any size."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.leaderboard.board import Block, Board, CollectionBoard, Row, RowFigure, made_with
from bench.tasks.relevance import Relevance
from bench.tasks.search import Search

HARDWARE = "Abacus 3000, 2 threads, accelerator none"


def figure(value: float, n: int = 200) -> RowFigure:
    return RowFigure(value, max(value - 0.03, 0.0), min(value + 0.03, 1.0), n)


def row(name: str, measures: Sequence[str], level: float, rank: int, systems: int, collection: str) -> Row:
    slug = "".join(c if c.isalnum() else "-" for c in f"{name}.{collection}")
    cost = {"fit_seconds": 9.0 * rank, "index_bytes": 1e6 * rank, "p50_ms": 3.0 / rank, "p99_ms": 9.0 / rank}
    return Row(
        system=name,
        retriever=name,
        family="dense",
        trained=bool(rank % 2),
        imported=False,
        seeds=[0],
        cells=[slug],
        hardware=HARDWARE,
        figures={measure: figure(min(level * (1 + 0.05 * i), 1.0)) for i, measure in enumerate(measures)},
        counts={"unanswered": 0.0, "short": 1.0, "tied_at_10": 0.0, "missing@1": 0.0, "missing@10": 3.0},
        cost=cost | {"queries_per_second": 100.0 * rank, "added_memory_mb": 10.0 * rank},
        best_rank=max(rank - 1, 1),
        worst_rank=min(rank + 1, systems),
        groups=["a", "b"],
        distribution=[0.2, 0.1, 0.2, 0.1, 0.1, 0.3],
    )


def block(task: Search | Relevance, name: str, systems: Sequence[str], collection: str) -> Block:
    lower = isinstance(task, Relevance)
    levels = np.linspace(0.02, 0.4, len(systems)) if lower else np.linspace(0.8, 0.2, len(systems))
    measures = list(task.columns)
    return Block(
        task=name,
        options=task.options(),
        definition=f"what {name} means",
        queries=200,
        judge="judge: MaxSim of all-MiniLM-L6-v2's token vectors" if lower else "",
        primary=measures[0],
        columns=measures,
        count_columns=dict(task.count_columns),
        timed=task.timed,
        lower_is_better=lower,
        test="ranks and groups: paired randomisation test",
        rows=[
            row(system, measures, float(level), rank, len(systems), collection)
            for rank, (system, level) in enumerate(zip(systems, levels, strict=True), start=1)
        ],
        pairs=[],
    )


def board(systems: Sequence[str], collections: Sequence[str], relevance: bool = True) -> Board:
    tasks: list[tuple[str, Any]] = [("search", Search()), *([("relevance", Relevance())] if relevance else [])]
    return Board(
        suite="made-up",
        title="Figures of nobody",
        systems=[{"retriever": name, "name": name} for name in systems],
        tasks=[{"task": name, "options": {}} for name, _ in tasks],
        seeds=[0],
        collections=[
            CollectionBoard(
                name=name,
                fingerprint="f" * 64,
                rules={"split": "test"},
                hardware=[HARDWARE],
                blocks=[block(task, task_name, systems, name) for task_name, task in tasks],
            )
            for name in collections
        ],
        made_with=made_with(),
    )


def manifests(made: Board) -> dict[str, Any]:
    """A manifest for each row, of the size that real ones have."""
    versions = {f"library-{number}": f"{number}.{number}.{number}" for number in range(25)}
    return {
        row.cells[0]: {
            "cell": {"system": row.system, "collection": collection.name, "seed": 0, "options": {"k1": 1.2}},
            "versions": versions,
            "tasks": [],
        }
        for collection in made.collections
        for row in collection.blocks[0].rows
    }
