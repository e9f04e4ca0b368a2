"""Residual k-means of a catalogue as large as Amazon Beauty's."""

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture
from timing import seconds

from bench.progress import no_progress
from retrievers.recommenders.semantic_ids.options import TokenizerOptions
from retrievers.recommenders.semantic_ids.tokenizers import tokenize

ITEMS, DIMENSION, KINDS = 12_101, 384, 200


def test_residual_k_means_of_twelve_thousand_items_takes_less_than_five_seconds(benchmark: BenchmarkFixture) -> None:
    generator = np.random.default_rng(0)
    kinds = generator.standard_normal((KINDS, DIMENSION), dtype=np.float32)
    vectors = kinds[generator.integers(0, KINDS, ITEMS)] + generator.standard_normal((ITEMS, DIMENSION))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    options = TokenizerOptions(kind="residual-k-means", levels=3, codes=256)
    best = seconds(3, tokenizer=lambda: tokenize(options, vectors, [], 0, no_progress))
    benchmark.extra_info.update(best)
    benchmark.pedantic(lambda: tokenize(options, vectors, [], 0, no_progress), rounds=1)
    assert best["tokenizer"] < 5, best
