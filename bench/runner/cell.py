"""One cell's life, in a process of its own: fit or load, answer every task, write each result whole."""

import json
import math
import random
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench import registry
from bench.collections.collection import Collection, Query, Rules, read_collection
from bench.progress import Progress
from bench.rankings import Rankings
from bench.retriever import Retriever
from bench.runner.cost import PeakMemory, Stopwatch, as_cost, measure_latency
from bench.runner.environment import manifest
from bench.runner.plan import Cell, PlannedTask
from bench.runner.processor import ProcessorWatch
from bench.store import folder_bytes, new_folder, write_text
from bench.tasks import Judged, Task
from bench.trec import write_run
from bench.workplace import Workplace, common_folder


def run_cell(cell: Cell, threads: int, tell: Progress) -> None:
    """Do what is left to do of the cell. Raises whatever the retriever raises; finished parts are kept."""
    registry.load_files(cell.plugin_files)
    _prepare(cell.seed, threads)
    collection = read_collection(cell.collection_folder, cell.collection, Rules(**cell.rules))
    retriever: Retriever = registry.find("retriever", cell.retriever).load()(**cell.options)
    retriever.report_to(tell)
    memory = PeakMemory()
    fit_or_load(cell, retriever, collection, memory, threads)
    for task in cell.tasks:
        if not task.done:
            _answer(task, retriever, collection, memory, threads)


def _prepare(seed: int, threads: int) -> None:
    """Seed the global generators, for plugins that use them, and bound the threads."""
    from threadpoolctl import threadpool_limits

    random.seed(seed)
    np.random.seed(seed)
    threadpool_limits(threads)
    torch = sys.modules.get("torch")
    if torch:
        torch.manual_seed(seed)
        torch.set_num_threads(threads)


def fit_or_load(cell: Cell, retriever: Retriever, collection: Collection, memory: PeakMemory, threads: int) -> None:
    """Load the cell's saved index if there is one; otherwise fit, save the index and write the manifest."""
    index, record = cell.folder / "index", cell.folder / "manifest.json"
    if record.is_file() and index.is_dir():
        retriever.progress("loading index", 0, 1)
        retriever.load(index)
        return
    retriever.progress("fitting", 0, 1)
    workplace = Workplace(cell.folder / "checkpoints", common_folder(threads))
    retriever.work_in(workplace)
    watch, processor = Stopwatch(), ProcessorWatch()
    retriever.fit(collection.training_view())
    cost: dict[str, Any] = {
        "fit_seconds": watch.seconds + workplace.reused_seconds,
        "fit_reused_seconds": workplace.reused_seconds,
        "fit_processor_seconds": processor.seconds,
        "fit_others_share": processor.others_share,
        "fit_peak_memory_mb": memory.peak,
        "fit_added_memory_mb": memory.added,
        "libraries_memory_mb": memory.start,
        "index_bytes": None,
    }
    if retriever.saves:
        retriever.progress("saving index", 0, 1)
        with new_folder(index) as draft:
            retriever.save(draft)
        cost["index_bytes"] = folder_bytes(index)
    _write_json(record, {"cell": cell.identity(), "facts": retriever.facts(), "cost": cost} | manifest(threads))
    shutil.rmtree(workplace.checkpoints, ignore_errors=True)


def _answer(
    planned: PlannedTask, retriever: Retriever, collection: Collection, memory: PeakMemory, threads: int
) -> None:
    processor = ProcessorWatch()
    task: Task = registry.find("task", planned.name).load()(**planned.options)
    questions = task.questions(collection)
    k = task.reach(collection, questions)
    retriever.progress(f"{planned.name}: answering", 0, len(questions))
    retriever.retrieve(questions[:8], k)
    watch = Stopwatch()
    answers = retriever.retrieve(questions, k)
    cost: dict[str, Any] = {"queries_per_second": len(questions) / watch.seconds, "peak_memory_mb": memory.peak}
    answer_facts = retriever.answer_facts()
    cost["added_memory_mb"] = memory.added
    rankings = task.final(answers, collection, questions)
    if task.timed:
        retriever.progress(f"{planned.name}: timing single queries", 0, 1)
        cost |= as_cost(measure_latency(retriever, questions, k))
    retriever.progress(f"{planned.name}: scoring", 0, 1)
    judged = task.judge(collection, rankings)
    groups = retriever.identifier_groups()
    diagnosis = {} if groups is None else task.diagnose(collection, rankings, groups)
    cost["others_share"] = processor.others_share
    result = {
        "task": planned.name,
        "options": planned.options,
        "definition": task.definition(collection),
        "queries": len(questions),
        "figures": [asdict(figure) for figure in judged.figures],
        "counts": {**judged.counts, **answer_facts, **diagnosis},
        "cost": cost,
    }
    with new_folder(planned.folder) as draft:
        _write_rankings(draft, rankings, questions, collection)
        _write_per_query(draft / "queries.parquet", judged)
        _write_json(draft / "result.json", result | manifest(threads))


def _write_rankings(folder: Path, rankings: Rankings, questions: Sequence[Query], collection: Collection) -> None:
    """The run file that other tools read, and the same with scores in full."""
    write_run(folder / "run.trec.gz", rankings, collection.documents, tag="bench")
    ranks = np.arange(len(rankings.rows)) - rankings.offsets[rankings.owners] + 1
    columns = {
        "query": [questions[owner].id for owner in rankings.owners],
        "document": collection.documents.ids(rankings.rows),
        "rank": ranks,
        "score": rankings.scores,
    }
    pq.write_table(pa.table(columns), folder / "rankings.parquet")


def _write_per_query(path: Path, judged: Judged) -> None:
    pq.write_table(pa.table({"query": list(judged.query_ids), **judged.per_query}), path)


def _write_json(path: Path, data: Any) -> None:
    write_text(path, json.dumps(_plain(data), indent=2, ensure_ascii=False) + "\n")


def _plain(data: Any) -> Any:
    """JSON-like data: what is not a number becomes null, never 0."""
    if isinstance(data, dict):
        return {str(key): _plain(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_plain(value) for value in data]
    if isinstance(data, np.generic):
        data = data.item()
    if isinstance(data, float) and not math.isfinite(data):
        return None
    return data if isinstance(data, str | int | float | bool | None) else str(data)
