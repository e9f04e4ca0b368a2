"""TREC run and judgement files, by which other tools read the same rankings.

Ids may be any text, but these formats separate fields by white space. Where some document id of a
collection holds white space, all its document ids are written with white space and % as %XX of UTF-8, and
read back by the same rule; elsewhere they stand as they are. A query id is written so when it holds white
space, a byte-order mark or what could be taken for %XX: a run may answer a part of the queries and must not
depend on which.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote

import numpy as np

from bench.collections.collection import Collection, Documents, Query
from bench.errors import BadLine, BenchError
from bench.numbering import Ids
from bench.rankings import Rankings
from bench.runfiles import HEADER, Reading, is_of_lines, read_answers, untold
from bench.textfiles import new_text_file

_BOM = "\ufeff"
"""At a file's beginning it would be taken for no part of the text."""


def write_run(path: Path, rankings: Rankings, documents: Documents, tag: str) -> None:
    """Write canonical rankings as `query Q0 document rank score tag` lines, compressed if `path` ends in .gz.

    trec_eval reads scores as float32 and orders equal ones by its own rule. So that every tool sees the
    canonical order, scores are rounded to float32 and, where that leaves one not below the score before
    it, lowered to the next float32. Raises BenchError for rankings that are not in descending order.
    """
    names = documents.ids(rankings.rows)
    bounds = pairwise(rankings.offsets)
    answers = (
        (query_id, names[start:stop], scores)
        for (query_id, _, scores), (start, stop) in zip(rankings, bounds, strict=True)
    )
    write_answers(path, answers, tag, documents.ids_need_quoting)


def write_answers(
    path: Path,
    answers: Iterable[tuple[str, Sequence[str], np.ndarray]],
    tag: str,
    quote_documents: bool,
    header: str = "",
) -> None:
    """Write a run from query, document ids and falling scores of each answer, as `write_run` does.

    `header` describes the run in YAML; tools that do not know such a header take its lines for answers.
    """
    document_name = _quoted if quote_documents else str
    label = _quoted(tag)
    with new_text_file(path) as file:
        if header:
            file.writelines(f"{line}\n" for line in (HEADER[0], *(f"# {x}" for x in header.splitlines()), HEADER[1]))
        for query_id, names, scores in answers:
            query = query_name(query_id)
            for rank, (name, score) in enumerate(
                zip(names, _strictly_falling(scores, query_id), strict=True), start=1
            ):
                # nine digits tell any two float32 apart
                file.write(f"{query} Q0 {document_name(name)} {rank} {score:.9g} {label}\n")


def read_run(
    path: Path,
    queries: Sequence[Query],
    documents: Documents,
    repeats: Literal["refuse", "first"] = "refuse",
    tell: Callable[[Reading], None] = untold,
) -> Rankings:
    """Read a run in any form of `bench.runfiles`, plain or .gz, as answers to `queries` in the file's order.

    TREC's rank column is not looked at: as in trec_eval the score decides, and `Rankings.canonical` makes the
    order. A query that the file does not answer has an empty answer; one that it names as the same number (51 for
    051) is found. Of a document that the file repeats for a query, `first` keeps the first. Of three columns `tell`
    is called with what the third is read as. Raises BadLine for a wrong number of fields, a score that is not a
    finite number, an unknown query or document, and a document that is repeated.
    """
    decoded = unquote if is_of_lines(path) else str
    document_id_of = decoded if documents.ids_need_quoting else str
    answers: dict[str, dict[int, float]] = {query.id: {} for query in queries}
    known = Ids(answers)
    for line, query, name, score in read_answers(path, answers, tell):
        query_id = known.find(decoded(query)) or known.find(query)
        document_id = document_id_of(name)
        if query_id is None:
            expected = "a query of the collection, of any split; leave out its lines, or choose the run's collection"
            raise BadLine(path, line, f"the unknown query '{query}'", expected)
        row = documents.rows.get(document_id)
        if row is None:
            raise BadLine(path, line, f"the unknown document '{document_id}'", "a document of the collection")
        if row not in answers[query_id]:
            answers[query_id][row] = score
        elif repeats == "refuse":
            once = "a document once for each query; or keep the first: bench score --repeats first"
            raise BadLine(path, line, f"'{document_id}' again for query '{query_id}'", once)
    hits = [(np.array(list(hit), dtype=np.int64), np.array(list(hit.values()))) for hit in answers.values()]
    return Rankings.from_hits(queries, hits)


def write_qrels(path: Path, collection: Collection) -> None:
    """Write the judgements of the evaluated split as `query 0 document grade` lines, for other tools."""
    qrels = collection.qrels()
    document_name = _quoted if collection.documents.ids_need_quoting else str
    owners = np.repeat(np.arange(len(qrels.query_ids)), np.diff(qrels.offsets)).tolist()
    names = collection.documents.ids(qrels.rows)
    with new_text_file(path) as file:
        for owner, name, grade in zip(owners, names, qrels.grades, strict=True):
            file.write(f"{query_name(qrels.query_ids[owner])} 0 {document_name(name)} {grade}\n")


def _strictly_falling(scores: np.ndarray, query_id: str) -> list[float]:
    """float32 values next to `scores`, each below the one before it.

    Finite float32 values are numbered in their order, zero being 0; there, "at least one lower" is
    integer arithmetic. Room is kept for the hits that follow, so the lowest ends at the lowest float32.
    """
    if (np.diff(scores) > 0).any():
        raise BenchError(f"query '{query_id}': scores rise along the ranking; write a run from canonical rankings")
    limit = np.finfo(np.float32).max
    bits = np.clip(scores, -limit, limit).astype(np.float32).view(np.int32).astype(np.int64)
    numbers = np.where(bits >= 0, bits, -(bits & 0x7FFFFFFF))
    places = np.arange(len(scores))
    lowered = np.minimum.accumulate(numbers + places) - places
    lowest = -int(limit.view(np.int32))
    numbers = np.maximum(lowered, lowest + len(scores) - 1 - places)
    bits = np.where(numbers >= 0, numbers, -numbers | 0x80000000)
    return bits.astype(np.uint32).view(np.float32).tolist()


def query_name(query_id: str) -> str:
    """The id as run and judgement files have it."""
    return _quoted(query_id) if re.search(rf"\s|{_BOM}|%[0-9A-Fa-f]{{2}}", query_id) else query_id


def _quoted(text: str) -> str:
    return re.sub(rf"[\s%{_BOM}]", lambda match: quote(match[0]), text)
