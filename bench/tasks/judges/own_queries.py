"""A judge without any model: it knows the queries that each document was written to answer."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.collections.collection import Collection
from bench.errors import BenchError
from bench.libraries import import_bm25s
from bench.tasks.judges.base import Judge

if TYPE_CHECKING:
    from bm25s import BM25

_WORD = r"(?u)\b\w+\b"
_LEAST = 0.5
"""Share of the documents that must have a query, lest most pairs tie."""


def own_queries(collection: Collection) -> dict[int, list[str]]:
    """By document's row the queries, of all splits, that it is relevant for."""
    found: dict[int, list[str]] = {}
    for split in collection.splits:
        for query, rows in collection.relevant(split):
            for row in rows.tolist():
                found.setdefault(row, []).append(query.text)
    return found


def has_own_queries(collection: Collection) -> bool:
    """Whether enough documents have some for them to judge by."""
    return len(own_queries(collection)) >= _LEAST * len(collection)


class OwnQueriesJudge(Judge):
    """BM25 (Lucene's, stemmed) between a query and the queries, of all splits, that a document is relevant for.

    In pydoc these are the documents' summaries, which no document holds. A document without any scores 0.
    """

    name = "own queries"
    label = "BM25 between the query and the queries that a document was judged relevant for"

    def __init__(self, collection: Collection) -> None:
        """Raises BenchError where few documents have a query of their own."""
        asked = own_queries(collection)
        if len(asked) < _LEAST * len(collection):
            raise BenchError(
                f"{collection.name}: only {len(asked)} of {len(collection)} documents have a query of their own to "
                "be judged by; choose another judge, such as splade"
            )
        self._language = collection.rules.language
        self._asked: dict[str, str] = {}
        for row, text in enumerate(collection.texts()):
            self._asked[text] = " ".join([self._asked.get(text, ""), *asked.get(row, ())])

    @cached_property
    def _index(self) -> "BM25":
        index: BM25 = import_bm25s().BM25(k1=1.2, b=0.75, method="lucene")
        index.index(self._tokens(list(self._asked.values())), show_progress=False)
        return index

    def _tokens(self, texts: Sequence[str]) -> list[list[str]]:
        import Stemmer

        stem = Stemmer.Stemmer(self._language)
        found: Any = import_bm25s().tokenize(
            list(texts), token_pattern=_WORD, stopwords=[], stemmer=stem, return_ids=False, show_progress=False
        )
        return list(found)

    def _score(self, pairs: list[tuple[str, str]]) -> np.ndarray:
        places = {text: place for place, text in enumerate(self._asked)}
        queries = list(dict.fromkeys(query for query, _ in pairs))
        words = dict(zip(queries, self._tokens(queries), strict=True))
        scores = {query: self._index.get_scores(words[query]) for query in queries}
        return np.array([scores[query][places[document]] for query, document in pairs])
