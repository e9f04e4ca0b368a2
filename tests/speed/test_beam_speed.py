"""What the table-driven beam search costs beside Hugging Face's, with the same model, beams and identifiers."""

import tracemalloc
from time import perf_counter
from typing import Any

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from timing import seconds
from torch import Tensor
from transformers import PreTrainedModel, T5Config, T5ForConditionalGeneration

from retrievers.generative.beam import beam_search
from retrievers.generative.docids import naive
from retrievers.generative.huggingface import HuggingFaceStepper, encode
from retrievers.generative.trie import Trie, TrieTables

END = 1
LEVELS, CODES = 4, 256
VOCABULARY = 2 + LEVELS * CODES
DOCUMENTS, QUERIES, QUERY_TOKENS, BEAMS = 10_000, 64, 32, 20


@pytest.fixture(scope="module")
def identifiers() -> np.ndarray:
    """Four codes, each from a part of the vocabulary of its own, and the end."""
    codes = np.random.default_rng(0).integers(0, CODES, (DOCUMENTS, LEVELS)) + 2 + np.arange(LEVELS) * CODES
    return np.pad(np.unique(codes, axis=0), ((0, 0), (0, 1)), constant_values=END)


@pytest.fixture(scope="module")
def tables(identifiers: np.ndarray) -> TrieTables:
    return Trie.build(identifiers, [VOCABULARY] * identifiers.shape[1]).on("cpu")


@pytest.fixture(scope="module")
def model() -> PreTrainedModel:
    torch.manual_seed(0)
    config = T5Config(vocab_size=VOCABULARY, d_model=32, d_kv=8, num_heads=4, num_layers=1, d_ff=64)
    config.decoder_start_token_id = 0
    return T5ForConditionalGeneration(config).eval()


@pytest.fixture(scope="module")
def questions() -> tuple[Tensor, Tensor]:
    generator = np.random.default_rng(1)
    mask = torch.from_numpy((np.arange(QUERY_TOKENS) < generator.integers(8, QUERY_TOKENS + 1, (QUERIES, 1))) * 1)
    return torch.from_numpy(generator.integers(2, VOCABULARY, (QUERIES, QUERY_TOKENS))) * mask, mask


def nested(identifiers: np.ndarray) -> dict[int, Any]:
    root: dict[int, Any] = {}
    for sequence in identifiers.tolist():
        node = root
        for token in sequence:
            node = node.setdefault(token, {})
    return root


def generate(model: PreTrainedModel, questions: tuple[Tensor, Tensor], trie: dict[int, Any]) -> list[list[list[int]]]:
    """The ten best identifiers of each question, with a callback that walks nested dictionaries."""

    def allowed(_: int, tokens: Tensor) -> list[int]:
        node = trie
        for token in tokens[1:].tolist():
            node = node.get(token, {})
        return list(node) or [END]

    input_ids, attention_mask = questions
    found = model.generate(
        input_ids,
        attention_mask=attention_mask,
        num_beams=BEAMS,
        num_return_sequences=10,
        max_new_tokens=LEVELS + 1,
        length_penalty=0.0,
        prefix_allowed_tokens_fn=allowed,
    )
    return found[:, 1:].view(QUERIES, 10, -1).tolist()


@torch.no_grad()
def search(model: PreTrainedModel, questions: tuple[Tensor, Tensor], tables: TrieTables) -> np.ndarray:
    beams = beam_search(HuggingFaceStepper(model, encode(model, *questions)), tables, BEAMS)
    return tables.trie.items[beams.groups[:, :10].numpy()]


def test_ten_times_the_queries_per_second_of_generate_with_the_same_ten_best(
    benchmark: BenchmarkFixture,
    model: PreTrainedModel,
    questions: tuple[Tensor, Tensor],
    tables: TrieTables,
    identifiers: np.ndarray,
) -> None:
    trie = nested(identifiers)
    assert identifiers[search(model, questions, tables)].tolist() == generate(model, questions, trie)
    best = seconds(
        5, tables=lambda: search(model, questions, tables), generate=lambda: generate(model, questions, trie)
    )
    benchmark.extra_info.update(best, queries=QUERIES, beams=BEAMS, documents=DOCUMENTS)
    benchmark.pedantic(lambda: search(model, questions, tables), rounds=5)
    assert 10 * best["tables"] < best["generate"], best


@pytest.mark.parametrize("kind", ["digits", "codes"])
def test_a_million_identifiers_are_built_within_a_minute_and_200_mb(benchmark: BenchmarkFixture, kind: str) -> None:
    codes = np.random.default_rng(0).integers(0, CODES, (1_000_000, LEVELS), dtype=np.int32)
    tokens = naive(1_000_000).tokens if kind == "digits" else codes
    sizes = (tokens.max(axis=0) + 1).tolist()
    start = perf_counter()
    tables = Trie.build(tokens, sizes).on("cpu")
    taken = perf_counter() - start
    tracemalloc.start()
    Trie.build(tokens, sizes)
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    megabytes = {"trie": tables.trie.nbytes / 1e6, "tables": tables.nbytes / 1e6, "peak while building": peak}
    benchmark.extra_info.update(megabytes, seconds=taken, states=tables.trie.states)
    benchmark.pedantic(lambda: Trie.build(tokens, sizes), rounds=1)
    assert taken < 60
    assert sum(megabytes.values()) < 200, megabytes
