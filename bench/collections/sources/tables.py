"""Documents, queries and judgements in tables: Parquet, CSV, TSV or JSON lines, columns found by name or named."""

import re
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field

from bench.collections.collection import Document
from bench.collections.sources.records import FORMATS, columns_of, read_records
from bench.collections.sources.texts import Asked, Judged, TextSource, document_of, query_of
from bench.collections.writer import CollectionWriter
from bench.errors import BadLine, BenchError
from bench.options import Options
from bench.progress import Progress
from bench.textfiles import file_state, id_of, parse_grade

_LAYOUT = (
    "a folder of tables holds documents, queries and qrels, each as .parquet, .csv, .tsv or .jsonl; other files are "
    "named by documents=, queries=, qrels="
)
_IDS = ("_id", "id", "doc_id", "docid", "docno", "document_id", "pid", "item_id")
_USUAL = {
    "document_id": (*_IDS, "corpus-id"),
    "document_title": ("title", "name", "headline"),
    "document_text": ("text", "body", "contents", "content", "passage", "abstract", "description"),
    "query_id": ("_id", "id", "query_id", "query-id", "qid"),
    "query_text": ("text", "query", "question", "title"),
    "judged_query": ("query-id", "query_id", "qid", "query"),
    "judged_document": ("corpus-id", "corpus_id", "document", *_IDS[2:]),
    "judged_grade": ("score", "relevance", "grade", "label", "rel"),
    "judged_split": ("split",),
}
"""What columns are called, most usual name first."""

_WHOLE = re.compile(r"(?<=\d)\.0+$")
_OPTIONAL = ("document_title", "judged_grade", "judged_split")


class Columns(Options):
    """What the columns are called; empty: by their usual names."""

    document_id: str = Field("", description="of documents: the id; empty: _id, id, doc_id, ...")
    document_title: str = Field("", description="of documents: the title; empty: title, if there is one")
    document_text: str = Field("", description="of documents: the text; empty: text, body, contents, ...")
    query_id: str = Field("", description="of queries: the id; empty: _id, id, query_id, ...")
    query_text: str = Field("", description="of queries: the text; empty: text, query, question, ...")
    judged_query: str = Field("", description="of qrels: the query's id; empty: query-id, query_id, ...")
    judged_document: str = Field("", description="of qrels: the document's id; empty: corpus-id, doc_id, ...")
    judged_grade: str = Field("", description="of qrels: the grade; empty: score, relevance, ...; if none, 1")
    judged_split: str = Field("", description="of qrels: the split; empty: split, if there is one, else test")

    def found(self, part: str, paths: Sequence[Path]) -> dict[str, str]:
        """The columns of a part (document, query or judged) in its files, by what they hold.

        Raises BenchError for one that is not there.
        """
        there = columns_of(paths)
        chosen = {}
        for name, usual in _USUAL.items():
            if name.startswith(part):
                wanted = getattr(self, name)
                column = wanted if wanted in there else next((one for one in usual if one in there), "")
                missing = (wanted and column != wanted) or (there and not column and name not in _OPTIONAL)
                if missing:
                    known = ", ".join(there)
                    asked = f"no column '{wanted}'" if wanted else f"no column for the {name.replace('_', ' ')}"
                    raise BenchError(f"{paths[0]} has {asked} (it has {known}); name it: columns.{name}=NAME")
                chosen[name.partition("_")[2]] = column
        return chosen


