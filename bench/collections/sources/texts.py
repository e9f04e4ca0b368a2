"""What sources of texts share: documents, then the queries of each split and those of none, then judgements."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bench.collections.collection import Document
from bench.collections.sources import Source
from bench.collections.writer import CollectionWriter
from bench.progress import Progress
from bench.textfiles import id_of, text_of

UNJUDGED = "unjudged"
"""The split of the queries that no file of judgements names; a run may answer them."""


class Asked(NamedTuple):
    """A query, and the file and line that it stands in."""

    where: str
    id: str
    text: str


class Judged(NamedTuple):
    """A judgement, and the file and line that it stands in."""

    where: str
    query: str
    document: str
    grade: int


class TextSource(Source):
    """A source whose every split asks the queries that are judged in it, in the order of the queries."""

    @abstractmethod
    def documents_of(self, writer: CollectionWriter, progress: Progress) -> Iterator[tuple[str, Document]]:
        """The documents, each with its place. `writer` is told of what was not taken as it stands."""

    @abstractmethod
    def queries_of(self, writer: CollectionWriter, progress: Progress) -> Iterator[Asked]:
        """All queries."""

    @abstractmethod
    def judgements_of(self) -> Mapping[str, Callable[[], Iterator[Judged]]]:
        """By split, what gives its judgements anew each time."""

    def read(self, writer: CollectionWriter, progress: Progress) -> None:
        for where, document in self.documents_of(writer, progress):
            writer.document(document, where)
        splits = self.judgements_of()
        judged = {split: {one.query for one in judgements()} for split, judgements in splits.items()}
        for where, query_id, text in self.queries_of(writer, progress):
            asking = [split for split, query_ids in judged.items() if query_id in query_ids]
            for split in asking or ([UNJUDGED] if text.strip() else []):
                writer.query(split, query_id, text, where)
        for split, judgements in splits.items():
            for where, query_id, document_id, grade in judgements():
                writer.judgement(split, query_id, document_id, grade, where)


def document_of(
    record: Mapping[str, Any], keys: tuple[str, str, str], path: Path, line: int, writer: CollectionWriter
) -> tuple[str, Document]:
    """A document of a record that has its id, title and text under `keys`; the title may be absent, a text null.

    Raises BadLine.
    """
    id_key, title_key, text_key = keys
    _tell(record, id_key, "document", writer)
    if text_key in record and record[text_key] is None:
        writer.count("documents whose text is null, taken as empty")
    empty = "" if text_key in record else None
    document = Document(
        id=id_of(record, id_key, path, line),
        title=text_of(record, title_key, path, line, default=""),
        body=text_of(record, text_key, path, line, default=empty),
    )
    return f"{path}:{line}", document


def query_of(
    record: Mapping[str, Any], keys: tuple[str, str], path: Path, line: int, writer: CollectionWriter
) -> Asked:
    """A query of a record that has its id and text under `keys`. Raises BadLine."""
    _tell(record, keys[0], "query", writer)
    return Asked(f"{path}:{line}", id_of(record, keys[0], path, line), text_of(record, keys[1], path, line))


def _tell(record: Mapping[str, Any], key: str, what: str, writer: CollectionWriter) -> None:
    if isinstance(record.get(key), int):
        writer.count(f"{what} ids that are numbers, taken as text")
