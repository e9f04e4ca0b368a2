"""Servers are asked in their wire formats, a failure is a failure, and an answer that is not whole is none."""

import socket
from collections.abc import Callable
from typing import Any

import pytest
from servers import opensearch, opensearch_answer, qdrant, serving, typesense

from bench.collections.collection import Collection, Query
from bench.errors import BenchError, RemoteFailure
from bench.protocols import computes_elsewhere
from bench.runner.problems import problem_of
from retrievers.dense.sbert import SBERT
from retrievers.outside.http import HTTP

QUERIES = [Query("1", 'join "two" {k} paths'), Query("2", "read a file"), Query("3", "nothing")]


@pytest.fixture
def small(make_collection: Callable[..., Collection]) -> Collection:
    return make_collection({"a": "join paths", "b": "read files", "7": "close a file"})


def found(system: HTTP, collection: Collection, queries: list[Query] = QUERIES) -> list[list[tuple[str, float]]]:
    rankings = system.fit(collection).rankings(queries, 5)
    return [list(zip(collection.documents.ids(rows), scores.tolist(), strict=True)) for _, rows, scores in rankings]


def test_opensearch_is_asked_many_questions_at_once(small: Collection) -> None:
    answers = [opensearch_answer(("a", 3.5), ("b", 1.0)), opensearch_answer(("b", 2.0)), opensearch_answer()]
    with serving(lambda *_: (200, opensearch(*answers))) as server:
        system = HTTP(url=server.url, preset="opensearch", index="docs", fields=["text^2", "title"])
        assert found(system, small) == [[("a", 3.5), ("b", 1.0)], [("b", 2.0)], []]
    ((path, lines, headers),) = server.asked
    assert path == "/docs/_msearch"
    assert headers["Content-Type"] == "application/x-ndjson"
    assert lines[::2] == [{}, {}, {}]
    assert lines[1] == {
        "size": 5,
        "_source": False,
        "track_total_hits": False,
        "query": {"multi_match": {"query": 'join "two" {k} paths', "fields": ["text^2", "title"]}},
    }


