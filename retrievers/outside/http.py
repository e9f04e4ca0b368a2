"""A search server as a system: OpenSearch, Elasticsearch, Qdrant, Typesense, or one's own."""

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Literal

from pydantic import Field

from bench.collections.collection import Query
from bench.errors import BenchError, RemoteFailure
from bench.protocols import Embeds
from bench.rankings import Rankings
from bench.retriever import Retriever, construct
from bench.settings import parse_query
from retrievers.outside.outside import Kept
from retrievers.outside.presets import PRESETS, Preset, at, fill

_LATER = (408, 429, 500, 502, 503, 504)
"""What a server answers when asking again may help."""


class HTTP(Kept):
    """A server that holds the documents already, under the collection's ids.

    Several questions go in a request where the server takes them. A call that fails is repeated, each time after
    twice the wait; one that fails for good, or an answer that is not whole, fails the cell and is never an empty
    answer. What the server costs is not known; latencies are those seen from here.
    """

    remote = True

    url: str = Field(pattern=r"^https?://", description="address of the server, as http://localhost:9200")
    preset: Literal["opensearch", "elasticsearch", "qdrant", "typesense", "own"] = Field(
        "own", description="wire format; own: as request and the paths say"
    )
    index: str = Field("", description="name of the index or collection on the server")
    fields: list[str] = Field(["title", "text"], description="fields that are searched, where the server takes them")
    request: dict[str, Any] = Field(
        default_factory=dict,
        description="body of one question in place of the preset's; {query}, {k}, {vector}, {index} are filled in",
    )
    hits_path: str = Field("", description="dotted path to the hits of an answer; empty: the preset's")
    id_path: str = Field("", description="dotted path to the document's id in a hit; empty: the preset's")
    score_path: str = Field("", description="dotted path to the score in a hit; empty: the preset's")
    header_variables: dict[str, str] = Field(
        default_factory=dict, description="headers, by the environment variable that holds each one's value"
    )
    encoder: str = Field("", description="retriever whose vectors stand for {vector}, as sbert")
    batch: int = Field(32, ge=1, description="questions in a request, where the server takes several")
    timeout_s: float = Field(30, gt=0, description="seconds to wait for an answer")
    retries: int = Field(4, ge=0, description="times that a failed call is repeated")
    backoff_s: float = Field(
        0.5, ge=0, description="seconds before the first repetition; doubled before each further"
    )

    def components(self) -> list[Retriever]:
        return [self._encoder] if self.encoder else []

    @cached_property
    def _encoder(self) -> Retriever:
        return construct(*parse_query(self.encoder))

    @cached_property
    def _wire(self) -> Preset:
        preset = PRESETS[self.preset]
        return Preset(
            path=fill(preset.path, {"index": self.index}),
            question=self.request or preset.question,
            frame=preset.frame,
            questions=preset.questions,
            answers=preset.answers,
            hits=self.hits_path or preset.hits,
            id=self.id_path or preset.id,
            score=self.score_path or preset.score,
            failed=preset.failed,
        )

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        """Raises RemoteFailure for a server that does not answer, or not in whole."""
        step = 1 if self._wire.frame == "one" else self.batch
        answers: list[list[tuple[str, float]]] = []
        for start in range(0, len(queries), step):
            some = queries[start : start + step]
            answers += [self._read(query, answer) for query, answer in zip(some, self._ask(some, k), strict=True)]
            self.progress("asking the server", len(answers), len(queries))
        return self.ranked(queries, answers)

    def _ask(self, queries: Sequence[Query], k: int) -> list[Any]:
        """One answer to each of the questions of a request."""
        wire = self._wire
        bodies = [fill(wire.question, values) for values in self._values(queries, k)]
        if wire.frame == "lines":
            lines = "".join(f"{{}}\n{json.dumps(body)}\n" for body in bodies)
            response = self._call(lines, "application/x-ndjson")
        else:
            body = {wire.questions: bodies} if wire.frame == "list" else bodies[0]
            response = self._call(json.dumps(body), "application/json")
        answers = at(response, wire.answers) if wire.answers else [response]
        if not isinstance(answers, list) or len(answers) != len(queries):
            raise RemoteFailure(
                self._address, f"no list of {len(queries)} answers at '{wire.answers}' in the response"
            )
        return answers

    def _values(self, queries: Sequence[Query], k: int) -> Iterator[dict[str, Any]]:
        vectors: list[Any] = [None] * len(queries)
        if self.encoder:
            if not isinstance(self._encoder, Embeds):
                raise BenchError(
                    f"http.encoder: '{self.encoder}' embeds no single texts; take one such as sbert or sif"
                )
            vectors = self._encoder.embed([query.text for query in queries]).tolist()
        for query, vector in zip(queries, vectors, strict=True):
            values = {"query": query.text, "k": k, "index": self.index, "fields": self.fields}
            yield values | ({} if vector is None else {"vector": vector})

    def _read(self, query: Query, answer: Any) -> list[tuple[str, float]]:
        """The (id, score) pairs of an answer. Raises RemoteFailure for one that is not whole."""
        wire = self._wire
        for path in wire.failed:
            if at(answer, path):
                raise RemoteFailure(self._address, f"query '{query.id}': {path} is {json.dumps(at(answer, path))}")
        hits = at(answer, wire.hits)
        if not isinstance(hits, list):
            raise RemoteFailure(self._address, f"query '{query.id}': there is no list of hits at '{wire.hits}'")
        pairs = [(at(hit, wire.id), at(hit, wire.score)) for hit in hits]
        for document_id, score in pairs:
            if document_id is None or not isinstance(score, int | float):
                lacking = f"id at '{wire.id}'" if document_id is None else f"number at '{wire.score}'"
                raise RemoteFailure(self._address, f"query '{query.id}': a hit has no {lacking}")
        return [(str(document_id), float(score)) for document_id, score in pairs]

    @property
    def _address(self) -> str:
        return f"{self.url.rstrip('/')}/{self._wire.path}".rstrip("/")

    def _call(self, body: str, kind: str) -> Any:
        """The response to a request, asked again while that may help. Raises RemoteFailure."""
        headers = {"Content-Type": kind, **self._headers()}
        request = urllib.request.Request(self._address, body.encode(), headers, method="POST")
        problem, wait = "", self.backoff_s
        for attempt in range(self.retries + 1):
            if attempt:
                time.sleep(wait)
                wait *= 2
            try:
                with urllib.request.urlopen(request, timeout=self.timeout_s) as response:
                    return json.loads(response.read())
            except urllib.error.HTTPError as error:
                problem = f"HTTP {error.code} {error.reason}: {_beginning(error)}"
                if error.code not in _LATER:
                    break
                wait = max(wait, _asked_to_wait(error))
            except ValueError as error:
                problem = f"the response is no JSON ({error})"
                break
            except OSError as error:  # no connection, or too late
                problem = f"{getattr(error, 'reason', error) or type(error).__name__}"
        raise RemoteFailure(self._address, f"{problem} (asked {attempt + 1} times)")

    def _headers(self) -> dict[str, str]:
        missing = [name for name in self.header_variables.values() if name not in os.environ]
        if missing:
            raise BenchError(f"the environment variable {missing[0]} of http.header_variables is not set; set it")
        return {header: os.environ[name] for header, name in self.header_variables.items()}

    def facts(self) -> dict[str, Any]:
        return {"cost": "remote"}


def _beginning(error: urllib.error.HTTPError) -> str:
    return " ".join(error.read(300).decode(errors="replace").split())


_LONGEST_WAIT = 60.0


def _asked_to_wait(error: urllib.error.HTTPError) -> float:
    """Seconds that the server asks for, a minute at most; 0 where it does not say."""
    told = error.headers.get("Retry-After", "")
    return min(float(told), _LONGEST_WAIT) if told.isdigit() else 0.0
