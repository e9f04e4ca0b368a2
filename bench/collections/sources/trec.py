"""Files in the formats of TREC's ad hoc tracks, as they are on disk."""

import html
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from bench.collections.collection import Document
from bench.collections.sources import Source
from bench.collections.sources.judgements import read_judgements
from bench.collections.sources.markup import Element, blocks, elements, without_tags
from bench.collections.writer import CollectionWriter
from bench.errors import BadLine, BenchError
from bench.numbering import renumbered
from bench.progress import Progress
from bench.textfiles import file_state, find_file, known_encoding, read_rows

_SPLIT = "test"
_LAYOUT = (
    "a TREC folder holds documents.trec, topics.trec and qrels.txt, each as it is or as .gz; "
    "other files are named by documents=, topics=, qrels="
)
_TITLES = ("TITLE", "HEADLINE", "HL", "HEAD", "TTL")
_NOT_TEXT = {
    "DOCNO", "DOCID", "FILEID", "FIRST", "SECOND", "DATE", "DATE1", "DD", "AN", "SO", "PAGE", "PUB", "PROFILE",
    "LENGTH", "PARENT", "HT", "G", "GV", "RE", "MS", "CO", "IN", "DOCTYPE", "TXTTYPE", "DOCHDR", "DOCOLDNO",
}  # fmt: skip
"""Elements of TREC's collections that hold numbers, dates and codes."""

_LABELS = {"num": "Number:", "title": "Topic:", "desc": "Description:", "narr": "Narrative:"}
_TOPIC_TAGS = "top|num|title|desc|narr|dom|head|smry|con|fac|def|nat|time|un"
_TOPIC_FIELD = re.compile(rf"<([\w-]+)[^<>]*>(.*?)(?=</?(?:{_TOPIC_TAGS})>|\Z)", re.DOTALL | re.IGNORECASE)
_FIELDS = {
    "num": ("num", "identifier"),
    "title": ("title", "query"),
    "desc": ("desc", "description", "question"),
    "narr": ("narr", "narrative"),
}
"""What the parts of a topic are called in the tracks."""


