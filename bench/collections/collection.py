"""What is searched and what is known about it: documents, queries and judgements, immutable and columnar.

A collection lies in a folder of Arrow files that are memory-mapped, so that eight million passages do
not become eight million Python objects. `bench.collections.writer` makes such a folder.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator

from bench.collections.ids import Rows
from bench.digests import digest_data
from bench.errors import BenchError
from bench.options import Options
from bench.seals import damage

Gains = Literal["linear", "exponential", "binary"]

T = TypeVar("T")


class Document(NamedTuple):
    """One unit of retrieval. `title` may be empty; `body` may repeat it."""

    id: str
    title: str
    body: str


@dataclass(frozen=True, slots=True)
class Query:
    """A question. `history` holds item ids, oldest first; it is empty for search.

    `times` has when each item of the history was had, in seconds since 1970, and last when the question is asked;
    empty where that is not known. `of` is the user who asks, where the question has not the user's name.
    """

    id: str
    text: str
    history: tuple[str, ...] = ()
    times: tuple[float, ...] = ()
    of: str = ""

    @property
    def user(self) -> str:
        """Whose question it is."""
        return self.of or self.id


class Rules(Options):
    """How a collection's content is read and judged. Any of these may follow a source: `beir:folder?split=dev`."""

    text: str = Field(
        "{title} {text}",
        pattern=r"\{(title|text)\}",
        description="what a system reads of a document: {title} and {text} joined",
    )
    split: str = Field("test", description="the split whose queries are asked and judged")
    minimum_relevance: int = Field(1, ge=1, description="lowest grade that counts as relevant in binary measures")
    gains: Gains = Field("linear", description="gain of a grade g in nDCG: g, 2^g - 1, or 1 if relevant")
    exclude_self: bool = Field(False, description="a document with the query's own id is never an answer")
    unknown_judgements: Literal["refuse", "drop"] = Field(
        "refuse", description="judgements on documents or queries that the collection lacks"
    )
    language: str = Field("english", description="language of the text: case, stop words and stemmer follow it; none")
    primary: str = Field("", description="measure by which systems are ranked, e.g. Recall@2; empty: the task's own")
    mixed: bool = Field(
        False, description="search asks the queries without a history and next_item the others; false: each asks all"
    )

    @field_validator("text")
    @classmethod
    def _of_known_parts(cls, text: str) -> str:
        if unknown := set(re.findall(r"\{[\w ]+\}", text)) - {"{title}", "{text}"}:
            raise ValueError(f"{min(unknown)} is no part of a document; write {{title}} and {{text}}")
        return text

    def render(self, document: Document) -> str:
        """The text that a system reads; an absent title leaves no blank behind."""
        parts = {"{title}": document.title, "{text}": document.body}
        return re.sub(r"\{title\}|\{text\}", lambda mark: parts[mark[0]], self.text).strip()


@dataclass(frozen=True)
class Qrels:
    """Judgements of one split, by query.

    `rows[offsets[i]:offsets[i + 1]]` are the rows of the documents judged for query `query_ids[i]`,
    and `grades` their grades. Every query of the split has an entry, if an empty one.
    """

    query_ids: Sequence[str]
    offsets: np.ndarray
    rows: np.ndarray
    grades: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def of(self, position: int) -> tuple[np.ndarray, np.ndarray]:
        """Document rows and grades judged for the query at `position`."""
        span = slice(self.offsets[position], self.offsets[position + 1])
        return self.rows[span], self.grades[span]

    def with_relevant(self, minimum_relevance: int) -> np.ndarray:
        """Mask over `query_ids`: which have a document of at least this grade."""
        counts = np.zeros(len(self.query_ids), dtype=np.int64)
        owners = np.repeat(np.arange(len(self.query_ids)), np.diff(self.offsets))
        np.add.at(counts, owners, self.grades >= minimum_relevance)
        return counts > 0

    def take(self, positions: np.ndarray) -> "Qrels":
        """The judgements of some queries, in the order of `positions`."""
        lengths = np.diff(self.offsets)[positions]
        picked = (
            np.concatenate([np.arange(self.offsets[p], self.offsets[p + 1]) for p in positions])
            if len(positions)
            else np.zeros(0, dtype=np.int64)
        )
        return Qrels(
            query_ids=[self.query_ids[p] for p in positions],
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            rows=self.rows[picked],
            grades=self.grades[picked],
        )


class Texts(Sequence[str]):
    """The documents' texts as systems read them, decoded from disk when asked for."""

    _BATCH = 4096

    def __init__(self, documents: "Documents", rules: Rules) -> None:
        self._documents = documents
        self._rules = rules

    def __len__(self) -> int:
        return len(self._documents)

    @overload
    def __getitem__(self, key: int) -> str: ...
    @overload
    def __getitem__(self, key: slice) -> list[str]: ...
    def __getitem__(self, key: int | slice) -> str | list[str]:
        if isinstance(key, slice):
            return [self._rules.render(document) for document in self._documents[key]]
        return self._rules.render(self._documents[key])

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), self._BATCH):
            yield from self[start : start + self._BATCH]


