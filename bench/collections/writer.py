"""Makes a collection's folder from a stream of documents, queries and judgements, checking each as it comes."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from bench.collections.collection import Document, Documents, read_table
from bench.collections.ids import Repetitions
from bench.errors import BenchError
from bench.seals import seal

_DOCUMENTS = pa.schema([("id", pa.string()), ("title", pa.string()), ("body", pa.string())])
_QUERIES = pa.schema(
    [
        ("split", pa.string()),
        ("id", pa.string()),
        ("text", pa.string()),
        ("history", pa.list_(pa.string())),
        ("times", pa.list_(pa.float64())),
        ("of", pa.string()),
    ]
)
_QRELS = pa.schema([("split", pa.string()), ("query", pa.string()), ("document", pa.int64()), ("grade", pa.int64())])

FORMAT = 2
"""Of these tables: a folder with others is made anew."""

_BATCH = 16_384
"""Rows that are written, and documents whose ids are compared with the earlier ones, at once."""


class CollectionWriter:
    """Writes documents first, then queries, then judgements, into `folder`.

    Every method takes `where`, the place that a complaint should name ("corpus.jsonl:12"). Raises
    BenchError for an empty or repeated id, an empty query, a repeated judgement, and a judgement on an
    unknown document or query unless `drop_unknown` is set; dropped ones are counted in `dropped`. A repeated
    document is found some thousand documents later, or at the end of them.
    """

    def __init__(self, folder: Path, drop_unknown: bool = False) -> None:
        self.dropped = 0
        self._drop_unknown = drop_unknown
        self._folder = folder
        self._digest = hashlib.sha256()
        self._count = 0
        self._new: list[tuple[str, str]] = []
        self._repetitions = Repetitions()
        self._splits: dict[str, set[str]] = {}
        self._judged: set[tuple[str, str, int]] = set()
        self._documents = _Table(folder / "documents.arrow", _DOCUMENTS)
        self._notes: dict[str, Any] = {}
        self._queries = _Table(folder / "queries.arrow", _QUERIES)
        self._qrels = _Table(folder / "qrels.arrow", _QRELS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for table in (self._documents, self._queries, self._qrels):
            table.close(complete=error is None)
        if error is None:
            self._check_new()
            self._refuse_empty()
            (self._folder / "digest").write_text(self._digest.hexdigest() + "\n")
            if self.dropped:
                self.note("judgements on unknown documents or queries", f"{self.dropped:,} dropped")
            if self._notes:
                notes = json.dumps(self._notes, ensure_ascii=False)
                (self._folder / "notes.json").write_text(notes + "\n", encoding="utf-8")
            (self._folder / "dropped").write_text(f"{self.dropped}\n")
            seal(self._folder)

    def _refuse_empty(self) -> None:
        if not self._count:
            raise BenchError("the collection has no documents; check the source's path")

    def document(self, document: Document, where: str) -> None:
        """Append a document."""
        if not isinstance(document, Document):
            raise BenchError(f"{where}: {type(document).__name__} is no document; give Document(id, title, body)")
        if not document.id:
            raise BenchError(f"{where}: a document without an id; give every document an id")
        self._hash(where, "document", *document)
        self._count += 1
        self._new.append((document.id, where))
        self._documents.append(document)
        if len(self._new) >= _BATCH:
            self._check_new()

    def _check_new(self) -> None:
        """Raise BenchError for the first of the new ids that came before."""
        again = self._repetitions.first([document_id for document_id, _ in self._new])
        if again is not None:
            document_id, where = self._new[again]
            raise BenchError(f"{where}: document id '{document_id}' occurs twice; ids must be unique")
        self._new.clear()

    @cached_property
    def _rows(self) -> Mapping[str, int]:
        """Row by document id, once all documents are written."""
        self._check_new()
        self._documents.close(complete=True)
        return Documents(read_table(self._folder / "documents.arrow")).rows

    def query(
        self,
        split: str,
        query_id: str,
        text: str,
        where: str,
        history: Sequence[str] | None = None,
        times: Sequence[float] = (),
        of: str = "",
    ) -> None:
        """Append a query to a split; one query may be in several splits. One with a history needs no text.

        `times` and `of` are as in `Query`, and part of the fingerprint where they are given.
        """
        if not query_id:
            raise BenchError(f"{where}: a query without an id; give every query an id")
        if not text.strip() and history is None:
            raise BenchError(f"{where}: query '{query_id}' has no text; remove it or write its text")
        known = self._splits.setdefault(split, set())
        if query_id in known:
            raise BenchError(f"{where}: query id '{query_id}' occurs twice in split '{split}'; ids must be unique")
        self._hash(where, "query", split, query_id, text, *(history or ()), *map(repr, times), *filter(None, [of]))
        known.add(query_id)
        self._queries.append((split, query_id, text, list(history or ()), list(times), of))

    def judgement(self, split: str, query_id: str, document_id: str, grade: int, where: str) -> None:
        """Append a judgement of a document for a query of the split, once all documents are written."""
        self._refuse_empty()
        row = self._rows.get(document_id)
        if row is None or query_id not in self._splits.get(split, ()):
            unknown = f"document '{document_id}'" if row is None else f"query '{query_id}'"
            if not self._drop_unknown:
                raise BenchError(
                    f"{where}: a judgement on the unknown {unknown}; correct it, or leave such "
                    "judgements out with ?unknown_judgements=drop"
                )
            self.dropped += 1
            return
        if (split, query_id, row) in self._judged:
            raise BenchError(
                f"{where}: document '{document_id}' is judged twice for query '{query_id}'; keep one of the two lines"
            )
        if not isinstance(grade, int):
            raise BenchError(f"{where}: the grade is {grade!r}; give a whole number")
        self._hash(where, "judgement", split, query_id, document_id, str(grade))
        self._judged.add((split, query_id, row))
        self._qrels.append((split, query_id, row, grade))

    def note(self, name: str, value: str | int) -> None:
        """Keep a fact on how the content was made, for the foot of a table; it is no part of the fingerprint."""
        self._notes[name] = value

    def count(self, name: str) -> None:
        """One more of what `note` tells the number of."""
        self._notes[name] = self._notes.get(name, 0) + 1

    def _hash(self, where: str, *fields: str) -> None:
        other = next((field for field in fields if not isinstance(field, str)), None)
        if other is not None:
            raise BenchError(f"{where}: {other!r} is no text; ids, titles, texts and items of a history are str")
        try:
            encoded = [text.encode("utf-8") for text in fields]
        except UnicodeEncodeError as error:
            half = error.object[error.start]
            raise BenchError(f"{where}: half a character ({half!a}); write whole Unicode characters") from None
        self._digest.update(b"".join(part for data in encoded for part in (len(data).to_bytes(8, "little"), data)))


class _Table:
    """An Arrow file that is written in batches of rows."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._sink = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_file(self._sink, schema)
        self._rows: list[Sequence[Any]] = []

    def append(self, row: Sequence[Any]) -> None:
        self._rows.append(row)
        if len(self._rows) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        columns = zip(*self._rows, strict=True)
        arrays = [pa.array(c, type=f.type) for c, f in zip(columns, self._schema, strict=True)]
        self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))
        self._rows.clear()

    def close(self, complete: bool) -> None:
        """Close the file, if it is open, with all that was appended if it is to be complete."""
        if self._sink.closed:
            return
        if complete and self._rows:
            self._flush()
        self._writer.close()
        self._sink.close()
