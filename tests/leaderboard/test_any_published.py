"""Whatever a published folder holds, reading it gives board, cells and answers, or one line on what is wrong."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bad_input import EXTENT, changes, mutations, one_clear_line, search
from boards import board
from made_cells import MACHINE, identity

from bench.cells.record import Environment, FitCost, TaskCost
from bench.leaderboard.answers import answers_by_query, publish_answers, publish_values, read_values
from bench.leaderboard.published import BOARD, MANIFESTS, PublishedCell, PublishedTask, read_published
from bench.leaderboard.writers.json import as_json
from bench.measures.measure import Count

CELL = PublishedCell(
    cell=identity(),
    fitted=True,
    facts={"learned": [1, 2]},
    cost=FitCost(seconds=1.0),
    environment=Environment(machine=MACHINE),
    problem="",
    tasks=[
        PublishedTask(
            task="search",
            options={"depth": 10},
            counts=[Count("short", 1.0, "few answers")],
            cost=TaskCost(p50_ms=1.0),
            environment=None,
            answers="a.parquet",
            sha256="00",
        )
    ],
)


@pytest.mark.parametrize("extent", EXTENT)
def test_a_published_cell_of_another_structure_is_refused_in_one_line(extent: int, tmp_path: Path) -> None:
    (tmp_path / MANIFESTS).mkdir()
    (tmp_path / BOARD).write_text(as_json(board(["bm25"], ["birds"]).as_data()))
    path = tmp_path / MANIFESTS / "a.json"
    path.write_text(CELL.as_json())
    read_published(tmp_path)

    def check(data: Any) -> None:
        path.write_text(json.dumps(data))
        one_clear_line(lambda: [cell.as_json() for cell in read_published(tmp_path).cells.values()])

    search(changes(json.loads(CELL.as_json())), check, extent)


@pytest.mark.parametrize("extent", EXTENT)
def test_any_bytes_are_answers_or_one_clear_line(extent: int, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = {"query": ["q1", "q1", "q2"], "document": ["heron", "eel", "heron"], "rank": [1, 2, 1]}
    pq.write_table(pa.table(table | {"score": [2.5, 1.5, 1.0]}), tmp_path / "full.parquet")
    publish_answers(tmp_path / "full.parquet", path)
    whole = path.read_bytes()
    assert [query for query, *_ in answers_by_query(path)] == ["q1", "q2"]

    def check(data: bytes) -> None:
        path.write_bytes(data)
        one_clear_line(lambda: list(answers_by_query(path)))

    search(mutations(whole), check, extent)


@pytest.mark.parametrize("extent", EXTENT)
def test_any_bytes_are_values_or_one_clear_line(extent: int, tmp_path: Path) -> None:
    path = tmp_path / "a.values.parquet"
    publish_values(["q1", "q2"], {"fail@1": np.array([0.5, 0.25])}, path)
    whole = path.read_bytes()

    def check(data: bytes) -> None:
        path.write_bytes(data)
        one_clear_line(lambda: read_values(path, ["q1", "q2"]))

    search(mutations(whole), check, extent)