class Documents(Sequence[Document]):
    """The documents in their order; a document's position is its row."""

    _MOST_IN_A_DICTIONARY = 2**17

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __len__(self) -> int:
        return self._table.num_rows

    @overload
    def __getitem__(self, key: int) -> Document: ...
    @overload
    def __getitem__(self, key: slice) -> list[Document]: ...
    def __getitem__(self, key: int | slice) -> Document | list[Document]:
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            if step != 1:
                return [self[row] for row in range(start, stop, step)]
            part = self._table.slice(start, max(stop - start, 0))
            columns = (part.column(name).to_pylist() for name in Document._fields)
            return list(map(Document, *columns))
        row = range(len(self))[key]
        return Document(*(self._table.column(name)[row].as_py() for name in Document._fields))

    def ids(self, rows: np.ndarray | Sequence[int] | None = None) -> list[str]:
        """Document ids of `rows`, or of all documents."""
        column = self._table.column("id")
        return (column if rows is None else column.take(pa.array(rows, type=pa.int64()))).to_pylist()

    def take(self, rows: np.ndarray) -> "Documents":
        """Some of them, in the order of `rows`."""
        return Documents(self._table.take(pa.array(rows, type=pa.int64())))

    def and_then(self, others: "Documents") -> "Documents":
        """These, and after them the others."""
        return Documents(pa.concat_tables([self._table, others._table]))

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """Row by document id: a dictionary, which is fastest, unless there are too many for one."""
        if len(self) > self._MOST_IN_A_DICTIONARY:
            return Rows(self._table.column("id"))
        return {document_id: row for row, document_id in enumerate(self.ids())}

    @cached_property
    def id_order(self) -> np.ndarray:
        """Shape [documents]: the place of each document's id among all ids, sorted as text."""
        order = pc.sort_indices(self._table.column("id")).to_numpy()
        places = np.empty(len(order), dtype=np.int64)
        places[order] = np.arange(len(order))
        return places

    @cached_property
    def ids_need_quoting(self) -> bool:
        """Whether some id holds white space, which the TREC formats cannot carry unquoted."""
        spaces = r"[\s\p{Z}\x{0B}\x{1C}-\x{1F}\x{85}]"  # what str.isspace knows
        return bool(pc.any(pc.match_substring_regex(self._table.column("id"), spaces)).as_py())


@dataclass(frozen=True, repr=False)
class Collection:
    """Documents, queries by split and judgements by split, with a fingerprint over all of it in order.

    `documents`, `texts()`, `queries(split)` and `qrels(split)` are what a retriever uses. The view that
    `fit` is handed has no `test` split (`training_view`).

    A recommendation collection has items for documents and a query for each user, whose one relevant document is
    what comes after the history. Of a user's sequence, `test` asks for the last item, `valid` for the one before
    and `train` for the one before that: a history of `train` with its target is what may be fitted; `valid` only
    selects.
    """

    name: str
    documents: Documents
    rules: Rules
    digest: str
    split_queries: Mapping[str, Sequence[Query]] = field(repr=False)
    split_qrels: Mapping[str, Qrels] = field(repr=False)
    notes: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """How the content was made, by name, for the foot of a table: "users left out": 12."""

    def __len__(self) -> int:
        return len(self.documents)

    def __repr__(self) -> str:
        counts = [f"{len(self):,} documents", *(f"{len(self.split_queries[s]):,} {s} queries" for s in self.splits)]
        return f"{self.name}: {', '.join(counts)}, fingerprint {self.fingerprint[:7]}"

    @property
    def fingerprint(self) -> str:
        """Digest of the content and of the rules by which it is read and judged."""
        rules = self.rules.options()
        for later in ("primary", "mixed"):  # rules that came later leave the fingerprints of others as they were
            if not rules[later]:
                del rules[later]
        return digest_data({"content": self.digest, "rules": rules})

    @property
    def splits(self) -> list[str]:
        return sorted(self.split_queries)

    @property
    def sequential(self) -> bool:
        """Whether its queries are users with histories, so that it is asked what comes next."""
        return any(query.history for query in self.split_queries.get(self.rules.split, ()))

    def texts(self) -> Texts:
        """The text of every document, in order, as the rules assemble it."""
        return Texts(self.documents, self.rules)

    def queries(self, split: str | None = None) -> Sequence[Query]:
        """Queries of a split, by default the one that is evaluated. Raises BenchError if there is none."""
        return self._of_split(self.split_queries, split)

    def qrels(self, split: str | None = None) -> Qrels:
        """Judgements of a split, by default the one that is evaluated. Raises BenchError if there is none."""
        return self._of_split(self.split_qrels, split)

    def relevant(self, split: str) -> Iterator[tuple[Query, np.ndarray]]:
        """The queries of a split, each with the rows of its relevant documents; none where there is no such split."""
        if split in self.split_queries:
            qrels = self.qrels(split)
            for position, query in enumerate(self.queries(split)):
                rows, grades = qrels.of(position)
                yield query, rows[grades >= self.rules.minimum_relevance]

    def relevant_rows(self, split: str) -> set[int]:
        """Rows of the documents that are relevant to some query of a split."""
        return {row for _, rows in self.relevant(split) for row in rows.tolist()}

    def asking(self, kind: Literal["questions", "users"]) -> "Collection":
        """With the queries that have no history alone, or with the others; all where its rules do not mix them."""
        if not self.rules.mixed:
            return self
        queries: dict[str, Sequence[Query]] = {}
        qrels: dict[str, Qrels] = {}
        for split, asked in self.split_queries.items():
            chosen = [place for place, query in enumerate(asked) if bool(query.history) == (kind == "users")]
            if chosen:
                queries[split] = [asked[place] for place in chosen]
                qrels[split] = self.split_qrels[split].take(np.array(chosen))
        return replace(self, split_queries=queries, split_qrels=qrels)

    def _of_split(self, by_split: Mapping[str, T], split: str | None) -> T:
        wanted = split or self.rules.split
        if wanted not in by_split:
            raise BenchError(
                f"{self.name} has no split '{wanted}': it has {', '.join(self.splits) or 'none'}; "
                "choose one with ?split=NAME"
            )
        return by_split[wanted]

    def training_view(self) -> "Collection":
        """The same documents without the queries and judgements that decide the figures."""
        hidden = {self.rules.split, "test"}
        return Collection(
            name=self.name,
            documents=self.documents,
            rules=self.rules,
            digest=self.digest,
            split_queries={s: q for s, q in self.split_queries.items() if s not in hidden},
            split_qrels={s: q for s, q in self.split_qrels.items() if s not in hidden},
            notes=self.notes,
        )


