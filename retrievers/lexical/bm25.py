"""BM25 (Robertson and Zaragoza 2009) with the variants that the field uses."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import regex
from pydantic import Field, ValidationInfo, field_validator

from bench.collections.collection import Collection, Query
from bench.errors import BenchError, CannotAdd
from bench.hits import Evidence
from bench.words import WORD
from retrievers.encoding import refuse_textless
from retrievers.lexical.engines import ENGINES, Engine, Formula, Terms, Variant
from retrievers.lexical.terms import Analyser, Vocabulary, stemmer_for, stop_words_for
from retrievers.ragged import Ragged
from retrievers.sharding import Sharded

if TYPE_CHECKING:
    from scipy.sparse import csr_array

AUTO = "auto"


class BM25(Sharded):
    """BM25: sums idf times saturated term frequency over the terms of the query.

    The defaults are Lucene's: its formula, k1 = 1.2 and b = 0.75 (Anserini takes 0.9 and 0.4). Only documents that
    hold a term of the query are returned, even where a variant gives others a score, so a query of unknown terms has
    no answer. A term that the query repeats counts as often.

    Lucene's ranking is ATIRE's with another idf (never 0); Robertson's idf is floored at 0; BM25+ and BM25L
    (Lv and Zhai 2011) bound the weight of an occurrence from below by `delta`. See `engines` for where the two
    libraries agree.
    """

    family = "sparse"
    cells: ClassVar[int] = 2**24

    engine: Literal["bm25s", "rank-bm25"] = Field("bm25s", description="library that computes the scores")
    variant: Variant = Field(
        "lucene", description="formula; okapi only with rank-bm25, which has bm25+ and bm25l too"
    )
    k1: float = Field(1.2, gt=0, description="how slowly repeated terms saturate; near 0, repetition hardly counts")
    b: float = Field(0.75, ge=0, le=1, description="how far long documents are discounted")
    delta: float | None = Field(
        None, gt=0, description="least weight of an occurrence in bm25+ (None: 1) and bm25l (None: 0.5)"
    )
    epsilon: float = Field(0.25, ge=0, description="okapi: a negative idf becomes this share of the mean idf")
    stop_words: str = Field(AUTO, description="language of the stop words, none, or auto for the collection's")
    stemmer: str = Field(AUTO, description="language of the Snowball stemmer, none, or auto for the collection's")
    token_pattern: str = Field(
        WORD,
        description=r"regular expression of a word, as the library regex reads it; \w\w+ drops words of one letter",
    )
    ngram: int = Field(
        2, ge=1, description="scripts without blanks (Chinese, Japanese, Thai, ...): runs of up to so many characters"
    )

    @field_validator("engine")
    @classmethod
    def _engine_has_parts(cls, engine: str, info: ValidationInfo) -> str:
        if engine == "rank-bm25" and info.data.get("shards", 1) > 1:
            raise ValueError("rank-bm25 scores all documents together; leave shards at 1, or take bm25s")
        return engine

    @field_validator("variant")
    @classmethod
    def _engine_has_it(cls, variant: Variant, info: ValidationInfo) -> Variant:
        engine = info.data.get("engine", "bm25s")
        if variant not in ENGINES[engine].variants:
            raise ValueError(f"the engine {engine} has only {', '.join(ENGINES[engine].variants)}")
        return variant

    @field_validator("token_pattern")
    @classmethod
    def _pattern_finds_words(cls, pattern: str) -> str:
        try:
            groups = regex.compile(pattern).groups
        except regex.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        if groups > 1:
            raise ValueError("more than one group; write (?:...) for those that are not the word")
        return pattern

    def fit(self, collection: Collection) -> Self:
        refuse_textless(collection)
        self._start(collection.rules.language, Vocabulary())
        documents = Ragged()
        for text in collection.texts():
            documents.append(self._vocabulary.add(self._analyser.terms(text)))
            if len(documents) % 1000 == 0:
                self.progress("reading terms", len(documents), len(collection))
        if not len(self._vocabulary):
            raise BenchError(
                f"no document of {collection.name} holds a term; change token_pattern, stop_words or both"
            )
        self.progress("indexing", 0, 1)
        self._index_terms(documents)
        self.progress("indexing", 1, 1)
        return self

    def _index_terms(self, documents: Ragged) -> None:
        """Index what each document holds, as numbers of the vocabulary's terms."""
        self._index.index(documents, len(self._vocabulary))

    def add(self, documents: Collection) -> None:  # noqa: ARG002
        """As if fitted on all: a document's share of each term follows idf, so that the index is made anew.

        Raises CannotAdd where the documents are not known (an index was loaded).
        """
        self.check_add()
        assert self.fitted_on is not None
        self.fit(self.fitted_on)

    def check_add(self) -> None:
        """As `MayRefuseDocuments.check_add`."""
        if self.fitted_on is None:
            raise CannotAdd("bm25 does not know its documents once it is loaded; fit it again")

    def _start(self, language: str, vocabulary: Vocabulary) -> None:
        self._language = language
        self._vocabulary = vocabulary
        self._stops = stop_words_for(language) if self.stop_words == AUTO else self.stop_words
        self._stems = stemmer_for(language) if self.stemmer == AUTO else self.stemmer
        self._analyser = Analyser(self.token_pattern, language, self._stops, self._stems, self.ngram)
        delta = self.delta or (1.0 if self.variant == "bm25+" else 0.5)
        formula = Formula(self.variant, self.k1, self.b, delta, self.epsilon)
        self._index: Engine = ENGINES[self.engine](formula, self.shards)

    @property
    def deterministic(self) -> bool:
        return True

    @property
    def documents(self) -> int:
        return self._index.documents

    def read(self, queries: Sequence[Query]) -> list[list[int]]:
        """The known terms of each query."""
        return [self._vocabulary.known(self._analyser.terms(query.text)) for query in queries]

    @property
    def blocks(self) -> Sequence[slice]:
        return self._index.blocks

    def block_scores(self, terms: Sequence[Terms], number: int) -> "csr_array":
        return self._index.scores(terms, number)

    def explain(self, query: Query, rows: np.ndarray, texts: Sequence[str]) -> list[list[Evidence]]:  # noqa: ARG002
        """The terms of the query that a document holds, the heaviest first.

        What bm25+ and bm25l give to a document for terms that it lacks is in no term's weight.
        """
        names = list(self._vocabulary)
        counts = Counter(self.read([query])[0])
        asked = [[term] * count for term, count in counts.items()]
        answers = self.answer([query] * len(asked), asked, self.documents)
        found: list[list[Evidence]] = [[] for _ in rows]
        for position, (term, count) in enumerate(counts.items()):
            weights = dict(zip(*(part.tolist() for part in answers.of(position)), strict=True))
            note = f"{count} times in the question" if count > 1 else ""
            for place, row in enumerate(rows.tolist()):
                if row in weights:
                    found[place].append(Evidence(names[term], weights[row], note))
        return [sorted(one, key=lambda part: -part.weight) for one in found]

    def save(self, folder: Path) -> None:
        self._index.save(folder)
        words = {"language": self._language, "terms": list(self._vocabulary)}
        (folder / "terms.json").write_text(json.dumps(words, ensure_ascii=False), encoding="utf-8")

    def load(self, folder: Path) -> None:
        words = json.loads((folder / "terms.json").read_text(encoding="utf-8"))
        self._start(words["language"], Vocabulary(words["terms"]))
        self._index.load(folder)

    def facts(self) -> dict[str, Any]:
        return {
            "stop_words": self._stops,
            "stemmer": self._stems,
            "terms": len(self._vocabulary),
        }
