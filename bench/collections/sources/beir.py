"""Folders in the format of BEIR (Thakur et al. 2021)."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field

from bench.collections.collection import Document
from bench.collections.sources.texts import Asked, Judged, TextSource, document_of, query_of
from bench.collections.writer import CollectionWriter
from bench.errors import BadLine, BenchError
from bench.progress import Progress
from bench.textfiles import file_state, find_file, parse_grade, read_json_lines, read_rows

_COLUMNS = ["query-id", "corpus-id", "score"]
_OF_THE_HUB = ("qrels/*.jsonl", "qrels/*.parquet", "default/*", "qrels.jsonl", "qrels.parquet")
"""Judgements as they lie beside a corpus.jsonl that is of the Hugging Face hub."""

_LAYOUT = (
    "a BEIR folder holds corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv, each as it is or as .gz; other files are "
    "named by corpus=, queries=, qrels="
)


class Beir(TextSource):
    """A folder in BEIR's format: corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv, plain or .gz.

    Every file of qrels is a split; its queries are those that occur in it, in the order of queries.jsonl. Queries
    that occur in none are in the split "unjudged". Ids may be numbers, and a text null.
    """

    argument = "folder"
    layout = _LAYOUT

    folder: Path | None = Field(None, description="folder that holds corpus.jsonl, queries.jsonl and qrels/")
    corpus: Path | None = Field(None, description="file of documents, instead of the folder's")
    queries: Path | None = Field(None, description="file of queries, instead of the folder's")
    qrels: Path | None = Field(None, description="file of judgements, whose name is the split, or folder of such")

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        others = any(next(folder.glob(pattern), None) for pattern in _OF_THE_HUB)
        return not others and any((folder / name).is_file() for name in ("corpus.jsonl", "corpus.jsonl.gz"))

    def state(self) -> dict[str, Any]:
        return {"files": [file_state(path) for path in (self._corpus(), self._queries(), *self._qrels().values())]}

    def documents_of(self, writer: CollectionWriter, progress: Progress) -> Iterator[tuple[str, Document]]:
        path = self._corpus()
        for line, record in read_json_lines(path, partial(progress, "reading documents")):
            yield document_of(record, ("_id", "title", "text"), path, line, writer)

    def queries_of(self, writer: CollectionWriter, progress: Progress) -> Iterator[Asked]:
        path = self._queries()
        for line, record in read_json_lines(path, partial(progress, "reading queries")):
            yield query_of(record, ("_id", "text"), path, line, writer)

    def judgements_of(self) -> Mapping[str, Callable[[], Iterator[Judged]]]:
        return {split: partial(_judgements, path) for split, path in self._qrels().items()}

    def _corpus(self) -> Path:
        return self.corpus or self._find("corpus.jsonl")

    def _queries(self) -> Path:
        return self.queries or self._find("queries.jsonl")

    def _find(self, name: str) -> Path:
        if self.folder is None:
            raise BenchError(f"beir: no folder and no file to take {name}'s place; {_LAYOUT}")
        return find_file(self.folder, name, _LAYOUT)

    def _qrels(self) -> dict[str, Path]:
        """File by split; where a split has both, the plain file goes before the compressed one."""
        if self.qrels is not None and not self.qrels.is_dir():
            return {_split(self.qrels): self.qrels}
        folder = self.qrels or (self.folder or self._find("qrels")) / "qrels"
        paths = [*folder.glob("*.tsv.gz"), *folder.glob("*.tsv")]
        if not paths:
            raise BenchError(f"{self.qrels or self.folder} lacks qrels/SPLIT.tsv; {_LAYOUT}")
        return dict(sorted((_split(path), path) for path in paths))


def _split(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".tsv")


def _judgements(path: Path) -> Iterator[Judged]:
    """Each judgement, below the header."""
    rows = read_rows(path, _COLUMNS, "\t")
    line, header = next(rows, (1, []))
    if header != _COLUMNS:
        raise BadLine(path, line, "no header", "the tab-separated header " + " ".join(_COLUMNS))
    for line, (query_id, document_id, grade) in rows:
        yield Judged(f"{path}:{line}", query_id, document_id, parse_grade(grade, path, line))
