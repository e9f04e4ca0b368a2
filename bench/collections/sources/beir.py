"""Folders in the format of BEIR (Thakur et al. 2021)."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field

from bench.collections.collection import Document
from bench.collections.sources import Source
from bench.collections.writer import CollectionWriter
from bench.errors import BadLine, BenchError
from bench.progress import Progress
from bench.textfiles import file_state, find_file, parse_grade, read_json_lines, read_rows, text_of

_COLUMNS = ["query-id", "corpus-id", "score"]
_LAYOUT = "a BEIR folder holds corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv, each as it is or as .gz"


class Beir(Source):
    """A folder in BEIR's format: corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv, plain or .gz.

    Every file of qrels is a split; its queries are those that occur in it, in the order of queries.jsonl.
    """

    argument = "folder"
    layout = _LAYOUT

    folder: Path = Field(description="folder that holds corpus.jsonl, queries.jsonl and qrels/")

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        return any((folder / name).is_file() for name in ("corpus.jsonl", "corpus.jsonl.gz"))

    def state(self) -> dict[str, Any]:
        paths = [self._find("corpus.jsonl"), self._find("queries.jsonl"), *self._qrels().values()]
        return {"files": [file_state(path) for path in paths]}

    def read(self, writer: CollectionWriter, progress: Progress) -> None:
        self._read_documents(writer, progress)
        self._read_queries(writer, progress)
        for split, path in self._qrels().items():
            for line, query_id, document_id, grade in _judgements(path):
                writer.judgement(split, query_id, document_id, grade, f"{path}:{line}")

    def _read_documents(self, writer: CollectionWriter, progress: Progress) -> None:
        path = self._find("corpus.jsonl")
        for line, record in read_json_lines(path, partial(progress, "reading documents")):
            document = Document(
                id=text_of(record, "_id", path, line),
                title=text_of(record, "title", path, line, default=""),
                body=text_of(record, "text", path, line),
            )
            writer.document(document, f"{path}:{line}")

    def _read_queries(self, writer: CollectionWriter, progress: Progress) -> None:
        judged = {split: {query_id for _, query_id, *_ in _judgements(path)} for split, path in self._qrels().items()}
        path = self._find("queries.jsonl")
        for line, record in read_json_lines(path, partial(progress, "reading queries")):
            query_id, text = text_of(record, "_id", path, line), text_of(record, "text", path, line)
            for split, query_ids in judged.items():
                if query_id in query_ids:
                    writer.query(split, query_id, text, f"{path}:{line}")

    def _find(self, name: str) -> Path:
        return find_file(self.folder, name, _LAYOUT)

    def _qrels(self) -> dict[str, Path]:
        """File by split; where a split has both, the plain file goes before the compressed one."""
        paths = [*self.folder.glob("qrels/*.tsv.gz"), *self.folder.glob("qrels/*.tsv")]
        if not paths:
            raise BenchError(f"{self.folder} lacks qrels/SPLIT.tsv; {_LAYOUT}")
        found = {path.name.removesuffix(".gz").removesuffix(".tsv"): path for path in paths}
        return dict(sorted(found.items()))


def _judgements(path: Path) -> Iterator[tuple[int, str, str, int]]:
    """(line, query id, document id, grade) of each judgement, below the header."""
    rows = read_rows(path, _COLUMNS, "\t")
    line, header = next(rows, (1, []))
    if header != _COLUMNS:
        raise BadLine(path, line, "no header", "the tab-separated header " + " ".join(_COLUMNS))
    for line, (query_id, document_id, grade) in rows:
        yield line, query_id, document_id, parse_grade(grade, path, line)
