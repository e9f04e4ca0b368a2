"""What the harness adds to encoding and MaxSim by hand, on the same texts in the same run."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import maxsim as library_maxsim
from timing import seconds

from bench.collections.catalogue import open_dataset
from bench.collections.collection import Collection
from bench.models import MINILM, computes_bfloat16, find_weights
from retrievers.dense.sbert import SBERT
from retrievers.late_interaction.colbert import ColBERT
from retrievers.late_interaction.maxsim import maxsim
from retrievers.late_interaction.pruning import maxsim_of_likely

Tokens = list[np.ndarray]


@pytest.mark.parametrize(
    "precision",
    [
        "float32",
        pytest.param(
            "bfloat16",
            marks=pytest.mark.skipif(
                not computes_bfloat16("cpu"), reason="this processor does not compute in bfloat16"
            ),
        ),
    ],
)
def test_fitting_takes_no_longer_than_encoding_by_hand(
    benchmark: BenchmarkFixture, make_collection: Callable[..., Collection], precision: str
) -> None:
    some = open_dataset("pydoc").collection.documents[:96]
    collection = make_collection(some)
    model = SentenceTransformer(str(find_weights(MINILM).folder), device="cpu").to(getattr(torch, precision))
    retriever = SBERT(device="cpu", precision=precision)
    retriever.embed(["warm"])
    texts = list(collection.texts())
    model.encode(texts[:64])
    best = seconds(9, harness=lambda: retriever.fit(collection), by_hand=lambda: model.encode(texts))
    benchmark.extra_info.update(best)
    benchmark.pedantic(lambda: retriever.embed(texts[:64]), rounds=1)
    assert best["harness"] < 1.05 * best["by_hand"], best


@pytest.fixture(scope="module")
def documents() -> Tokens:
    """Token vectors of 1,000 documents whose lengths spread as those of real text do."""
    generator = np.random.default_rng(0)
    lengths = np.sort(np.clip(generator.lognormal(4.7, 0.7, 1000).astype(int), 4, 254))
    return [generator.standard_normal((length, 384), dtype=np.float32) for length in lengths]


@pytest.mark.parametrize(("number", "slack"), [(1, 2.0), (100, 1.3)])
def test_maxsim_takes_little_longer_than_its_matrix_product(
    benchmark: BenchmarkFixture, documents: Tokens, number: int, slack: float
) -> None:
    queries = [np.random.default_rng(i).standard_normal((15, 384), dtype=np.float32) for i in range(number)]
    vectors, offsets = np.concatenate(documents), np.cumsum([0, *map(len, documents)])
    left, right = torch.from_numpy(np.concatenate(queries)), torch.from_numpy(vectors)
    ours, theirs = (list(map(torch.from_numpy, side)) for side in (queries, documents))
    best = seconds(
        5,
        harness=lambda: maxsim(queries, vectors, offsets),
        product=lambda: left @ right.T,
        library=lambda: library_maxsim(ours, theirs),
    )
    benchmark.extra_info.update({**best, "gflops": 2 * left.numel() * len(right) / best["harness"] / 1e9})
    benchmark.pedantic(lambda: maxsim(queries, vectors, offsets), rounds=3)
    assert best["harness"] < slack * best["product"], best
    assert best["harness"] < best["library"], best


@pytest.mark.skipif(not computes_bfloat16("cpu"), reason="this processor does not compute in bfloat16")
def test_ruling_documents_out_in_bfloat16_takes_less_than_two_thirds_of_scoring_all(
    benchmark: BenchmarkFixture, make_collection: Callable[..., Collection]
) -> None:
    """Questions are the beginnings of real documents with some noise, much as those of a probe."""
    system = ColBERT(device="cpu").fit(make_collection(open_dataset("pydoc").collection.documents[:400]))
    vectors, offsets = np.asarray(system._vectors), system._offsets
    generator = np.random.default_rng(0)
    queries = [
        one[:60] + generator.normal(0, 0.03, one[:60].shape) for one in system.document_vectors(np.arange(200))
    ]
    queries = [(one / np.linalg.norm(one, axis=1, keepdims=True)).astype(np.float32) for one in queries]
    best = seconds(
        3,
        harness=lambda: maxsim_of_likely(queries, vectors, offsets, 10),
        in_full=lambda: maxsim(queries, vectors, offsets),
    )
    benchmark.extra_info.update(best)
    benchmark.pedantic(lambda: maxsim_of_likely(queries, vectors, offsets, 10), rounds=1)
    assert best["harness"] < 2 / 3 * best["in_full"], best
