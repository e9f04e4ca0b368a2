"""A TREC run made elsewhere, as a row: the same canonical order, the same measures, the same audit."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bench.collection import Collection
from bench.digests import digest_data, digest_file
from bench.leaderboard.formats import as_json
from bench.rankings import Rankings
from bench.store import new_folder, write_text
from bench.tasks import Figure, Judged
from bench.tasks.search import Search
from bench.trec import read_run, write_run


@dataclass(frozen=True)
class ImportedRow:
    """The figures of an external run, and what they were computed on."""

    system: str
    collection: str
    fingerprint: str
    judged: Judged
    definition: str
    rankings: Rankings

    def figures(self) -> Iterator[dict[str, Any]]:
        """One object for each figure, as `bench run --json` writes it."""
        base = {"collection": self.collection, "fingerprint": self.fingerprint, "system": self.system}
        for figure in self.judged.figures:
            measured = {"task": "search", "measure": figure.measure, "value": figure.value, "n": figure.n}
            yield base | {"options": {}, "seed": None} | measured | {"status": "imported"}


def score_run(path: Path, collection: Collection, system: str) -> ImportedRow:
    """Read and score a run. Raises BenchError, with file and line, for a run that does not fit the collection.

    Every judged query counts; one that the run leaves out counts 0. Answers to queries without a relevant
    document are ignored.
    """
    task = Search()
    questions = task.questions(collection)
    answers = read_run(path, collection.queries(), collection.documents)
    asked = {query.id for query in questions}
    kept = answers.take([i for i, query_id in enumerate(answers.query_ids) if query_id in asked])
    rankings = task.final(kept, collection, questions)
    return ImportedRow(
        system=system,
        collection=collection.name,
        fingerprint=collection.fingerprint,
        judged=task.judge(collection, rankings),
        definition=task.definition(collection),
        rankings=rankings,
    )


def keep_run(row: ImportedRow, path: Path, collection: Collection, out: Path) -> Path:
    """Leave the run as a cell that `bench publish` shows as imported; returns the cell's folder."""
    key = digest_data({"run": digest_file(path), "system": row.system, "fingerprint": row.fingerprint})
    identity = {
        "system": row.system,
        "retriever": "imported",
        "family": "imported",
        "trained": False,
        "imported": True,
        "options": {},
        "weights": {},
        "collection": row.collection,
        "fingerprint": row.fingerprint,
        "seed": 0,
        "rules": collection.rules.options(),
        "key": key,
    }
    folder = out / "cells" / f"imported.{key[:16]}"
    with new_folder(folder) as draft:
        write_text(draft / "manifest.json", as_json({"cell": identity}))
        _write_search(draft / "tasks" / f"search.{digest_data(Search().options())[:10]}", row, collection)
    return folder


def _write_search(folder: Path, row: ImportedRow, collection: Collection) -> None:
    """What a cell's search task leaves, but for the costs, which nobody knows."""
    result = {
        "task": "search",
        "options": Search().options(),
        "definition": row.definition,
        "queries": len(row.judged.query_ids),
        "figures": [_figure(figure) for figure in row.judged.figures],
        "counts": dict(row.judged.counts),
        "cost": {},
    }
    write_text(folder / "result.json", as_json(result))
    write_run(folder / "run.trec.gz", row.rankings, collection.documents, tag="imported")
    pq.write_table(
        pa.table({"query": list(row.judged.query_ids), **row.judged.per_query}), folder / "queries.parquet"
    )


def _figure(figure: Figure) -> dict[str, Any]:
    numbers = {name: getattr(figure, name) if figure.n else None for name in ("value", "low", "high")}
    return {"measure": figure.measure, "n": figure.n} | numbers
