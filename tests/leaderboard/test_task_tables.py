"""The tables on the screen and the figures as JSON, made of results written by hand."""

import json
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.leaderboard.figures import figures
from bench.leaderboard.table import tables
from bench.results import CellResult, TaskResult
from bench.runner.plan import Cell, PlannedTask
from bench.tasks import Figure
from bench.tasks.completeness import Completeness
from bench.tasks.relevance import Relevance

DIGEST = "0123abcd"


def _planned(name: str, **options: Any) -> PlannedTask:
    return PlannedTask(name, options, Path("tasks") / name)


def _cell(system: str, weights: Mapping[str, str], *tasks: PlannedTask, seed: int = 0) -> Cell:
    return Cell(
        system=system,
        retriever=system,
        family="dense",
        trained=False,
        options={},
        weights=dict(weights),
        collection="small",
        fingerprint="f" * 64,
        collection_folder=Path("small"),
        rules={"split": "test"},
        seed=seed,
        key=f"{system}{seed}",
        folder=Path("cells") / system,
        tasks=tasks,
    )


def _result(cell: Cell, *tasks: TaskResult) -> CellResult:
    machine = {"processor": "abacus", "threads": 2, "accelerator": "none"}
    return CellResult(cell, tasks, {"fit_seconds": 1.0, "fit_peak_memory_mb": 2.0, "index_bytes": 3}, machine)


def _relevance(value: float) -> TaskResult:
    counts = {f"missing@{rank}": 0 for rank in range(1, 11)} | {"judge": "the old judge", "judge_weights": DIGEST}
    found = {name: Figure(name, value, 9, value - 0.1, value + 0.1) for name in Relevance().measures()}
    return TaskResult("relevance", "lower is better", 9, found, counts, {"queries_per_second": 1.0})


def _completeness(value: float | None, n: int = 9) -> TaskResult:
    found = {name: Figure(name, value, n, value, value) for name in Completeness().measures()}  # type: ignore[arg-type]
    return TaskResult("completeness", f"of {n} sentences", 9, found, {"unanswered": 0}, {"queries_per_second": 1.0})


def _shown(*results: CellResult) -> str:
    console = Console(width=140, record=True, file=StringIO())
    console.print(tables(results))
    return console.export_text()


def test_systems_that_share_weights_with_the_judge_are_marked() -> None:
    task = _planned("relevance")
    shown = _shown(
        _result(_cell("bm25", {}, task), _relevance(0.2)),
        _result(_cell("sbert", {"some/model": DIGEST}, task), _relevance(0.1)),
        _result(_cell("other", {"other/model": "ffff"}, task), _relevance(0.3)),
    )
    assert "sbert *" in shown
    assert "* shares weights with the judge, the old judge" in shown
    assert shown.count("*") == 2
    assert "lower is better" in shown


def test_each_task_has_a_table_of_its_own_with_its_definition() -> None:
    tasks = (_planned("completeness"), _planned("relevance"), _planned("completeness", selector="textrank"))
    results = (_completeness(0.25), _relevance(0.5), _completeness(0.75, n=7))
    lines = [line.strip() for line in _shown(_result(_cell("bm25", {}, *tasks), *results)).splitlines()]
    assert lines[0].startswith("small   fingerprint ffffff")
    heads = [line.split()[0] for line in lines if line.startswith(("completeness", "relevance"))]
    assert heads == ["completeness", "relevance", "completeness"]
    rows = [line.split()[2] for line in lines if line.startswith("bm25")]
    assert rows == [".250", ".500", ".750"]
    notes = [lines.index(note) for note in ("of 9 sentences", "lower is better", "of 7 sentences")]
    assert notes == sorted(notes)


def test_seeds_are_averaged_and_a_figure_of_no_query_is_a_dash() -> None:
    task = _planned("completeness")
    shown = _shown(
        _result(_cell("dsi", {}, task), _completeness(0.2)),
        _result(_cell("dsi", {}, task, seed=1), _completeness(0.4)),
        _result(_cell("none", {}, task), _completeness(None, n=0)),
    )
    row = next(line for line in shown.splitlines() if line.startswith("dsi"))
    assert row.split()[2:6] == ["2", "(±.141)", ".300", "±.000"]
    assert next(line for line in shown.splitlines() if line.startswith("none")).split()[2:] == ["1", *["–"] * 6]


def test_a_measure_that_the_options_leave_out_has_no_column() -> None:
    task = _planned("exclusivity", lengths=[8], dropped=0)
    names = ("Hits@1 N=8", "Hits@10 N=8", "MRR@10 N=8")
    found = {name: Figure(name, 0.5, 9, 0.4, 0.6) for name in names}
    result = TaskResult("exclusivity", "words", 9, found, {}, {"queries_per_second": 1.0})
    shown = _shown(_result(_cell("bm25", {}, task), result))
    assert "@1 N=8" in shown
    assert "N=32" not in shown


def test_no_word_is_the_value_of_a_measure() -> None:
    rows = list(figures([_result(_cell("bm25", {}, _planned("relevance")), _relevance(0.2))]))
    assert {row["measure"] for row in rows} >= {"fail@1", "fail@10", "missing@10"}
    assert all(isinstance(row["value"], int | float) for row in rows)
    assert DIGEST not in json.dumps(rows)


@pytest.mark.parametrize("task", ["completeness", "relevance"])
def test_a_failed_cell_is_a_line_and_no_row(task: str) -> None:
    failed = CellResult(_cell("dsi", {}, _planned(task)), problem="out of memory")
    assert "small: no cell is done" in _shown(failed)
    assert "dsi (seed 0) failed: out of memory" in _shown(failed)
