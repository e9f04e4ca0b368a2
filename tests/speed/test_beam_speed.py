"""What the table-driven beam search costs beside Hugging Face's, with the same model, beams and identifiers."""

import tracemalloc
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from timing import seconds
from torch import Tensor
from transformers import PreTrainedModel, T5Config, T5ForConditionalGeneration

from retrievers.generative.beam import beam_search, exact_scores
from retrievers.generative.docids import digits
from retrievers.generative.huggingface import BeamModel, HuggingFaceStepper, encode
from retrievers.generative.trie import Trie, TrieTables

END = 1
LEVELS, CODES = 4, 256
VOCABULARY = 2 + LEVELS * CODES
DOCUMENTS, QUERIES, QUERY_TOKENS, BEAMS = 10_000, 256, 32, 20

Questions = tuple[Tensor, Tensor]


def named(documents: int) -> np.ndarray:
    """Four codes, each from a part of the vocabulary of its own, and the end."""
    codes = np.random.default_rng(0).integers(0, CODES, (documents, LEVELS)) + 2 + np.arange(LEVELS) * CODES
    return np.pad(np.unique(codes, axis=0), ((0, 0), (0, 1)), constant_values=END)


@pytest.fixture(scope="module")
def identifiers() -> np.ndarray:
    return named(DOCUMENTS)


@pytest.fixture(scope="module")
def tables(identifiers: np.ndarray) -> TrieTables:
    return Trie.build(identifiers, [VOCABULARY] * identifiers.shape[1]).on("cpu")


def t5(**shape: int) -> PreTrainedModel:
    torch.manual_seed(0)
    return T5ForConditionalGeneration(T5Config(vocab_size=VOCABULARY, decoder_start_token_id=0, **shape)).eval()


@pytest.fixture(scope="module")
def model() -> PreTrainedModel:
    return t5(d_model=32, d_kv=8, num_heads=4, num_layers=1, d_ff=64)


@pytest.fixture(scope="module")
def questions() -> Questions:
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


def generate(model: PreTrainedModel, questions: Questions, trie: dict[int, Any]) -> list[list[list[int]]]:
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
    return found[:, 1:].view(len(input_ids), 10, -1).tolist()


@torch.no_grad()
def search(model: BeamModel, questions: Questions, tables: TrieTables) -> np.ndarray:
    beams = beam_search(HuggingFaceStepper(model, encode(model.model, *questions)), tables, BEAMS)
    return tables.trie.items[beams.groups[:, :10].numpy()]


def in_batches(questions: Questions, size: int) -> list[Questions]:
    return list(zip(*(part.split(size) for part in questions), strict=True))


def compared(
    rounds: int,
    model: PreTrainedModel,
    questions: Questions,
    sizes: Sequence[int],
    tables: TrieTables,
    identifiers: np.ndarray,
) -> dict[str, float]:
    """Seconds of both for all questions, each in batches of the size that suits it best, and their ratio.

    Their ten best are the same.
    """
    trie, ours = nested(identifiers), BeamModel(model)
    batches = {size: in_batches(questions, size) for size in sizes}
    for batch in batches[sizes[0]]:
        assert identifiers[search(ours, batch, tables)].tolist() == generate(model, batch, trie)
    taken = seconds(
        rounds,
        **{f"tables, {n} at once": partial(each, lambda b: search(ours, b, tables), batches[n]) for n in sizes},
        **{f"generate, {n} at once": partial(each, lambda b: generate(model, b, trie), batches[n]) for n in sizes},
    )
    fast, slow = (min(taken[f"{name}, {n} at once"] for n in sizes) for name in ("tables", "generate"))
    return taken | {"ratio": slow / fast}


def each(function: Callable[[Questions], Any], batches: list[Questions]) -> None:
    for batch in batches:
        function(batch)


def test_ten_times_the_queries_per_second_of_generate_with_the_same_ten_best(
    benchmark: BenchmarkFixture,
    model: PreTrainedModel,
    questions: Questions,
    tables: TrieTables,
    identifiers: np.ndarray,
) -> None:
    best = compared(7, model, questions, [64, QUERIES], tables, identifiers)
    benchmark.extra_info.update(best, queries=QUERIES, beams=BEAMS, documents=DOCUMENTS)
    benchmark.pedantic(lambda: search(BeamModel(model), questions, tables), rounds=5)
    assert best["ratio"] > 10, best


def test_one_query_at_a_time_is_faster_too(
    benchmark: BenchmarkFixture,
    model: PreTrainedModel,
    questions: Questions,
    tables: TrieTables,
    identifiers: np.ndarray,
) -> None:
    few = questions[0][:8], questions[1][:8]
    best = compared(5, model, few, [1], tables, identifiers)
    benchmark.extra_info.update(best, queries=8, beams=BEAMS, documents=DOCUMENTS)
    benchmark.pedantic(lambda: [search(BeamModel(model), single, tables) for single in in_batches(few, 1)], rounds=5)
    assert best["ratio"] > 1, best


@pytest.mark.parametrize("documents", [1_000, 10_000, 100_000, 1_000_000])
def test_one_query_by_beams_by_exact_scores_and_by_generate(
    benchmark: BenchmarkFixture, model: PreTrainedModel, questions: Questions, documents: int
) -> None:
    """Where there are few identifiers, exact scores cost no more; beams cost the same however many there are.

    A million are not scored exactly, which takes minutes.
    """
    identifiers = named(documents)
    tables = Trie.build(identifiers, [VOCABULARY] * identifiers.shape[1]).on("cpu")
    trie, ours = nested(identifiers), BeamModel(model)
    one = questions[0][:1], questions[1][:1]

    @torch.no_grad()
    def exact() -> np.ndarray:
        scores = exact_scores(HuggingFaceStepper(ours, encode(ours.model, *one)), tables)
        return tables.trie.items[scores.topk(10).indices.numpy()]

    ways = {"beams": lambda: search(ours, one, tables), "generate": lambda: generate(model, one, trie)}
    taken = seconds(3, **ways, **({"exact": exact} if documents <= 100_000 else {}))
    benchmark.extra_info.update(taken, documents=documents, beams_kept=BEAMS)
    benchmark.pedantic(lambda: search(ours, one, tables), rounds=3)
    assert taken["beams"] < taken["generate"], taken
    assert documents <= 10_000 or taken["beams"] < taken.get("exact", np.inf), taken


def test_a_model_that_itself_takes_most_of_the_time_is_faster_too(
    benchmark: BenchmarkFixture, questions: Questions, tables: TrieTables, identifiers: np.ndarray
) -> None:
    small = t5(d_model=512, d_kv=64, num_heads=8, num_layers=6, d_ff=2048)  # the shape of T5-small
    few = questions[0][:16], questions[1][:16]
    best = compared(2, small, few, [16], tables, identifiers)
    benchmark.extra_info.update(best, queries=16, beams=BEAMS, documents=DOCUMENTS)
    benchmark.pedantic(lambda: search(BeamModel(small), few, tables), rounds=1)
    assert best["ratio"] > 1, best


@pytest.mark.parametrize("kind", ["digits", "codes"])
def test_a_million_identifiers_are_built_within_a_minute_and_200_mb(benchmark: BenchmarkFixture, kind: str) -> None:
    codes = np.random.default_rng(0).integers(0, CODES, (1_000_000, LEVELS), dtype=np.int32)
    tokens = digits(np.arange(1_000_000)).tokens if kind == "digits" else codes
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
