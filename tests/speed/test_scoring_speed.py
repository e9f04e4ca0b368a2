"""Scoring and start-up, measured; run with `pytest tests/speed`."""

import subprocess
import sys
import time

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture

from bench.collections.collection import Qrels
from bench.measures.effectiveness import evaluate
from bench.measures.interval import figure_of
from bench.measures.judged import Judgements
from bench.measures.names import Effectiveness
from bench.rankings import Rankings

QUERIES, HITS, JUDGED, DOCUMENTS = 50_000, 100, 5, 20_000


def test_scoring_50000_queries_by_12_measures_takes_a_second(benchmark: BenchmarkFixture) -> None:
    generator = np.random.default_rng(0)
    ids = [str(i) for i in range(QUERIES)]
    starts = generator.integers(DOCUMENTS, size=(QUERIES, 1))
    rows = (starts + 7919 * np.arange(HITS)) % DOCUMENTS
    scores = np.tile(np.arange(HITS, 0, -1, dtype=np.float64), QUERIES)
    rankings = Rankings(ids, np.arange(0, QUERIES * HITS + 1, HITS), rows.ravel(), scores)
    judged = (
        starts + 7919 * generator.integers(DOCUMENTS // JUDGED, size=(QUERIES, 1)) + np.arange(JUDGED)
    ) % DOCUMENTS
    grades = generator.integers(0, 4, QUERIES * JUDGED)
    judgements = Judgements(Qrels(ids, np.arange(0, QUERIES * JUDGED + 1, JUDGED), judged.ravel(), grades))
    named = "nDCG@10, MRR@10, Hits@1, Hits@10, Recall@100, MAP, Judged@10, P@5, R-precision, RBP, ERR@20, bpref"
    measures = [Effectiveness.parse(name) for name in named.split(", ")]
    benchmark.pedantic(evaluate, (rankings, judgements, measures), rounds=5, warmup_rounds=1)
    assert benchmark.stats.stats.median < 1.5


def test_the_interval_of_22000_queries_takes_under_a_second(benchmark: BenchmarkFixture) -> None:
    values = np.random.default_rng(0).random(22_000)
    benchmark.pedantic(figure_of, ("nDCG@10", values), rounds=3, warmup_rounds=1)
    assert benchmark.stats.stats.median < 1.0


def test_listing_retrievers_takes_under_half_a_second(benchmark: BenchmarkFixture) -> None:
    command = [sys.executable, "-m", "bench", "list", "retrievers"]
    benchmark.pedantic(subprocess.run, (command,), {"check": True, "capture_output": True}, rounds=7, warmup_rounds=1)
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import typer"], check=True)
    benchmark.extra_info["python and typer alone, s"] = round(time.perf_counter() - started, 3)
    assert benchmark.stats.stats.median < 0.5
