"""A retrieval benchmark harness: one `retrieve()` interface, shared collections, quality beside cost.

In a notebook:

    data = bench.open("pydoc-1k")
    bm25 = bench.retriever("bm25", k1=1.5).fit(data)
    bm25.search("join two paths", k=5)
    table = bench.evaluate([bm25, "sbert"], data)
    bench.compare(table["bm25"], table["sbert"])

Nothing is imported until it is used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydantic import Field

    from bench.collections.catalogue import Dataset
    from bench.collections.collection import Collection, Document, Query
    from bench.errors import BenchError, NotFittedError
    from bench.face.comparison import Comparison
    from bench.face.results import Result
    from bench.face.table import Table
    from bench.face.tuning import Tuned
    from bench.hits import Hits
    from bench.rankings import Rankings
    from bench.retriever import Retriever

__version__ = "0.1.0"

__all__ = [
    "BenchError",
    "Collection",
    "Document",
    "Field",
    "NotFittedError",
    "Query",
    "Rankings",
    "Retriever",
    "compare",
    "evaluate",
    "open",
    "publish",
    "retriever",
    "run",
    "search",
    "tune",
]

_HOMES = {
    "BenchError": "bench.errors",
    "Collection": "bench.collections.collection",
    "Document": "bench.collections.collection",
    "Field": "pydantic",
    "NotFittedError": "bench.errors",
    "Query": "bench.collections.collection",
    "Rankings": "bench.rankings",
    "Retriever": "bench.retriever",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'bench' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def open(spec: "str | Path") -> "Dataset":
    """A dataset by its card's name, a card file or a source: `pydoc-1k`, `beir:FOLDER?split=dev`."""
    from bench.collections.catalogue import open_dataset

    return open_dataset(str(spec))


def retriever(name: str, **options: Any) -> "Retriever":
    """A registered system with options, not yet fitted: `bench.retriever("bm25", k1=0.9)`."""
    from bench.retriever import construct

    return construct(name, options)


def search(system: "str | Retriever", data: "str | Dataset | Collection", text: str, k: int = 10) -> "Hits":
    """The k best documents of a collection for a question, with their text; fits a system that is not fitted."""
    from bench.face.systems import search

    return search(system, data, text, k)


def evaluate(systems: Any, data: "str | Dataset | Collection", tasks: Any = (), device: str | None = None) -> "Table":
    """Quality of systems on a collection, side by side.

    systems: one or several, in a list or by name in a mapping: retrievers, fitted or not; names of registered ones;
        answers made elsewhere (a mapping from query id to {document id: score}, a frame with the columns query,
        document and score, the path of a run file)
    tasks: names, or mappings with `task` and `options`; by default what the collection is for
    device: for every system with a device that is constructed here by its name
    """
    from bench.face.evaluation import evaluate

    return evaluate(systems, data, tasks, device)


def compare(first: "Result", second: "Result", measure: str = "", task: str = "", seed: int = 0) -> "Comparison":
    """Two systems of a table query by query: the difference with its interval and p, wins and losses.

    measure: the one that is tested; by default the task's primary one. task: by default the first
    """
    from bench.face.comparison import compare

    return compare(first, second, measure, task, seed)


def run(suite: str = "", **choice: Any) -> "Table":
    """Run a suite, or any systems on any datasets, in processes of their own, with their costs.

    Takes what `bench run` takes: see `bench.face.suites.run`. Finished cells are reused.
    """
    from bench.face.suites import run

    return run(suite, **choice)


def publish(suite: str, to: "str | Path" = "results", cells: Any = ("runs",), **choice: Any) -> "Table":
    """Write a suite's leaderboard from finished cells alone: tables, page, answers and manifests.

    Takes what `bench publish` takes: see `bench.face.suites.publish`.
    """
    from bench.face.suites import publish

    return publish(suite, to, cells, **choice)


def tune(system: str, dataset: "str | Dataset" = "", space: "Sequence[str]" = (), **choice: Any) -> "Tuned":
    """Choose a system's options on a split that no figure is published of, within a budget.

    Takes what `bench tune` takes: see `bench.face.tuning.tune`. Finished trials are reused.

        bench.tune("bm25", "pydoc-1k", ["k1=0.4..3", "b=0..1"], trials=20).best.options
    """
    from bench.face.tuning import tune

    return tune(system, dataset, space, **choice)
