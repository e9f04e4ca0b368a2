"""Leaderboards written by a generator, of any size."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bench.leaderboard.board import Block, Board, CollectionBoard, Row, RowCost, RowFigure
from bench.measures.measure import Count, Instrument, Measure

HARDWARE = "Abacus 3000, 2 threads, accelerator none"
SEARCH = (
    Measure("nDCG@10", "discounted cumulative gain of the first 10"),
    Measure("MRR@10", "reciprocal rank of the first relevant answer"),
    Measure("Hits@1", "share of queries with a relevant answer at rank 1"),
    Measure("Recall@100", "share of the relevant documents among the first 100"),
)
RELEVANCE = tuple(Measure(f"fail@{k}", f"failure at rank {k}", higher_is_better=False) for k in range(1, 11))
PROBE = (Measure("Hits@1", "share of questions with the document at rank 1"), Measure("MRR@10", "reciprocal rank"))


def figure(value: float, n: int = 200) -> RowFigure:
    return RowFigure(value, max(value - 0.03, 0.0), min(value + 0.03, 1.0), n)


def row(name: str, measures: Sequence[Measure], level: float, rank: int, systems: int, collection: str) -> Row:
    slug = "".join(c if c.isalnum() else "-" for c in f"{name}.{collection}")
    return Row(
        system=name,
        retriever=name,
        family="dense",
        trained=bool(rank % 2),
        deterministic=False,
        imported=False,
        seeds=[0],
        cells=[slug],
        hardware=HARDWARE,
        figures={measure.name: figure(min(level * (1 + 0.05 * i), 1.0)) for i, measure in enumerate(measures)},
        counts={
            "unanswered": Count("unanswered", 0.0, "queries without an answer", "no answer"),
            "short": Count("short", 1.0, "queries with fewer answers than asked for", "short"),
        },
        cost=RowCost(
            fit_seconds=9.0 * rank,
            index_bytes=1e6 * rank,
            p50_ms=3.0 / rank,
            p99_ms=9.0 / rank,
            queries_per_second=100.0 * rank,
            memory_mb=10.0 * rank,
        ),
        best_rank=max(rank - 1, 1),
        worst_rank=min(rank + 1, systems),
        groups=["a", "b"],
        distribution=[0.2, 0.1, 0.2, 0.1, 0.1, 0.3],
    )


def block(task: str, measures: Sequence[Measure], systems: Sequence[str], collection: str) -> Block:
    lower = not measures[0].higher_is_better
    levels = np.linspace(0.02, 0.4, len(systems)) if lower else np.linspace(0.8, 0.2, len(systems))
    return Block(
        task=task,
        options={},
        definition=f"what {task} means",
        queries=200,
        instrument=Instrument("judge", "MaxSim of all-MiniLM-L6-v2's token vectors") if lower else None,
        measures=measures,
        columns=[measure.name for measure in measures],
        timed=task == "search",
        test="ranks and groups: paired randomisation test",
        rows=[
            row(system, measures, float(level), rank, len(systems), collection)
            for rank, (system, level) in enumerate(zip(systems, levels, strict=True), start=1)
        ],
        pairs=[],
    )


def board(systems: Sequence[str], collections: Sequence[str], relevance: bool = True, probes: bool = False) -> Board:
    tasks = [("search", SEARCH)]
    tasks += [("exclusivity", PROBE), ("completeness", PROBE)] if probes else []
    tasks += [("relevance", RELEVANCE)] if relevance else []
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
                blocks=[block(task, measures, systems, name) for task, measures in tasks],
            )
            for name in collections
        ],
    )


def changed(made: Board, only: Sequence[str] = (), **values: Any) -> Board:
    """The board with other values in every row, or in those of the systems `only`."""
    collections = [
        replace(
            one,
            blocks=[
                replace(block, rows=[replace(r, **values) if not only or r.system in only else r for r in block.rows])
                for block in one.blocks
            ],
        )
        for one in made.collections
    ]
    return replace(made, collections=collections)
