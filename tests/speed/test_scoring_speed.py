"""Scoring and start-up, measured; run with `pytest tests/speed`."""

import subprocess
import sys
import time

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture

from bench.collections.collection import Qrels
from bench.measures.effectiveness import Judgements, evaluate, warm_up
from bench.measures.measures import Measure
from bench.rankings import Rankings

QUERIES, HITS, JUDGED, DOCUMENTS = 5_000, 100, 5, 20_000


def test_scoring_5000_queries_by_6_measures_takes_under_a_second(benchmark: BenchmarkFixture) -> None:
    generator = np.random.default_rng(0)
    ids = [str(i) for i in range(QUERIES)]
    rows = np.concatenate([generator.choice(DOCUMENTS, HITS, replace=False) for _ in ids])
    scores = np.tile(np.arange(HITS, 0, -1, dtype=np.float64), QUERIES)
    rankings = Rankings(ids, np.arange(0, QUERIES * HITS + 1, HITS), rows, scores)
    judged = np.concatenate([generator.choice(DOCUMENTS, JUDGED, replace=False) for _ in ids])
    grades = generator.integers(0, 4, QUERIES * JUDGED)
    judgements = Judgements(Qrels(ids, np.arange(0, QUERIES * JUDGED + 1, JUDGED), judged, grades))
    measures = [Measure.parse(name) for name in ("nDCG@10", "MRR@10", "Hits@1", "Hits@10", "Recall@100", "MAP")]
    warm_up()
    benchmark.pedantic(evaluate, (rankings, judgements, measures), rounds=5, warmup_rounds=1)
    assert benchmark.stats.stats.median < 1.0


def test_listing_retrievers_takes_under_half_a_second(benchmark: BenchmarkFixture) -> None:
    command = [sys.executable, "-m", "bench", "list", "retrievers"]
    benchmark.pedantic(subprocess.run, (command,), {"check": True, "capture_output": True}, rounds=7, warmup_rounds=1)
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import typer"], check=True)
    benchmark.extra_info["python and typer alone, s"] = round(time.perf_counter() - started, 3)
    assert benchmark.stats.stats.median < 0.5
