"""What a generative retriever is trained on: parts of documents, and queries with their documents."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection
from bench.errors import BenchError
from bench.options import Options
from bench.sentences import sentences, textrank
from retrievers.generative.options import DocumentTrainingOptions
from retrievers.learning.holding_out import hold_out

Part = Literal[
    "first", "chunks", "spans", "sentences", "passages", "key-sentences", "key-passage", "random", "pseudo-queries"
]
Tokenize = Callable[[Sequence[str], int | None], list[list[int]]]
"""From texts and the most tokens of each to tokens."""

Tokens = list[int]

_SENTENCES_PER_PASSAGE, _STRIDE = 5, 2

_SHORTEST_SPAN = 4


class ReadingOptions(Options):
    """What the model reads of a document while it is trained."""

    parts: tuple[Part, ...] = Field(
        ("first", "chunks"), description=f"of a document, any of {', '.join(get_args(Part))}; [] for queries alone"
    )
    first_tokens: int = Field(32, ge=1, le=4096, description="first: the beginning that is read")
    chunks: int = Field(4, ge=1, description="chunks: windows at random places, at most, in each document")
    chunk_tokens: int = Field(32, ge=1, le=4096, description="chunks: tokens of a window; spans: at most")
    spans: int = Field(2, ge=1, description="spans: windows of each document's beginning, cut anew in every epoch")
    part_tokens: int = Field(64, ge=1, le=4096, description="sentences and passages are cut after these")
    query_tokens: int = Field(256, ge=1, le=4096, description="queries are cut after these")
    sentences: int = Field(6, ge=1, description="sentences: from the beginning, or key-sentences: the best, at most")
    passages: int = Field(3, ge=1, description="passages of 5 sentences, 2 further each, from the beginning, at most")
    ratio: float = Field(0, ge=0, description="parts of documents read for each training query; 0: each thing once")

    @property
    def longest(self) -> int:
        """Tokens of the longest text that may be read: a query, or one of the parts."""
        limits = {"first": self.first_tokens, "chunks": self.chunk_tokens, "spans": self.chunk_tokens}
        return max(self.query_tokens, *(limits.get(part, self.part_tokens) for part in self.parts), 0)


class Example(NamedTuple):
    """A text as tokens, and the row of the document whose identifier it should give."""

    tokens: Tokens
    row: int


class Drawn(NamedTuple):
    """What an epoch reads, in its order; all int64 of shape [texts read].

    texts: numbers of texts in `Examples.tokens`
    starts, stops: which of their tokens are read
    rows: the documents that they should give
    """

    texts: np.ndarray
    starts: np.ndarray
    stops: np.ndarray
    rows: np.ndarray

    def of(self, places: np.ndarray) -> "Drawn":
        """Some of them."""
        return Drawn(*(one[places] for one in self))


@dataclass(frozen=True)
class Spans:
    """Windows that each epoch cuts anew from whole documents: so many of each, of 4 tokens up to a longest."""

    number: int
    longest: int


@dataclass(frozen=True)
class Examples:
    """Training texts: first `queries` queries, then parts of documents, last the documents that spans are cut from.

    tokens: of each text
    rows: int64 of shape [texts]: the document of each
    whole: how many of the texts are read as they are; documents for spans follow
    """

    tokens: Sequence[Tokens]
    rows: np.ndarray
    queries: int
    whole: int
    spans: Spans | None = None

    @classmethod
    def of(
        cls,
        queries: Sequence[Example],
        parts: Sequence[Example],
        documents: Sequence[Example] = (),
        spans: Spans | None = None,
    ) -> "Examples":
        """Raises BenchError if there is nothing to learn from."""
        texts = [*queries, *parts, *documents]
        if not texts:
            raise BenchError(
                "there is nothing to train on: no training queries, and no parts; give some in reading.parts"
            )
        rows = np.array([one.row for one in texts], dtype=np.int64)
        return cls([one.tokens for one in texts], rows, len(queries), len(queries) + len(parts), spans)

    def __len__(self) -> int:
        return len(self.rows)

    def epoch(self, ratio: float, generator: np.random.Generator) -> Drawn:
        """The texts of one epoch in random order.

        Every part comes once, new spans of every document, and the queries as the ratio asks.
        """
        lengths = np.array(list(map(len, self.tokens)), dtype=np.int64)
        queries, parts = np.arange(self.queries), np.arange(self.queries, self.whole)
        spans = self._cut(lengths, generator)
        learned = len(parts) + len(spans.texts)
        if ratio and len(queries) and learned:
            wanted = max(1, round(learned / ratio))
            rounds = [generator.permutation(queries) for _ in range(-(-wanted // len(queries)))]
            queries = np.concatenate(rounds)[:wanted]
        whole = np.concatenate([queries, parts])
        read = Drawn(whole, np.zeros_like(whole), lengths[whole], self.rows[whole])
        every = Drawn(*(np.concatenate(pair) for pair in zip(read, spans, strict=True)))
        return every.of(generator.permutation(len(every.texts)))

    def behind(self, memory: "Examples", generator: np.random.Generator) -> "Examples":
        """These, which have no queries, with what an epoch of earlier ones reads in the place of queries."""
        drawn = memory.epoch(0, generator)
        texts = [memory.tokens[text][start:stop] for text, start, stop in zip(*drawn[:3], strict=True)]
        rows = np.concatenate([drawn.rows, self.rows])
        return Examples([*texts, *self.tokens], rows, len(texts), len(texts) + self.whole, self.spans)

    def _cut(self, lengths: np.ndarray, generator: np.random.Generator) -> Drawn:
        texts = np.arange(self.whole, len(self)).repeat(self.spans.number if self.spans else 0)
        texts = texts[lengths[texts] > 0]
        most = np.minimum(lengths[texts], self.spans.longest if self.spans else 0)
        sizes = generator.integers(np.minimum(_SHORTEST_SPAN, most), most, endpoint=True)
        starts = generator.integers(0, lengths[texts] - sizes, endpoint=True)
        return Drawn(texts, starts, starts + sizes, self.rows[texts])


def training_queries(
    collection: Collection, split: str, tokenize: Callable[[Sequence[str]], list[Tokens]]
) -> list[Example]:
    """The split's queries, each with every document that is relevant to it; none where the split is missing."""
    judged = list(collection.relevant(split))
    tokens = tokenize([query.text for query, _ in judged]) if judged else []
    return [Example(text, row) for text, (_, rows) in zip(tokens, judged, strict=True) for row in rows.tolist()]