class RecordSource(TextSource):
    """A source of files of records. A subclass says which files hold what."""

    columns: Columns = Field(default_factory=Columns, description="what the columns are called")

    @abstractmethod
    def files(self) -> tuple[list[Path], list[Path], dict[str, list[Path]]]:
        """Files of documents, of queries, and of judgements by split; "" where a column or no one tells the split."""

    def state(self) -> dict[str, Any]:
        documents, queries, qrels = self.files()
        paths = [*documents, *queries, *(path for part in qrels.values() for path in part)]
        return {"files": [file_state(path) for path in paths]}

    def documents_of(self, writer: CollectionWriter, progress: Progress) -> Iterator[tuple[str, Document]]:
        paths = self.files()[0]
        column = self.columns.found("document", paths)
        for path in paths:
            for line, record in read_records(path, partial(progress, "reading documents")):
                keys = (column["id"], column["title"], column["text"])
                yield document_of(record, keys, path, line, writer)

    def queries_of(self, writer: CollectionWriter, progress: Progress) -> Iterator[Asked]:
        paths = self.files()[1]
        column = self.columns.found("query", paths)
        for path in paths:
            for line, record in read_records(path, partial(progress, "reading queries")):
                yield query_of(record, (column["id"], column["text"]), path, line, writer)

    def judgements_of(self) -> Mapping[str, Callable[[], Iterator[Judged]]]:
        found: dict[str, Callable[[], Iterator[Judged]]] = {}
        for split, paths in self.files()[2].items():
            column = self.columns.found("judged", paths)
            if split or not column["split"]:
                found[split or "test"] = partial(_judgements, paths, column, "")
            else:
                for one in _splits(paths, column["split"]):
                    found[one] = partial(_judgements, paths, column, one)
        return found


def _splits(paths: Sequence[Path], column: str) -> list[str]:
    return sorted({_split_of(record, column) for path in paths for _, record in read_records(path)})


def _split_of(record: Mapping[str, Any], column: str) -> str:
    """A judgement without a split is of `test`."""
    value = record.get(column)
    return str(value) if value is not None and str(value).strip() else "test"


def _judgements(paths: Sequence[Path], column: Mapping[str, str], split: str) -> Iterator[Judged]:
    """The judgements of the files, or of one of the splits that a column tells."""
    for path in paths:
        for line, record in read_records(path):
            if not split or _split_of(record, column["split"]) == split:
                query, document = (id_of(record, column[name], path, line) for name in ("query", "document"))
                yield Judged(f"{path}:{line}", query, document, _grade(record, column["grade"], path, line))


def _grade(record: Mapping[str, Any], column: str, path: Path, line: int) -> int:
    """A whole number, also where a table holds it as 2.0, or a file of text does. Raises BadLine."""
    value = record.get(column, 1) if column else 1
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None:
        raise BadLine(path, line, f"no '{column}'", "a grade of relevance")
    return parse_grade(_WHOLE.sub("", str(value)), path, line)


class Tables(RecordSource):
    """Tables of documents, queries and judgements: Parquet, CSV, TSV or JSON lines; all but Parquet may be .gz.

    Columns are found by their usual names, or named by columns.NAME=COLUMN. Judgements without a grade are 1, without
    a split they are of "test"; queries that no judgement names are in the split "unjudged".
    """

    argument = "folder"
    layout = _LAYOUT

    folder: Path | None = Field(None, description="folder that holds documents, queries and qrels")
    documents: Path | None = Field(None, description="file of documents, instead of the folder's")
    queries: Path | None = Field(None, description="file of queries, instead of the folder's")
    qrels: Path | None = Field(None, description="file of judgements, instead of the folder's")

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        return all(_table(folder, name) for name in ("documents", "queries", "qrels"))

    def files(self) -> tuple[list[Path], list[Path], dict[str, list[Path]]]:
        documents, queries, qrels = (self._find(name) for name in ("documents", "queries", "qrels"))
        return [documents], [queries], {"": [qrels]}

    def _find(self, name: str) -> Path:
        found = getattr(self, name) or (_table(self.folder, name) if self.folder else None)
        if found is None:
            lacking = f"{self.folder} lacks {name}" if self.folder else f"table: no folder and no file of {name}"
            raise BenchError(f"{lacking}; {_LAYOUT}")
        return Path(found)


def _table(folder: Path, name: str) -> Path | None:
    candidates = (folder / f"{name}{end}{packed}" for end in FORMATS for packed in ("", ".gz"))
    return next((path for path in candidates if path.is_file()), None)
