"""Writes a collection as a BEIR folder, so that other tools can run on it."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.collections.collection import Collection
from bench.errors import BenchError
from bench.store import new_folder
from bench.textfiles import new_text_file

_PARTS_ROWS = re.compile(r"[\t\r\n]")


def write_beir(collection: Collection, to: Path) -> None:
    """Write corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv, whole or not at all; `to` must not be there yet.

    A query of several splits is written once. Raises BenchError for users with histories, for ids that hold a tab or
    an end of line, and for a query whose text differs between splits: BEIR's form has no room for them.
    """
    if to.exists():
        raise BenchError(f"{to} is there already; give a folder that is not")
    if collection.sequential:
        raise BenchError(f"{collection.name} asks by histories, for which BEIR's form has no room")
    queries = _queries(collection)
    with new_folder(to) as draft:
        with new_text_file(draft / "corpus.jsonl") as file:
            for document in collection.documents:
                _refuse_tabs(document.id)
                file.write(_line(_id=document.id, title=document.title, text=document.body))
        with new_text_file(draft / "queries.jsonl") as file:
            file.writelines(_line(_id=query_id, text=text) for query_id, text in queries.items())
        for split in collection.splits:
            rows = list(_judgements(collection, split))
            if rows:
                with new_text_file(draft / "qrels" / f"{split}.tsv") as file:
                    file.write("query-id\tcorpus-id\tscore\n")
                    file.writelines(rows)


def _queries(collection: Collection) -> Mapping[str, str]:
    """Text by id, over all splits."""
    texts: dict[str, str] = {}
    for queries in collection.split_queries.values():
        for query in queries:
            _refuse_tabs(query.id)
            if texts.setdefault(query.id, query.text) != query.text:
                raise BenchError(
                    f"query '{query.id}' has another text in another split; BEIR's form has no room for it"
                )
    return texts


def _judgements(collection: Collection, split: str) -> Iterator[str]:
    qrels = collection.qrels(split)
    for position, query_id in enumerate(qrels.query_ids):
        rows, grades = qrels.of(position)
        for document_id, grade in zip(collection.documents.ids(rows), grades.tolist(), strict=True):
            yield f"{query_id}\t{document_id}\t{grade}\n"


def _line(**record: str) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"


def _refuse_tabs(name: str) -> None:
    if _PARTS_ROWS.search(name):
        raise BenchError(f"the id '{name}' holds a tab or an end of line, for which BEIR's qrels have no room")