def part_of(collection: Collection, rows: np.ndarray, *, asked: bool) -> Collection:
    """Some documents, in the order of `rows`; if `asked`, with the queries that have a relevant one among them."""
    places = np.full(len(collection), -1, dtype=np.int64)
    places[rows] = np.arange(len(rows))
    queries: dict[str, Sequence[Query]] = {}
    qrels: dict[str, Qrels] = {}
    for split in collection.splits if asked else ():
        every = collection.qrels(split)
        owners = np.repeat(np.arange(len(every.query_ids)), np.diff(every.offsets))
        kept = places[every.rows] >= 0
        relevant = kept & (every.grades >= collection.rules.minimum_relevance)
        positions = np.unique(owners[relevant])
        inside = kept & np.isin(owners, positions)
        counts = np.bincount(np.searchsorted(positions, owners[inside]), minlength=len(positions))
        queries[split] = [collection.queries(split)[position] for position in positions]
        qrels[split] = Qrels(
            query_ids=[query.id for query in queries[split]],
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            rows=places[every.rows[inside]],
            grades=every.grades[inside],
        )
    return Collection(
        name=collection.name,
        documents=collection.documents.take(rows),
        rules=collection.rules,
        digest=digest_data({"of": collection.digest, "rows": rows.tolist(), "asked": asked}),
        split_queries=queries,
        split_qrels=qrels,
    )


def with_more(collection: Collection, more: Collection) -> Collection:
    """A collection with the documents of another after its own, and its own queries."""
    documents = collection.documents.and_then(more.documents)
    return replace(collection, documents=documents, digest=digest_data([collection.digest, more.digest]))


def read_collection(folder: Path, name: str, rules: Rules) -> Collection:
    """Open a folder that `CollectionWriter` made; documents stay on disk. Raises BenchError if it is damaged."""
    problem = damage(folder)
    if problem:
        raise BenchError(f"the parsed collection in {folder} is damaged: {problem}; delete the folder and run again")
    queries = read_table(folder / "queries.arrow")
    qrels = read_table(folder / "qrels.arrow")
    notes = folder / "notes.json"
    split_queries: dict[str, list[Query]] = {}
    for split, query_id, text, history, times, user in zip(*(c.to_pylist() for c in queries.columns), strict=True):
        query = Query(query_id, text, tuple(history), tuple(times), user)
        split_queries.setdefault(split, []).append(query)
    return Collection(
        name=name,
        documents=Documents(read_table(folder / "documents.arrow")),
        rules=rules,
        digest=(folder / "digest").read_text().strip(),
        split_queries=split_queries,
        split_qrels={s: _split_qrels(qrels, s, [q.id for q in asked]) for s, asked in split_queries.items()},
        notes=json.loads(notes.read_text(encoding="utf-8")) if notes.is_file() else {},
    )


def read_table(path: Path) -> pa.Table:
    """An Arrow file, memory-mapped."""
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def _split_qrels(table: pa.Table, split: str, query_ids: list[str]) -> Qrels:
    part = table.filter(pc.equal(table.column("split"), split))
    position = {query_id: i for i, query_id in enumerate(query_ids)}
    owners = np.array([position[query_id] for query_id in part.column("query").to_pylist()], dtype=np.int64)
    order = np.argsort(owners, kind="stable")
    return Qrels(
        query_ids=query_ids,
        offsets=np.searchsorted(owners[order], np.arange(len(query_ids) + 1)),
        rows=part.column("document").to_numpy()[order],
        grades=part.column("grade").to_numpy()[order],
    )
