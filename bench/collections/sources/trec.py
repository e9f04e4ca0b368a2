"""Files in the formats of TREC's ad hoc tracks."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from bench.collections.collection import Document
from bench.collections.sources import Source
from bench.collections.writer import CollectionWriter
from bench.errors import BadLine, BenchError
from bench.progress import Progress
from bench.textfiles import Watch, file_state, find_file, parse_grade, read_lines, read_rows, unwatched

_SPLIT = "test"
_LAYOUT = (
    "a TREC folder holds documents.trec, topics.trec and qrels.txt, each as it is or as .gz; "
    "other files are named by documents=, topics=, qrels="
)
_LABELS = {"num": "Number:", "title": "Topic:", "desc": "Description:", "narr": "Narrative:"}
_TOPIC_TAGS = "top|num|title|desc|narr|dom|head|smry|con|fac|def|nat|time|un"
_LONGEST = 2**26
"""Characters of a block; a longer one was never closed, and a small gzip file may hold one that fills the memory."""

_TOPIC_FIELD = re.compile(rf"<(\w+)>(.*?)(?=</?(?:{_TOPIC_TAGS})>|\Z)", re.DOTALL | re.IGNORECASE)


class Trec(Source):
    """TREC files: documents.trec (<DOC>), topics.trec (<top>) or a TSV of queries, and qrels.txt.

    Of a document, <DOCNO>, <TITLE> or <HEADLINE>, and all <TEXT> elements are read, and mark-up and
    entities within them are left as they are. All topics are asked, in the split "test".
    """

    argument = "folder"
    layout = _LAYOUT

    folder: Path | None = Field(None, description="folder that holds documents.trec, topics.trec and qrels.txt")
    documents: Path | None = Field(None, description="file of documents, instead of the folder's")
    topics: Path | None = Field(None, description="file of topics, or id<TAB>text lines if it ends in .tsv")
    qrels: Path | None = Field(None, description="file of judgements, instead of the folder's")
    topic_field: Literal["title", "desc", "narr"] = Field("title", description="the part of a topic that is asked")

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        return any((folder / name).is_file() for name in ("documents.trec", "documents.trec.gz"))

    def state(self) -> dict[str, Any]:
        return {"files": [file_state(path) for path in self._paths()]}

    def read(self, writer: CollectionWriter, progress: Progress) -> None:
        documents, topics, qrels = self._paths()
        for line, content in _blocks(documents, "DOC", partial(progress, "reading documents")):
            writer.document(_document(content, documents, line), f"{documents}:{line}")
        is_table = topics.name.removesuffix(".gz").endswith(".tsv")
        for line, query_id, text in _queries(topics) if is_table else _topics(topics, self.topic_field):
            writer.query(_SPLIT, query_id, text, f"{topics}:{line}")
        for line, (query_id, _, document_id, grade) in read_rows(qrels, ["topic", "iteration", "document", "grade"]):
            writer.judgement(_SPLIT, query_id, document_id, parse_grade(grade, qrels, line), f"{qrels}:{line}")

    def _paths(self) -> tuple[Path, Path, Path]:
        return (
            self.documents or self._find("documents.trec"),
            self.topics or self._find("topics.trec"),
            self.qrels or self._find("qrels.txt"),
        )

    def _find(self, name: str) -> Path:
        if self.folder is None:
            raise BenchError(f"trec: no folder and no file to take {name}'s place; {_LAYOUT}")
        return find_file(self.folder, name, _LAYOUT)


def _blocks(path: Path, tag: str, watch: Watch = unwatched) -> Iterator[tuple[int, str]]:
    """The content of each <tag>...</tag>, with the line where it opens; nothing else may be in the file."""
    mark = re.compile(rf"(</?{tag}>)", re.IGNORECASE)
    opened, length, content = 0, 0, [""]
    for number, line in read_lines(path, watch):
        length += len(line) + 1
        if opened and length > _LONGEST:
            raise BadLine(
                path, opened, f"<{tag}> is not closed within {_LONGEST:,} characters", f"<{tag}> ... </{tag}>"
            )
        for piece in mark.split(line):
            is_mark = mark.fullmatch(piece) is not None
            if is_mark and piece[1] != "/":
                if opened:
                    raise BadLine(path, number, f"<{tag}> within the <{tag}> of line {opened}", f"</{tag}> before it")
                opened, length, content = number, len(line), []
            elif not opened and piece.strip():
                raise BadLine(path, number, f"text outside <{tag}>", f"<{tag}> ... </{tag}>")
            elif is_mark:
                yield opened, "".join(content)
                opened = 0
            else:
                content.append(piece)
        content.append("\n")
    if opened:
        raise BadLine(path, opened, f"<{tag}> is never closed", f"<{tag}> ... </{tag}>")


def _document(content: str, path: Path, line: int) -> Document:
    numbers = _elements("DOCNO", content, path, line)
    if len(numbers) != 1:
        raise BadLine(path, line, f"a document with {len(numbers)} <DOCNO>", "one <DOCNO>id</DOCNO> in each <DOC>")
    titles = _elements("TITLE", content, path, line) + _elements("HEADLINE", content, path, line)
    texts = _elements("TEXT", content, path, line)
    if not texts:
        raise BadLine(path, line, f"document '{numbers[0]}' has no <TEXT>", "<TEXT> ... </TEXT>, if an empty one")
    return Document(numbers[0], " ".join(titles), "\n".join(texts))


def _elements(tag: str, content: str, path: Path, line: int) -> list[str]:
    """The contents of all <tag>...</tag>. Raises BadLine for one that is not closed."""
    pieces = re.split(rf"(</?{tag}>)", content, flags=re.IGNORECASE)
    marks = pieces[1::2]
    if len(marks) % 2 or any((mark[1] == "/") != bool(place % 2) for place, mark in enumerate(marks)):
        raise BadLine(path, line, f"<{tag}> and </{tag}> of this document do not pair", f"<{tag}> ... </{tag}>")
    return [text.strip() for text in pieces[2::4]]


def _topics(path: Path, field: str) -> Iterator[tuple[int, str, str]]:
    """(line, id, text) of each <top>; its elements may do without closing tags."""
    for line, content in _blocks(path, "top"):
        parts = [(name.lower(), text) for name, text in _TOPIC_FIELD.findall(content)]
        values = []
        for wanted in ("num", field):
            texts = [text for name, text in parts if name == wanted]
            if len(texts) != 1:
                raise BadLine(path, line, f"a topic with {len(texts)} <{wanted}>", f"one <{wanted}> in each <top>")
            words = " ".join(texts[0].split())
            values.append(words.removeprefix(_LABELS[wanted]).strip())
        yield line, values[0], values[1]


def _queries(path: Path) -> Iterator[tuple[int, str, str]]:
    """(line, id, text) of each id<TAB>text line."""
    for line, (query_id, text) in read_rows(path, ["id", "text"], "\t"):
        yield line, query_id, text
