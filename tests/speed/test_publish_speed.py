"""Publishing and testing leaderboards, measured; run with `pytest tests/speed`."""

from pathlib import Path

import numpy as np
import pytest
from many_cells import write_cells
from pytest_benchmark.fixture import BenchmarkFixture
from scipy.stats import permutation_test
from timing import seconds

from bench.cells.folder import read_all
from bench.leaderboard.publish import publish
from bench.leaderboard.selection import select
from bench.measures.significance import randomisation_p
from bench.suite import Suite, SystemEntry, TaskEntry


def published(suite: Suite, cells: Path, results: Path) -> int:
    """Publish as the command does; the size of the page in bytes."""
    publish(suite, select(suite, [read_all([cells])]), results)
    return (results / suite.name / "index.html").stat().st_size


def test_publishing_a_suite_of_11_systems_4_tasks_and_3_seeds_takes_under_10_seconds(
    benchmark: BenchmarkFixture, tmp_path: Path
) -> None:
    suite = Suite(
        name="dsi",
        datasets=["pydoc-1k"],
        systems=[SystemEntry(retriever="made-up", name=f"system {number}") for number in range(11)],
        tasks=[TaskEntry(task=task) for task in ("search", "exclusivity", "completeness", "relevance")],
        seeds=[0, 1, 2],
    )
    write_cells(suite, suite.datasets, tmp_path / "runs")
    size = benchmark.pedantic(published, (suite, tmp_path / "runs", tmp_path / "results"), rounds=1, warmup_rounds=1)
    assert size < 3_000_000
    assert benchmark.stats.stats.median < 10


@pytest.mark.parametrize("tasks", [("search",), ("search", "relevance")])
def test_publishing_60_systems_on_10_collections_takes_under_a_minute(
    benchmark: BenchmarkFixture, tmp_path: Path, tasks: tuple[str, ...]
) -> None:
    suite = Suite(
        name="large",
        datasets=[f"collection {number}" for number in range(10)],
        systems=[SystemEntry(retriever="made-up", name=f"system {number}") for number in range(60)],
        tasks=[TaskEntry(task=task) for task in tasks],
    )
    write_cells(suite, suite.datasets, tmp_path / "runs")
    size = benchmark.pedantic(published, (suite, tmp_path / "runs", tmp_path / "results"), rounds=1)
    benchmark.extra_info["page, bytes"] = size
    assert size < 3_000_000
    assert benchmark.stats.stats.median < 60


def test_all_pairs_of_25_systems_are_tested_faster_than_by_scipy_one_by_one() -> None:
    values = np.random.default_rng(0).random((25, 300))
    flips, tried = 12_000, 3

    def difference(first: np.ndarray, second: np.ndarray, axis: int) -> np.ndarray:
        return np.mean(first - second, axis=axis)

    def one_by_one() -> None:
        for other in range(1, 1 + tried):
            permutation_test(
                (values[0], values[other]), difference, permutation_type="samples", vectorized=True,
                n_resamples=flips, batch=1000,
            )  # fmt: skip

    taken = seconds(2, ours=lambda: randomisation_p(values, flips=flips), theirs=one_by_one)
    pairs = 25 * 24 // 2
    assert taken["ours"] * 20 < taken["theirs"] / tried * pairs