def test_batches_are_no_larger_than_asked_for(small: Collection) -> None:
    def respond(path: str, lines: list[Any], number: int) -> tuple[int, Any]:
        return 200, opensearch(*[opensearch_answer(("a", 1.0))] * (len(lines) // 2))

    with serving(respond) as server:
        found(HTTP(url=server.url, preset="elasticsearch", index="docs", batch=2), small)
    assert [len(lines) // 2 for _, lines, _ in server.asked] == [2, 1]


def test_qdrant_is_asked_with_vectors_and_names_documents_in_its_payload(small: Collection) -> None:
    with serving(lambda *_: (200, qdrant([("7", 0.9), ("a", 0.2)], [("b", 0.5)], []))) as server:
        system = HTTP(url=server.url, preset="qdrant", index="docs", encoder="sbert")
        assert found(system, small) == [[("7", 0.9), ("a", 0.2)], [("b", 0.5)], []]
    ((path, (body,), _),) = server.asked
    assert path == "/collections/docs/points/query/batch"
    assert [search["limit"] for search in body["searches"]] == [5, 5, 5]
    expected = SBERT().embed([query.text for query in QUERIES])
    for search, vector in zip(body["searches"], expected, strict=True):
        assert search["query"] == pytest.approx(vector.tolist(), abs=1e-6)
    assert [type(part) for part in system.components()] == [SBERT]


def test_typesense_is_asked_by_its_fields(small: Collection) -> None:
    with serving(lambda *_: (200, typesense([("a", 578730123)], [], [("7", 12), ("b", 11)]))) as server:
        system = HTTP(url=server.url, preset="typesense", index="docs")
        assert found(system, small) == [[("a", 578730123.0)], [], [("7", 12.0), ("b", 11.0)]]
    assert server.asked[0][1][0]["searches"][1] == {
        "collection": "docs",
        "q": "read a file",
        "query_by": "title,text",
        "per_page": 5,
    }


def test_a_server_of_ones_own_is_told_by_options(small: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "secret")
    with serving(lambda *_: (200, {"data": {"docs": [{"key": 7, "how": {"good": 2}}]}})) as server:
        system = HTTP(
            url=f"{server.url}/find/",
            request={"text": "ask: {query}", "top": "{k}"},
            hits_path="data.docs",
            id_path="key",
            score_path="how.good",
            header_variables={"Authorization": "MY_KEY"},
        )
        assert found(system, small, QUERIES[:2]) == [[("7", 2.0)]] * 2
    assert [(path, lines[0]) for path, lines, _ in server.asked] == [
        ("/find", {"text": 'ask: join "two" {k} paths', "top": 5}),
        ("/find", {"text": "ask: read a file", "top": 5}),
    ]
    assert server.asked[0][2]["Authorization"] == "secret"
    assert "secret" not in str(system.options())


def test_a_call_that_fails_for_a_while_is_repeated(small: Collection) -> None:
    whole = opensearch(*[opensearch_answer(("a", 1.0))] * 3)
    with serving(lambda path, lines, number: (200, whole) if number == 3 else (503, "busy")) as server:
        system = HTTP(url=server.url, preset="opensearch", index="docs", backoff_s=0.01)
        assert found(system, small) == [[("a", 1.0)]] * 3
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("answer", "told", "calls"),
    [
        ((503, "busy"), "HTTP 503 Service Unavailable: busy \\(asked 3 times\\)", 3),
        ((401, "no key"), "HTTP 401 Unauthorized: no key \\(asked 1 times\\)", 1),
        ((200, "<html>"), "the response is no JSON", 1),
        ((200, {"responses": []}), "no list of 3 answers at 'responses'", 1),
        (
            (200, opensearch(*[{"error": {"type": "no such index"}, "status": 404}] * 3)),
            "error is .*no such index",
            1,
        ),
        ((200, opensearch(*[opensearch_answer(failed=1)] * 3)), "_shards.failed is 1", 1),
        ((200, opensearch(*[opensearch_answer(timed_out=True)] * 3)), "timed_out is true", 1),
        ((200, opensearch(*[{"hits": {"hits": [{"_id": "a"}]}}] * 3)), "a hit has no number at '_score'", 1),
        ((200, opensearch(*[{"hits": {}}] * 3)), "there is no list of hits at 'hits.hits'", 1),
    ],
)
def test_what_is_no_whole_answer_is_a_failure_and_never_empty(
    small: Collection, answer: tuple[int, Any], told: str, calls: int
) -> None:
    with serving(lambda *_: answer) as server:
        system = HTTP(url=server.url, preset="opensearch", index="docs", retries=2, backoff_s=0.01)
        with pytest.raises(RemoteFailure, match=told) as failure:
            found(system, small)
    assert len(server.asked) == calls
    assert problem_of(failure.value).kind == "remote failure"
    assert server.url in str(failure.value)


def test_no_server_and_a_slow_one_are_failures(small: Collection) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        slow = HTTP(url=f"http://127.0.0.1:{port}", timeout_s=0.2, retries=1, backoff_s=0.01)
        with pytest.raises(RemoteFailure, match="timed out .asked 2 times"):
            found(slow, small)
    absent = HTTP(url=f"http://127.0.0.1:{port}", retries=0)
    with pytest.raises(RemoteFailure, match="refused"):
        found(absent, small)


def test_an_unknown_document_and_a_missing_key_are_told(small: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda *_: (200, {"hits": [{"id": "zz", "score": 1}]})) as server:
        with pytest.raises(BenchError, match="the unknown document 'zz'"):
            found(HTTP(url=server.url), small)
        with pytest.raises(BenchError, match="NO_SUCH_KEY of http.header_variables is not set"):
            found(HTTP(url=server.url, header_variables={"X-Key": "NO_SUCH_KEY"}), small)


def test_its_cost_is_not_ours() -> None:
    assert computes_elsewhere(HTTP(url="http://localhost:9200"))