class Trec(Source):
    """TREC files: documents.trec (<DOC>), topics.trec (<top>, <topic>) or a TSV of queries, and qrels.txt.

    Of a document its <DOCNO>, or the id of <DOC id="...">, and all text are read: titles are <TITLE>, <HEADLINE>,
    <HL>, <HEAD> and <TTL>, the body is every other element and the text outside of elements, without mark-up.
    Numbers, dates and codes (<DATE>, <DD>, <SO>, ...) are left out and told. Entities stay as they are. All topics
    are asked, in the split "test". Judgements have four columns, or three or two without iteration and grade, or five
    (prels).
    """

    argument = "folder"
    layout = _LAYOUT

    folder: Path | None = Field(None, description="folder that holds documents.trec, topics.trec and qrels.txt")
    documents: Path | None = Field(None, description="file of documents, instead of the folder's")
    topics: Path | None = Field(None, description="file of topics, or id<TAB>text lines if it ends in .tsv")
    qrels: Path | None = Field(None, description="file of judgements, instead of the folder's")
    topic_field: Literal["title", "desc", "narr"] = Field("title", description="the part of a topic that is asked")
    fields: str = Field(
        "", description="elements of a document that are read, as HEADLINE,TEXT; empty: all but numbers, dates, codes"
    )
    encoding: Annotated[str, AfterValidator(known_encoding)] = Field(
        "utf-8", description="of documents and topics, as latin-1"
    )

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        return any((folder / name).is_file() for name in ("documents.trec", "documents.trec.gz"))

    def state(self) -> dict[str, Any]:
        return {"files": [file_state(path) for path in self._paths()]}

    def read(self, writer: CollectionWriter, progress: Progress) -> None:
        documents, topics, qrels = self._paths()
        watch = partial(progress, "reading documents")
        for line, tag, content in blocks(documents, ("DOC",), watch, self.encoding):
            writer.document(self._document(tag, content, documents, line, writer), f"{documents}:{line}")
        judged = list(read_judgements(qrels, writer))
        is_table = topics.name.removesuffix(".gz").endswith(".tsv")
        asked = list(_queries(topics, self.encoding) if is_table else self._topics(topics))
        alike = renumbered([query_id for _, query_id, _ in asked], {query_id for _, query_id, *_ in judged})
        for line, query_id, text in asked:
            writer.query(_SPLIT, alike.get(query_id, query_id), text, f"{topics}:{line}")
            if query_id in alike:
                writer.count("topics numbered as in the judgements, without zeros in front or with them")
        for line, query_id, document_id, grade in judged:
            writer.judgement(_SPLIT, query_id, document_id, grade, f"{qrels}:{line}")

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

    def _document(
        self, tag: Mapping[str, str], content: str, path: Path, line: int, writer: CollectionWriter
    ) -> Document:
        parts = list(elements(content, {*_TITLES, "TEXT", "DOCNO"}, path, line))
        numbers = [part.text.strip() for part in parts if part.name == "DOCNO"] or [
            tag[name] for name in ("id", "docno") if name in tag
        ]
        if len(numbers) != 1:
            expected = '<DOCNO>id</DOCNO> in each <DOC>, or <DOC id="id">'
            raise BadLine(path, line, f"a document with {len(numbers)} <DOCNO>", f"one {expected}")
        read = [part for part in parts if self._is_read(part, writer)]
        titles = [text for part in read if part.name in _TITLES and (text := without_tags(part.text))]
        texts = [text for part in read if part.name not in _TITLES and (text := without_tags(part.text))]
        return Document(numbers[0], " ".join(titles), "\n".join(texts))

    def _is_read(self, part: Element, writer: CollectionWriter) -> bool:
        wanted = self.fields.upper().replace(",", " ").split()
        if part.name == "DOCNO" or (part.name in wanted if wanted else part.name not in _NOT_TEXT):
            return part.name != "DOCNO"
        writer.count(f"<{part.name}> left out" if part.name else "text outside of elements left out")
        return False

    def _topics(self, path: Path) -> Iterator[tuple[int, str, str]]:
        """(line, id, text) of each <top>, whose elements may do without closing tags, or <topic>, which is XML."""
        for line, tag, content in blocks(path, ("top", "topic"), encoding=self.encoding):
            if tag["tag"] == "topic":
                parts = [(part.name.lower(), html.unescape(without_tags(part.text))) for part in elements(content)]
                parts += [("num", tag[name]) for name in ("number", "id") if name in tag]
            else:
                parts = [(name.lower(), text) for name, text in _TOPIC_FIELD.findall(content)]
            yield line, _part("num", parts, path, line), _part(self.topic_field, parts, path, line)


def _part(wanted: str, parts: list[tuple[str, str]], path: Path, line: int) -> str:
    """The one part of a topic that is called so in some track; the text outside of elements stands for a title."""
    texts = [text for name, text in parts if name in _FIELDS[wanted]]
    if not texts and wanted == "title":
        texts = [text for name, text in parts if not name]
    if len(texts) != 1:
        others = [field for field in ("title", "desc", "narr") if any(name in _FIELDS[field] for name, _ in parts)]
        remedy = (
            f"; or ask another part: ?topic_field={others[0]}" if not texts and wanted != "num" and others else ""
        )
        raise BadLine(path, line, f"a topic with {len(texts)} <{wanted}>", f"one <{wanted}> in each <top>{remedy}")
    return " ".join(texts[0].split()).removeprefix(_LABELS[wanted]).strip()


def _queries(path: Path, encoding: str) -> Iterator[tuple[int, str, str]]:
    """(line, id, text) of each id<TAB>text line."""
    for line, (query_id, text) in read_rows(path, ["id", "text"], "\t", encoding):
        yield line, query_id, text
