"""What the harness's bm25 costs beside the libraries called by hand, on the same questions in the same run."""

from collections.abc import Sequence
from typing import Any

import bm25s
import pytest
import rank_bm25
import Stemmer
from pytest_benchmark.fixture import BenchmarkFixture
from timing import seconds

from bench.collections.catalogue import open_dataset
from bench.collections.collection import Collection, Query
from retrievers.lexical.bm25 import BM25

K = 100


@pytest.fixture(scope="module")
def collection() -> Collection:
    return open_dataset("pydoc").collection


@pytest.fixture(scope="module")
def queries(collection: Collection) -> Sequence[Query]:
    return collection.queries()[:1000]


@pytest.fixture(scope="module")
def retriever(collection: Collection) -> BM25:
    retriever = BM25()
    retriever.fit(collection)
    return retriever


def tokens(texts: list[str], **options: Any) -> Any:
    stemmer = Stemmer.Stemmer("english")
    pattern = r"(?u)\b\w+\b"  # the same words, in English
    return bm25s.tokenize(
        texts, stopwords="en", stemmer=stemmer, token_pattern=pattern, show_progress=False, **options
    )


def index_by_hand(collection: Collection, backend: str = "numpy") -> bm25s.BM25:
    library = bm25s.BM25(k1=1.2, b=0.75, backend=backend)
    library.index(tokens(list(collection.texts())), show_progress=False)
    return library


def ask_by_hand(library: bm25s.BM25, queries: Sequence[Query]) -> None:
    library.retrieve(tokens([query.text for query in queries]), k=K, show_progress=False)


def test_indexing_and_answering_takes_no_longer_than_bm25s_by_hand(
    benchmark: BenchmarkFixture, collection: Collection, queries: Sequence[Query]
) -> None:
    def harness() -> None:
        retriever = BM25()
        retriever.fit(collection)
        retriever.retrieve(queries, K)

    best = seconds(5, harness=harness, by_hand=lambda: ask_by_hand(index_by_hand(collection), queries))
    benchmark.extra_info.update(best)
    benchmark.pedantic(harness, rounds=1)
    assert best["harness"] < 1.2 * best["by_hand"], best


def test_answering_a_batch_takes_no_longer_than_bm25s_by_hand(
    benchmark: BenchmarkFixture, collection: Collection, queries: Sequence[Query], retriever: BM25
) -> None:
    library, compiled = index_by_hand(collection), index_by_hand(collection, "numba")
    ask_by_hand(compiled, queries)
    best = seconds(
        10,
        harness=lambda: retriever.retrieve(queries, K),
        by_hand=lambda: ask_by_hand(library, queries),
        by_hand_numba=lambda: ask_by_hand(compiled, queries),
    )
    benchmark.extra_info.update(best)
    benchmark.pedantic(lambda: retriever.retrieve(queries, K), rounds=5)
    assert best["harness"] < 1.2 * best["by_hand"], best
    assert best["harness"] < 2 * best["by_hand_numba"], best


def test_answering_one_query_takes_no_longer_than_bm25s_by_hand(
    benchmark: BenchmarkFixture, collection: Collection, queries: Sequence[Query], retriever: BM25
) -> None:
    library, some = index_by_hand(collection), queries[:100]
    best = seconds(
        10,
        harness=lambda: [retriever.retrieve([query], K) for query in some],
        by_hand=lambda: [ask_by_hand(library, [query]) for query in some],
    )
    benchmark.extra_info.update(best)
    benchmark.pedantic(lambda: retriever.retrieve(some[:1], K), rounds=50)
    assert best["harness"] < 1.2 * best["by_hand"], best


def test_thirty_times_the_queries_per_second_of_rank_bm25(
    benchmark: BenchmarkFixture, collection: Collection, queries: Sequence[Query], retriever: BM25
) -> None:
    library = rank_bm25.BM25Okapi(tokens(list(collection.texts()), return_ids=False), k1=1.2, b=0.75)
    some = queries[:100]
    rows = list(range(len(collection)))

    def by_hand() -> None:
        for query in tokens([query.text for query in some], return_ids=False):
            library.get_top_n(query, rows, n=K)

    best = seconds(3, harness=lambda: retriever.retrieve(some, K), by_hand=by_hand)
    benchmark.extra_info.update(best)
    benchmark.pedantic(lambda: retriever.retrieve(some, K), rounds=5)
    assert 30 * best["harness"] < best["by_hand"], best
