"""Measures that depend on more than answers: their values are published, and the rest is computed again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.cells.folder import read, write_manifest, write_task
from bench.cells.record import Identity, Manifest, TaskResult
from bench.collections.catalogue import Dataset
from bench.leaderboard.publish import publish
from bench.leaderboard.published import Published, read_published
from bench.leaderboard.selection import select
from bench.rankings import Rankings
from bench.suite import Suite, SystemEntry, TaskEntry
from bench.tasks.next_item import NextItem
from bench.verification.check import worst
from bench.verification.verify import verify

EXPECTED = "expected Recall@10"


@pytest.fixture
def published(make_sequences: Any, tmp_path: Path) -> tuple[Published, Dataset]:
    """A system whose items share identifiers by twos, on a small catalogue."""
    collection = make_sequences({f"u{i}": [f"i{(i + step) % 40}" for step in range(5)] for i in range(30)})
    task = NextItem()
    exam = task.on(collection)
    rows = np.arange(30).reshape(1, -1).repeat(len(exam.queries), axis=0)
    answers = Rankings.from_hits(exam.queries, [(row, -np.arange(30.0)) for row in rows])
    evaluation = exam.evaluate(answers, np.arange(len(collection)) // 2)
    assert EXPECTED in evaluation.values
    result = TaskResult(
        task="next_item", options=task.options(), definition=exam.definition, queries=len(exam.queries),
        depth=exam.depth, timed=exam.timed, measures=list(exam.measures), columns=list(exam.columns),
        figures=list(evaluation.figures), counts=list(evaluation.counts),
    )  # fmt: skip
    identity = Identity(
        system="sid", retriever="imported", family="imported", trained=False, imported=True, options={}, weights={},
        collection="sequences", fingerprint=collection.fingerprint, rules=collection.rules.options(), seed=0, key="k",
    )  # fmt: skip
    write_task(tmp_path / "cell" / "tasks" / "next_item.1", result, evaluation, collection.documents)
    write_manifest(tmp_path / "cell", Manifest(cell=identity))
    suite = Suite(
        name="pairs",
        datasets=["sequences"],
        systems=[SystemEntry(retriever="bm25")],
        tasks=[TaskEntry(task="next_item")],
    )
    publish(suite, select(suite, [[read(tmp_path / "cell")]]), tmp_path / "results")
    dataset = Dataset(spec="sequences", collection=collection, folder=tmp_path, card=None)
    return read_published(tmp_path / "results" / "pairs"), dataset


def test_their_figures_stand_in_the_board_and_are_verified(published: tuple[Published, Dataset]) -> None:
    found, dataset = published
    row = found.board.collections[0].blocks[0].rows[0]
    assert EXPECTED in row.figures
    checks = list(verify(found, {"sequences": dataset}))
    assert [check for check in checks if check.verdict != "OK"] == []
    assert any(check.what.endswith(f"sid: {EXPECTED}") for check in checks)


def test_only_their_values_are_published_and_a_changed_one_is_caught(published: tuple[Published, Dataset]) -> None:
    found, dataset = published
    (task,) = next(iter(found.cells.values())).tasks
    values = found.runs(task.values)
    import pyarrow.parquet as pq

    table = pq.read_table(values)
    assert table.column_names == ["query", EXPECTED, "SID-level Recall@10"]
    pq.write_table(table.set_column(1, EXPECTED, [[1.0] * len(table)]), values)
    checks = list(verify(replace(found), {"sequences": dataset}))
    failed = {check.what for check in checks if check.verdict == "FAIL"}
    assert f"runs/{task.values}" in failed
    assert not any(check.what.endswith(f"sid: {EXPECTED}") and check.verdict == "OK" for check in checks)
    assert worst(checks) == "FAIL"