def split_queries(examples: Sequence[Example], share: float, seed: int) -> tuple[list[Example], list[Example]]:
    """The queries that are learned, and a share of them that is kept to choose the checkpoint by."""
    kinds = list(dict.fromkeys(tuple(example.tokens) for example in examples))
    place = {kind: number for number, kind in enumerate(kinds)}
    together = sorted(examples, key=lambda example: place[tuple(example.tokens)])
    return hold_out(together, lambda example: tuple(example.tokens), kinds, round(share * len(kinds)), seed)


def learned_and_kept(
    collection: Collection,
    options: DocumentTrainingOptions,
    tokenize: Callable[[Sequence[str]], list[Tokens]],
    seed: int,
) -> tuple[list[Example], list[Example]]:
    """Queries to learn, each with as many documents as the options say, and queries to choose the epoch by.

    The latter are another split's, or some that are held out, with every document that is relevant to them.
    """
    queries = training_queries(collection, options.split, tokenize)
    kept = training_queries(collection, options.selection, tokenize) if options.selection != options.split else []
    if not kept:
        queries, kept = split_queries(queries, options.held_out, seed)
    return some_of_each(queries, options.positives, seed), kept


def queries_to_learn(
    collection: Collection,
    options: DocumentTrainingOptions,
    tokenize: Callable[[Sequence[str]], list[Tokens]],
    seed: int,
) -> list[Example]:
    """What `learned_and_kept` leaves to learn, each query with every document that is relevant to it."""
    every = options.model_copy(update={"positives": 0})
    return learned_and_kept(collection, every, tokenize, seed)[0]


