"""Leaderboards written by hand or by a generator, of any size."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bench.leaderboard.board import Block, Board, CollectionBoard, Row, RowCost, RowFigure
from bench.measures.measure import Count, Instrument, Measure

HARDWARE = "Abacus 3000, 2 threads, accelerator none"
SEARCH = (
    Measure("nDCG@10", "discounted cumulative gain over its ideal, first 10"),
    Measure("MRR@10", "reciprocal rank of the first relevant document, first 10"),
    Measure("Hits@1", "share of queries with a relevant document, first 1"),
    Measure("Recall@100", "share of the relevant documents that were found, first 100"),
)
RELEVANCE = tuple(
    Measure(f"fail@{rank}", f"share of random documents that beat rank {rank}", higher_is_better=False)
    for rank in (1, 2, 3, 5, 10)
)
PROBE = (
    Measure("Hits@1", "share of questions with their document, first 1"),
    Measure("MRR@10", "reciprocal rank of the document, first 10"),
)
MEASURES = {"search": SEARCH, "exclusivity": PROBE, "completeness": PROBE, "relevance": RELEVANCE}
JUDGE = Instrument("judge", "MaxSim of all-MiniLM-L6-v2's token vectors", "53aa")


def figure(value: float, n: int = 200) -> RowFigure:
    return RowFigure(value, max(value - 0.03, 0.0), min(value + 0.03, 1.0), n)


def row(name: str, measures: Sequence[Measure], level: float, rank: int, systems: int, collection: str) -> Row:
    slug = "".join(c if c.isalnum() else "-" for c in f"{name}.{collection}")
    counts = (
        Count("unanswered", 0.0, "queries for which nothing was found", "no answer"),
        Count("short", 1.0, "queries with fewer answers than were asked for", "short"),
        Count("tied_at_10", 0.0, "queries whose first ten hold a tie", "tied @10", needs_scores=True),
    )
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
        counts={count.name: count for count in counts},
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


def block(task: str, systems: Sequence[str], collection: str) -> Block:
    """A task of MEASURES; of `relevance` lower is better."""
    measures, lower = MEASURES[task], task == "relevance"
    levels = np.linspace(0.02, 0.4, len(systems)) if lower else np.linspace(0.8, 0.2, len(systems))
    return Block(
        task=task,
        options={"depth": 100},
        definition=f"what {task} means",
        queries=200,
        instrument=JUDGE if lower else None,
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
    tasks = ["search", *(["exclusivity", "completeness"] if probes else []), *(["relevance"] if relevance else [])]
    return Board(
        suite="made-up",
        title="Figures of nobody",
        systems=[{"retriever": name, "name": name} for name in systems],
        tasks=[{"task": name, "options": {"depth": 100}} for name in tasks],
        seeds=[0],
        collections=[
            CollectionBoard(
                name=name,
                fingerprint="f" * 64,
                rules={"split": "test"},
                hardware=[HARDWARE],
                blocks=[block(task, systems, name) for task in tasks],
            )
            for name in collections
        ],
    )


def changed(made: Board, only: Sequence[str] = (), **values: Any) -> Board:
    """The board with other values in every row, or in those of the systems `only`."""

    def row(one: Row) -> Row:
        return replace(one, **values) if not only or one.system in only else one

    collections = [
        replace(one, blocks=[replace(block, rows=[row(r) for r in block.rows]) for block in one.blocks])
        for one in made.collections
    ]
    return replace(made, collections=collections)
