"""Folders of MS MARCO's tab-separated files (Nguyen et al. 2016), passages or documents."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field

from bench.collections.collection import Document
from bench.collections.sources.judgements import read_judgements
from bench.collections.sources.texts import Asked, Judged, TextSource
from bench.collections.writer import CollectionWriter
from bench.errors import BadLine, BenchError
from bench.progress import Progress
from bench.textfiles import file_state, read_lines, read_rows

_LAYOUT = (
    "an MS MARCO folder holds collection.tsv (or docs.tsv), queries.SPLIT.tsv and qrels.SPLIT.tsv, or .gz of them"
)
_CORPORA = (
    "collection.tsv",
    "collection.tsv.gz",
    "docs.tsv",
    "docs.tsv.gz",
    "msmarco-docs.tsv",
    "msmarco-docs.tsv.gz",
)


class MsMarco(TextSource):
    """MS MARCO's files: collection.tsv (id, text), queries.SPLIT.tsv (id, text) and qrels.SPLIT.tsv, plain or .gz.

    Documents may also be id, title, text, or id, address, title, text (docs.tsv). Every file of qrels is a split, as
    "dev.small"; its queries are those that occur in it, from whichever file of queries holds them first.
    """

    argument = "folder"
    layout = _LAYOUT

    folder: Path = Field(description="folder that holds collection.tsv, queries.SPLIT.tsv and qrels.SPLIT.tsv")

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        return any((folder / name).is_file() for name in _CORPORA)

    def state(self) -> dict[str, Any]:
        paths = [self._corpus(), *self._queries(), *self._qrels().values()]
        return {"files": [file_state(path) for path in paths]}

    def documents_of(self, writer: CollectionWriter, progress: Progress) -> Iterator[tuple[str, Document]]:  # noqa: ARG002
        path = self._corpus()
        for line, text in read_lines(path, partial(progress, "reading documents")):
            fields = text.split("\t")
            if not text.strip():
                continue
            if len(fields) not in (2, 3, 4):
                expected = "id and text, id, title and text, or id, address, title and text, parted by tabs"
                raise BadLine(path, line, f"{len(fields)} fields", expected)
            yield f"{path}:{line}", Document(fields[0], fields[-2] if len(fields) > 2 else "", fields[-1])

    def queries_of(self, writer: CollectionWriter, progress: Progress) -> Iterator[Asked]:  # noqa: ARG002
        seen: set[str] = set()
        for path in self._queries():
            before = set(seen)
            for line, (query_id, text) in read_rows(path, ["id", "text"], "\t"):
                if query_id not in before:
                    seen.add(query_id)
                    yield Asked(f"{path}:{line}", query_id, text)

    def judgements_of(self) -> Mapping[str, Callable[[], Iterator[Judged]]]:
        return {split: partial(_judgements, path) for split, path in self._qrels().items()}

    def _corpus(self) -> Path:
        found = next((self.folder / name for name in _CORPORA if (self.folder / name).is_file()), None)
        if found is None:
            raise BenchError(f"{self.folder} lacks collection.tsv; {_LAYOUT}")
        return found

    def _queries(self) -> list[Path]:
        return self._called("queries")

    def _qrels(self) -> dict[str, Path]:
        paths = self._called("qrels")
        return {
            path.name.removesuffix(".gz").removesuffix(".tsv").partition("qrels")[2].strip(".-"): path
            for path in paths
        }

    def _called(self, name: str) -> list[Path]:
        found = sorted({*self.folder.glob(f"*{name}*.tsv"), *self.folder.glob(f"*{name}*.tsv.gz")})
        if not found:
            raise BenchError(f"{self.folder} lacks {name}.SPLIT.tsv; {_LAYOUT}")
        return found


def _judgements(path: Path) -> Iterator[Judged]:
    for line, query_id, document_id, grade in read_judgements(path):
        yield Judged(f"{path}:{line}", query_id, document_id, grade)
