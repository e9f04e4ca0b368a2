"""How search servers are asked and what they answer, as data."""

import re
from dataclasses import dataclass
from typing import Any, Literal

Frame = Literal["one", "lines", "list"]
"""How questions are put into a request: one in each; as JSON lines, each after an empty header; as a list."""


@dataclass(frozen=True)
class Preset:
    """The wire format of a server.

    path: below the server's address
    question: the body of one question; text in braces stands for what `fill` puts there
    frame: how several are put together; with `list`, under the name of `questions`
    answers: where the list of answers is, one for each question; empty: the response is the one answer
    hits, id, score: where in an answer the hits are, and where in a hit its id and its score
    failed: where in an answer it says that it is not whole; whatever stands there, unless it is 0 or false
    """

    path: str
    question: Any
    frame: Frame = "one"
    questions: str = ""
    answers: str = ""
    hits: str = "hits"
    id: str = "id"
    score: str = "score"
    failed: tuple[str, ...] = ("error",)


_LUCENE = Preset(
    path="{index}/_msearch",
    question={
        "size": "{k}",
        "_source": False,
        "track_total_hits": False,
        "query": {"multi_match": {"query": "{query}", "fields": "{fields}"}},
    },
    frame="lines",
    answers="responses",
    hits="hits.hits",
    id="_id",
    score="_score",
    failed=("error", "timed_out", "_shards.failed"),
)

PRESETS: dict[str, Preset] = {
    "opensearch": _LUCENE,
    "elasticsearch": _LUCENE,
    "qdrant": Preset(
        path="collections/{index}/points/query/batch",
        question={"query": "{vector}", "limit": "{k}", "with_payload": True},
        frame="list",
        questions="searches",
        answers="result",
        hits="points",
        id="payload.id",
    ),
    "typesense": Preset(
        path="multi_search",
        question={"collection": "{index}", "q": "{query}", "query_by": "{fields,}", "per_page": "{k}"},
        frame="list",
        questions="searches",
        answers="results",
        hits="hits",
        id="document.id",
        score="text_match",
    ),
    "own": Preset(path="", question={"query": "{query}", "k": "{k}"}),
}


def fill(template: Any, values: dict[str, Any]) -> Any:
    """A template with its `{name}`s replaced: one that is a whole text by the value itself, others as text.

    `{fields,}` is a list as text, its members parted by commas.
    """
    if isinstance(template, dict):
        return {name: fill(value, values) for name, value in template.items()}
    if isinstance(template, list):
        return [fill(value, values) for value in template]
    if not isinstance(template, str):
        return template
    name = template[1:-1]
    if template == f"{{{name}}}" and name in values:
        return values[name]
    if template == f"{{{name}}}" and name.endswith(",") and name[:-1] in values:
        return ",".join(map(str, values[name[:-1]]))
    return _replaced(template, values)


def _replaced(text: str, values: dict[str, Any]) -> str:
    """In one pass, so that nothing is replaced in what a question says."""
    names = "|".join(map(re.escape, values))
    return re.sub(rf"\{{({names})\}}", lambda match: str(values[match[1]]), text)


def at(data: Any, path: str) -> Any:
    """What stands at a dotted path; None where there is nothing."""
    for name in path.split(".") if path else ():
        data = data.get(name) if isinstance(data, dict) else None
    return data
