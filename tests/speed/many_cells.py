"""Cells as a run leaves them, with figures that nobody measured: for leaderboards of any size."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.cells.folder import write_manifest, write_task
from bench.cells.record import Environment, FitCost, Identity, Machine, Manifest, TaskCost, TaskResult
from bench.collections.collection import Document, Documents, Rules, read_collection
from bench.collections.writer import CollectionWriter
from bench.digests import digest_data
from bench.measures.interval import figure_of
from bench.measures.measure import Count, Measure
from bench.rankings import Rankings
from bench.runner.plan import open_task
from bench.suite import Suite, TaskEntry
from bench.tasks.exam import Evaluation

QUERIES = 300
_MACHINE = Machine(processor="Abacus 3000", cores=2, memory_gb=8.0, system="Linux", threads=2, accelerator="none")
_MEASURES = {
    "search": [Measure(name) for name in ("nDCG@10", "MRR@10", "Hits@1", "Hits@10", "Recall@100", "MAP")],
    "relevance": [Measure(f"fail@{rank}", higher_is_better=False) for rank in range(1, 11)],
}
_OF_PROBES = [Measure(name) for name in ("Hits@1", "Hits@10", "MRR@10")]


def write_cells(suite: Suite, collections: Sequence[str], out: Path) -> None:
    """A finished cell for each system, collection and seed; systems differ by a little and by chance."""
    documents = _documents(out / "documents")
    for name in collections:
        difficulty = np.random.default_rng(0).random(QUERIES)
        for place, entry in enumerate(suite.systems):
            for seed in suite.seeds:
                generator = np.random.default_rng([place, seed, len(name)])
                level = 0.8 - 0.6 * place / len(suite.systems)
                values = (generator.random(QUERIES) * 0.6 + difficulty * 0.4 < level).astype(float)
                values[values > 0] = generator.choice([0.3, 0.5, 0.63, 1.0], int(values.sum()))
                folder = out / "cells" / f"{place}.{name}.{seed}"
                _write_manifest(folder, entry.label, entry.retriever, name, seed, values)
                for task in suite.tasks:
                    _write_task(folder, task, values, documents)


def _documents(folder: Path) -> Documents:
    folder.mkdir(parents=True)
    with CollectionWriter(folder) as writer:
        for number in range(QUERIES):
            writer.document(Document(f"document{number}", "", "text"), "documents")
    return read_collection(folder, "made-up", Rules()).documents


def _write_manifest(
    folder: Path, system: str, retriever: str, collection: str, seed: int, values: np.ndarray
) -> None:
    parts = {"collection": digest_data(collection), "options": {"seed": seed}, "system": system}
    identity = Identity(
        system=system,
        retriever=retriever,
        family="dense",
        trained=False,
        options={"seed": seed},
        weights={},
        collection=collection,
        fingerprint=digest_data(collection),
        seed=seed,
        rules={"split": "test", "gains": "linear"},
        key=digest_data(parts),
        key_parts=parts,
    )
    cost = FitCost(seconds=float(values.sum()), index_bytes=int(1e6 * values.sum()))
    write_manifest(folder, Manifest(cell=identity, facts={"dimension": 384}, cost=cost, environment=_environment()))


def _write_task(folder: Path, entry: TaskEntry, values: np.ndarray, documents: Documents) -> None:
    task, measures = open_task(entry.task, entry.options), _MEASURES.get(entry.task, _OF_PROBES)
    given = 0.4 * (1 - values) if entry.task == "relevance" else values
    by_name = {measure.name: given for measure in measures}
    figures = [figure_of(name, found) for name, found in by_name.items()]
    result = TaskResult(
        task=entry.task,
        options=task.options(),
        definition=f"what {entry.task} means",
        queries=QUERIES,
        depth=10,
        timed=entry.task == "search",
        measures=measures,
        columns=[measure.name for measure in measures[:5]],
        figures=figures,
        counts=[Count("unanswered", 0.0, header="no answer")],
        cost=TaskCost(queries_per_second=float(values.sum()), p50_ms=float(values.sum()), latency_queries=200),
        environment=_environment(),
    )
    rows = np.arange(QUERIES)
    rankings = Rankings([f"query {row}" for row in rows], np.arange(QUERIES + 1), rows, np.ones(QUERIES))
    evaluation = Evaluation(rankings, by_name, figures)
    write_task(folder / "tasks" / f"{entry.task}.{digest_data(task.options())[:10]}", result, evaluation, documents)


def _environment() -> Environment:
    libraries = {f"library-{number}": f"{number}.{number}" for number in range(25)}
    return Environment(versions=libraries, machine=_MACHINE)
