"""Which of the cells that were found are the suite's."""

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from copied_cells import copied, selected
from finished_cells import Finished, Silent

from bench.cells.folder import read_all
from bench.cells.record import Failure
from bench.collections.catalogue import open_dataset
from bench.errors import BenchError
from bench.leaderboard.compare import locate
from bench.leaderboard.selection import select
from bench.runner.plan import make_plan
from bench.runner.run import run_cells
from bench.suite import Suite, SystemEntry, TaskEntry


def test_a_cell_with_other_options_is_not_the_suites(finished: Finished) -> None:
    systems = [SystemEntry(retriever="bm25", options={"k1": 0.7}), SystemEntry(retriever="tf-idf")]
    suite = finished.suite.model_copy(update={"systems": systems})
    selection = select(suite, [read_all([finished.out])])
    assert {cell.system for cell in selection.cells} == {"tf-idf"}
    assert max(selection.passed_over.values()) == len(finished.cells) - len(selection.cells)
    looked_at = rf"no cell of the suite tiny was found for elsewhere \({len(finished.cells)} looked at\)"
    with pytest.raises(BenchError, match=looked_at):
        selected(finished, collections=["elsewhere"])


def test_a_bare_folder_is_the_collection_that_its_source_read(finished: Finished, beir_folder: Path) -> None:
    bare = finished.suite.model_copy(update={"datasets": [str(beir_folder)]})
    expected = [cell.system for cell in selected(finished).cells]
    assert [cell.system for cell in select(bare, [read_all([finished.out])]).cells] == expected
    (there,) = {cell.collection for cell in finished.cells}
    assert there == f"beir:{beir_folder}"
    seeded = next(cell for cell in finished.cells if cell.system == "bm25")
    assert locate("bm25", finished.out, str(beir_folder)) == seeded.folder


def test_a_system_that_is_composed_of_other_rows_is_the_suites(beir_folder: Path, tmp_path: Path) -> None:
    suite = Suite(
        name="together",
        datasets=[f"beir:{beir_folder}"],
        seeds=[3],
        systems=[
            SystemEntry(retriever="bm25", name="words", options={"k1": 0.9}),
            SystemEntry(retriever="bm25", name="stems", options={"k1": 1.2}),
            SystemEntry(retriever="hybrid", name="both", options={"parts": ["words", "stems"]}),
        ],
        tasks=[TaskEntry(task="search")],
    )
    run_cells(make_plan(suite, [open_dataset(suite.datasets[0])], tmp_path), Silent())
    assert {cell.system for cell in select(suite, [read_all([tmp_path])]).cells} == {"words", "stems", "both"}
    words, stems, both = suite.systems
    other = [words, stems.model_copy(update={"options": {"k1": 1.3}}), both]
    chosen = select(suite.model_copy(update={"systems": other}), [read_all([tmp_path])])
    assert {cell.system for cell in chosen.cells} == {"words"}


def test_of_equal_cells_the_newest_counts(finished: Finished, tmp_path: Path) -> None:
    def slower(data: dict[str, Any]) -> None:
        if "facts" in data:
            data["cost"]["seconds"] = 1234.0

    folder = copied(finished, tmp_path / "runs", ("bm25",), lambda data: None)
    renamed = copied(finished, tmp_path / "again", ("bm25",), slower)
    for path in (renamed / "cells").iterdir():
        for file in path.rglob("*.json"):
            os.utime(file, (2e9, 2e9))
        shutil.move(path, folder / "cells" / f"{path.name}x")
    selection = selected(finished, folder)
    expected = len([cell for cell in finished.cells if cell.system == "bm25"])
    assert len(selection.cells) == selection.passed_over["older than an equal cell"] == expected
    assert {cell.manifest.cost.seconds for cell in selection.cells if cell.manifest} == {1234.0}


def test_a_cell_that_failed_does_not_stand_for_one_that_answered_wherever_that_is(finished: Finished) -> None:
    answered = [cell for cell in finished.records() if cell.system == "bm25"]
    failed = [
        replace(cell, tasks=[], failure=Failure(cell=cell.identity, reason=reason, seconds=0.0), changed=when)
        for cell in answered
        for reason, when in (("early", 1.0), ("late", 2e9))
    ]
    assert all(cell.tasks for cell in select(finished.suite, [[*failed, *answered]]).cells)
    assert all(cell.tasks for cell in select(finished.suite, [failed, answered]).cells)
    reasons = {cell.failure.reason for cell in select(finished.suite, [failed]).cells if cell.failure}
    assert reasons == {"late"}


def test_a_collection_is_named_as_it_was_run_or_as_it_is_published(finished: Finished) -> None:
    spec = finished.suite.datasets[0]
    short = f"beir:{Path(spec).name}"
    suite = finished.suite.model_copy(update={"datasets": ["pydoc-1k"]})
    cells = [finished.records()]
    for name in (spec, short):
        assert select(suite, cells, collections=[name]).collections == [short]


def test_only_collections_that_the_suite_names_are_published_unasked(finished: Finished) -> None:
    suite = finished.suite.model_copy(update={"datasets": ["pydoc-1k"]})
    with pytest.raises(BenchError, match=r"was found for pydoc-1k .*; name one of beir:docstrings\d+ with --dataset"):
        select(suite, [finished.records()])


def test_the_suite_decides_the_order_of_collections(finished: Finished, tmp_path: Path) -> None:
    def elsewhere(data: dict[str, Any]) -> None:
        if "cell" in data:
            data["cell"] |= {"collection": "an earlier letter", "fingerprint": "e" * 64}

    other = copied(finished, tmp_path, ("bm25",), elsewhere)
    names = [finished.suite.datasets[0], "an earlier letter"]
    for datasets in (names, names[::-1]):
        suite = finished.suite.model_copy(update={"datasets": datasets})
        found = select(suite, [read_all([finished.out]), read_all([other])]).collections
        assert ["earlier" in name for name in found] == ["earlier" in name for name in datasets]


def test_a_cell_from_before_an_option_was_there_is_the_suites_with_its_default(
    beir_folder: Path, tmp_path: Path
) -> None:
    """Also within a part or a group. One whose default the suite changes, or without a part, is another's."""
    suite = Suite(
        name="grown",
        datasets=[f"beir:{beir_folder}"],
        seeds=[3],
        systems=[
            SystemEntry(retriever="bm25", name="words", options={"k1": 0.9}),
            SystemEntry(retriever="bm25", name="stems"),
            SystemEntry(retriever="hybrid", name="both", options={"parts": ["words", "stems"]}),
        ],
        tasks=[TaskEntry(task="search")],
    )
    run_cells(make_plan(suite, [open_dataset(suite.datasets[0])], tmp_path), Silent())

    def chosen_without(*path: str) -> set[str]:
        cells = [cell for cell in read_all([tmp_path]) if cell.system == "both"]
        (both,) = [replace(cell, identity=cell.identity.model_copy(deep=True)) for cell in cells]
        inside = both.identity.options
        for name in path[:-1]:
            inside = inside[name]
        del inside[path[-1]]
        others = [cell for cell in read_all([tmp_path]) if cell.system != "both"]
        return {cell.system for cell in select(suite, [[both, *others]]).cells}

    assert "both" in chosen_without("depth")
    assert "both" in chosen_without("parts", "words", "b")
    assert "both" not in chosen_without("parts", "words", "k1")
    assert "both" not in chosen_without("parts", "stems")
