"""A small search server on loopback that answers in the wire formats of OpenSearch, Qdrant and Typesense.

The shapes of requests and responses are those of the servers' documentation: OpenSearch's Multi-search, Qdrant's
Batch query, Typesense's federated search.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, Any]
"""Status and JSON of a response; text stands for itself."""


class Server:
    """What it was asked, and how it answers: `respond` is handed the path, the body's lines and their number."""

    def __init__(self, respond: Callable[[str, list[Any], int], Answer]) -> None:
        self.respond = respond
        self.asked: list[tuple[str, list[Any], Mapping[str, str]]] = []
        self.url = ""


@contextmanager
def serving(respond: Callable[[str, list[Any], int], Answer]) -> Iterator[Server]:
    server = Server(respond)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            lines = [json.loads(line) for line in body.splitlines()]
            server.asked.append((self.path, lines, dict(self.headers)))
            status, answer = respond(self.path, lines, len(server.asked))
            data = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None: ...

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_port}"
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def opensearch_answer(*hits: tuple[str, float], failed: int = 0, timed_out: bool = False) -> dict[str, Any]:
    return {
        "took": 2,
        "timed_out": timed_out,
        "_shards": {"total": 1, "successful": 1 - failed, "skipped": 0, "failed": failed},
        "hits": {
            "max_score": hits[0][1] if hits else None,
            "hits": [{"_index": "docs", "_id": name, "_score": score} for name, score in hits],
        },
        "status": 200,
    }


def opensearch(*answers: dict[str, Any]) -> dict[str, Any]:
    return {"took": 4, "responses": list(answers)}


def qdrant(*answers: list[tuple[str, float]]) -> dict[str, Any]:
    points = [
        [
            {"id": place, "version": 3, "score": score, "payload": {"id": name}}
            for place, (name, score) in enumerate(one)
        ]
        for one in answers
    ]
    return {"result": [{"points": one} for one in points], "status": "ok", "time": 0.0012}


def typesense(*answers: list[tuple[str, int]]) -> dict[str, Any]:
    return {
        "results": [
            {
                "found": len(one),
                "hits": [{"document": {"id": name}, "highlights": [], "text_match": score} for name, score in one],
                "out_of": 3,
                "page": 1,
            }
            for one in answers
        ]
    }
