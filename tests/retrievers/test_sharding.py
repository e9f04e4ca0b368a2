"""An index in parts is searched as it is whole: the same documents, the same scores to the bit, the same ties."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.rankings import Rankings
from retrievers.dense.sbert import SBERT
from retrievers.encoding import Holders
from retrievers.late_interaction.colbert import ColBERT
from retrievers.late_interaction.maxsim import even_blocks, maxsim
from retrievers.lexical.bm25 import BM25
from retrievers.lexical.engines import Bm25sEngine
from retrievers.lexical.splade import SPLADE
from retrievers.lexical.terms import Vocabulary
from retrievers.sharding import Best

K = st.integers(1, 14)
"""Smaller than a shard, and larger than the whole index."""
SHARDS = st.integers(2, 6)
SEEDS = st.integers(0, 10**6)


def asked(number: int) -> list[Query]:
    return [Query(f"q{place}", "") for place in range(number)]


def hits(rankings: Rankings, k: int) -> list[list[tuple[float, int]]]:
    """The first k of each query, as the canonical order cuts them."""
    return [sorted(zip((-scores).tolist(), rows.tolist(), strict=True))[:k] for _, rows, scores in rankings]


def numbers(seed: int, *shape: int) -> np.ndarray:
    """Small whole numbers, so that there are ties and every sum is exact."""
    return np.random.default_rng(seed).integers(-2, 3, shape).astype(np.float32)


@settings(deadline=None)
@given(SEEDS, st.lists(st.integers(0, 12), max_size=4), K, st.booleans(), st.booleans())
def test_the_best_of_all_parts_are_those_of_the_whole(
    seed: int, cuts: list[int], k: int, sparse: bool, merged: bool
) -> None:
    scores = numbers(seed, 3, 12)
    scores[scores == -2] = -np.inf
    if sparse:
        scores = np.abs(np.where(np.isinf(scores), 0, scores))
    whole = Rankings.from_scores(asked(3), csr_array(scores) if sparse else scores, k)
    found = Best(3, k)
    for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), 12], strict=True):
        part = Best(3, k) if merged else found
        part.add(csr_array(scores[:, start:stop]) if sparse else scores[:, start:stop], start)
        if merged:
            found.merge(part)
    assert hits(Rankings.from_hits(asked(3), found), 12) == hits(whole, 12)


def test_what_is_no_number_is_kept_to_be_refused() -> None:
    found = Best(1, 1)
    for first, part in enumerate([[3.0], [np.nan], [2.0]]):
        found.add(np.array([part]), first)
    ((rows, values),) = found
    assert 1 in rows
    assert np.isnan(values).any()


class SmallBlocks(SBERT):
    block = 3


class OneBlock(SBERT):
    pass


def dense(kind: type[SBERT], vectors: np.ndarray, place: np.ndarray, shards: int = 1) -> SBERT:
    system = kind(device="cpu", shards=shards)
    vars(system)["encoder"] = SimpleNamespace(device="cpu")
    system._holders = Holders(place, np.zeros((place.max() + 1, 2), dtype=np.uint64))
    system._hold(vectors)
    return system


def copies(seed: int, texts: int) -> np.ndarray:
    """The text of each document; every text has a document, some have more."""
    return np.concatenate([np.arange(texts), np.random.default_rng(seed).integers(0, texts, 3)])


@settings(deadline=None)
@given(SEEDS, st.integers(1, 12), K, SHARDS)
def test_dense_shards_are_the_whole(seed: int, texts: int, k: int, shards: int) -> None:
    vectors, queries, place = numbers(seed, texts, 4), numbers(seed + 1, 5, 4), copies(seed, texts)
    whole = dense(OneBlock, vectors, place).answer(asked(5), queries, k)
    parts = dense(SmallBlocks, vectors, place, shards).answer(asked(5), queries, k)
    assert hits(parts, k) == hits(whole, k)
    assert parts.documents == len(place)
    products = Rankings.from_scores(asked(5), (queries @ vectors.T)[:, place], k)
    assert hits(whole, k) == hits(products, k)


class GivenTokens(ColBERT):
    """Queries are given as they are encoded."""

    def _encode_queries(self, texts: Any) -> Any:
        return [np.array(eval(text), dtype=np.float32) for text in texts]


def late(tokens: np.ndarray, lengths: np.ndarray, place: np.ndarray, shards: int = 1) -> ColBERT:
    system = GivenTokens(device="cpu", shards=shards)
    vars(system)["encoder"] = SimpleNamespace(device="cpu", similarity_fn_name="maxsim")
    system._vectors, system._holders = tokens, Holders(place, np.zeros((place.max() + 1, 2), dtype=np.uint64))
    system._divide(np.concatenate([[0], np.cumsum(lengths)]))
    return system


@settings(deadline=None)
@given(SEEDS, st.integers(1, 12), K, SHARDS)
def test_maxsim_shards_are_the_whole(seed: int, texts: int, k: int, shards: int) -> None:
    lengths = np.sort(np.random.default_rng(seed).integers(0, 4, texts))
    tokens, place = numbers(seed, lengths.sum(), 4), copies(seed, texts)
    questions = [Query(f"q{n}", str(numbers(seed + n, 2, 4).tolist())) for n in range(3)]
    whole = late(tokens, lengths, place).answer(questions, questions, k)
    assert hits(late(tokens, lengths, place, shards).answer(questions, questions, k), k) == hits(whole, k)


@settings(deadline=None)
@given(st.lists(st.integers(0, 900), min_size=1, max_size=40), st.integers(1, 9))
def test_maxsim_scores_blocks_to_the_bit_as_all_together(lengths: list[int], wanted: int) -> None:
    offsets = np.cumsum([0, *sorted(lengths)])
    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((offsets[-1], 8), dtype=np.float32)
    queries = [generator.standard_normal((5, 8), dtype=np.float32) for _ in range(2)]
    blocks = even_blocks(offsets, wanted)
    parts = [maxsim(queries, vectors, offsets[block.start : block.stop + 1]) for block in blocks]
    assert len(blocks) <= wanted
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), maxsim(queries, vectors, offsets))


WORDS = ["oak", "elm", "ash", "fir", "yew"]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.lists(st.sampled_from(WORDS), max_size=5), min_size=1, max_size=12).filter(any),
    st.sampled_from(["lucene", "robertson", "atire", "bm25+", "bm25l"]),
    K,
    SHARDS,
)
def test_lexical_shards_are_the_whole(documents: list[list[str]], variant: Any, k: int, shards: int) -> None:
    queries = [Query(word, f"{word} oak {word}") for word in WORDS]
    whole, parts = (lexical(documents, variant, number) for number in (1, shards))
    found = (system.answer(queries, system.read(queries), k) for system in (parts, whole))
    assert hits(next(found), k) == hits(next(found), k)


def lexical(documents: Sequence[Sequence[str]], variant: Any, shards: int) -> BM25:
    system = BM25(variant=variant, shards=shards, stemmer="none", stop_words="none")
    system._start("english", Vocabulary())
    terms = [system._vocabulary.add(words) for words in documents]
    system._index.index(terms, len(system._vocabulary))
    return system


SYSTEMS: dict[str, Callable[..., Any]] = {
    "bm25": BM25,
    "splade": lambda **options: SPLADE(device="cpu", **options),
    "sbert": lambda **options: SmallBlocks(device="cpu", **options),
    "colbert": lambda **options: ColBERT(device="cpu", **options),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_shards_of_real_text_are_the_whole_also_when_loaded(
    make_collection: Callable[..., Collection],
    docstrings: dict[str, tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
    name: str,
) -> None:
    some = list(docstrings.items())[:24]
    texts = {place: text[:120] for place, (_, text) in some}
    collection = make_collection({**texts, "copy": some[0][1][1][:120]})
    queries = [Query(place, summary) for place, (summary, _) in some if summary][:6]
    whole = SYSTEMS[name]().fit(collection)
    parts = SYSTEMS[name](shards=4).fit(collection)
    parts.save(tmp_path)
    loaded = SYSTEMS[name](shards=4)
    loaded.load(tmp_path)
    assert len(parts.blocks) > 1
    for k in (1, 3, 100):
        expected = hits(whole.retrieve(queries, k), k)
        assert hits(parts.retrieve(queries, k), k) == expected
        assert hits(loaded.retrieve(queries, k), k) == expected


def test_large_indexes_are_searched_in_blocks(
    make_collection: Callable[..., Collection], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {f"d{number}": f"note {number % 4}" for number in range(10)}
    monkeypatch.setattr(Bm25sEngine, "block", 3)
    system = BM25().fit(make_collection(texts))
    assert [block.stop - block.start for block in system.blocks] == [2, 3, 2, 3]
    assert system.retrieve([Query("q", "2")], 9).rows.tolist() == [2, 6]


@pytest.mark.parametrize(
    "made",
    [
        lambda: BM25.from_options("bm25", {"shards": 2, "engine": "rank-bm25"}),
        lambda: SBERT.from_options("sbert", {"shards": 2, "index": {"kind": "hnsw"}}),
        lambda: ColBERT.from_options("colbert", {"shards": 2, "index": {"kind": "candidates"}}),
    ],
)
def test_an_index_that_is_one_structure_has_no_shards(made: Callable[[], Any]) -> None:
    with pytest.raises(BenchError, match="leave shards at 1"):
        made()