def some_of_each(examples: Sequence[Example], most: int, seed: int) -> list[Example]:
    """At most so many documents of each query, drawn at random, in the order in which they came; 0: every one."""
    if not most:
        return list(examples)
    generator = np.random.default_rng(seed)
    places: dict[tuple[int, ...], list[int]] = {}
    for place, example in enumerate(examples):
        places.setdefault(tuple(example.tokens), []).append(place)
    drawn = [own if len(own) <= most else generator.permutation(own)[:most].tolist() for own in places.values()]
    return [examples[place] for place in sorted(place for own in drawn for place in own)]


def gathered(
    queries: Sequence[Example],
    parts: Sequence[Example],
    options: ReadingOptions,
    beginnings: Callable[[], Sequence[Tokens]],
) -> Examples:
    """All that is learned from; `beginnings` gives the part of each document that spans are cut from."""
    if "spans" not in options.parts:
        return Examples.of(queries, parts)
    documents = [Example(tokens, row) for row, tokens in enumerate(beginnings())]
    return Examples.of(queries, parts, documents, Spans(options.spans, options.chunk_tokens))


def document_parts(
    collection: Collection,
    options: ReadingOptions,
    tokenize: Tokenize,
    seed: int,
    pseudo_queries: Callable[[], Mapping[int, Sequence[str]]],
) -> list[Example]:
    """The parts that the options ask for, of every document; each distinct one once."""
    asked = pseudo_queries() if "pseudo-queries" in options.parts else {}
    found: list[Example] = []
    for row, text in enumerate(collection.texts()):
        generator = np.random.default_rng([seed, row])
        parts = [
            *_windows(text, options, tokenize, generator),
            *tokenize(
                _texts(text, options, collection.rules.language, generator, asked.get(row, ())), options.part_tokens
            ),
        ]
        found += [Example(list(tokens), row) for tokens in dict.fromkeys(map(tuple, parts)) if tokens]
    return found


def _windows(
    text: str, options: ReadingOptions, tokenize: Tokenize, generator: np.random.Generator
) -> Iterator[Tokens]:
    """The beginning, and windows at random places: as many as would cover the document, if not too many."""
    if not {"first", "chunks"} & set(options.parts):
        return
    (tokens,) = tokenize([text], None)
    if "first" in options.parts:
        yield tokens[: options.first_tokens]
    if "chunks" in options.parts:
        last = max(0, len(tokens) - options.chunk_tokens)
        for _ in range(min(options.chunks, -(-len(tokens) // options.chunk_tokens))):
            start = int(generator.integers(0, last + 1))
            yield tokens[start : start + options.chunk_tokens]


def _texts(
    text: str, options: ReadingOptions, language: str, generator: np.random.Generator, asked: Sequence[str]
) -> list[str]:
    """Sentences, passages and pseudo-queries."""
    wanted = set(options.parts)
    texts = list(asked)
    if not wanted & {"sentences", "passages", "key-sentences", "key-passage", "random"}:
        return texts
    every = sentences(text)
    if "sentences" in wanted:
        texts += every[: options.sentences]
    if "passages" in wanted:
        texts += passages(every)[: options.passages]
    if "key-sentences" in wanted:
        texts += best(every, options.sentences, language)
    if "key-passage" in wanted:
        texts += best(passages(every), 1, language)
    if "random" in wanted:
        texts += [every[place] for place in generator.permutation(len(every))[: options.sentences]]
    return texts


def passages(every: Sequence[str]) -> list[str]:
    """Runs of 5 sentences, each beginning 2 after the last one's (Tang et al. 2023, SE-DSI)."""
    starts = range(0, max(1, len(every) - _SENTENCES_PER_PASSAGE + _STRIDE), _STRIDE)
    return [" ".join(every[start : start + _SENTENCES_PER_PASSAGE]) for start in starts] if every else []


def best(texts: Sequence[str], number: int, language: str) -> list[str]:
    """The texts of highest TextRank, best first."""
    if len(texts) <= 1:
        return list(texts)
    return [texts[place] for place in np.argsort(-textrank(texts, language), kind="stable")[:number]]
