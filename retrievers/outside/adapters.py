"""Retrievers of other libraries: a plugin derives from one of these classes and builds the library's object.

The libraries come with the extra `adapters`, or with what the plugin's own package needs.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Self

from bench.collections.collection import Collection, Query
from bench.errors import MissingExtra
from bench.rankings import Rankings
from retrievers.outside.outside import Outside

ID = "id"
"""The name in a document's metadata under which its id is handed to a library, and read back."""


class _Adapter(Outside):
    """A library's object, built where it is asked."""

    family = "other"

    @property
    def deterministic(self) -> bool:
        return False

    @abstractmethod
    def build(self, documents: Any) -> Any:
        """The library's object that answers, from the library's documents."""


class LangChain(_Adapter):
    """A LangChain retriever; `build` makes it from `langchain_core` Documents.

    What it answers has no scores: its order is kept. How many it answers is its own choice (`search_kwargs`).
    """

    def fit(self, collection: Collection) -> Self:
        super().fit(collection)
        try:
            from langchain_core.documents import Document
        except ImportError:
            raise MissingExtra("LangChain", "adapters") from None
        ids, texts = collection.documents.ids(), collection.texts()
        self._retriever = self.build(
            [Document(id=one, page_content=text, metadata={ID: one}) for one, text in zip(ids, texts, strict=True)]
        )
        return self

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        answers = (self._retriever.invoke(query.text) for query in queries)
        return self.ranked(queries, [_distinct([one.metadata[ID] for one in answer])[:k] for answer in answers])


class LlamaIndex(_Adapter):
    """A LlamaIndex retriever; `build` makes it from `llama_index.core` Documents. Of nodes of one document the best
    counts."""

    def fit(self, collection: Collection) -> Self:
        super().fit(collection)
        try:
            from llama_index.core import Document
        except ImportError:
            raise MissingExtra("LlamaIndex", "adapters") from None
        ids, texts = collection.documents.ids(), collection.texts()
        self._retriever = self.build(
            [Document(doc_id=one, text=text, metadata={ID: one}) for one, text in zip(ids, texts, strict=True)]
        )
        return self

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        return self.ranked(queries, [self._answer(query.text)[:k] for query in queries])

    def _answer(self, text: str) -> list[Any]:
        nodes = self._retriever.retrieve(text)
        if any(node.score is None for node in nodes):
            return _distinct([node.metadata[ID] for node in nodes])
        best: dict[str, float] = {}
        for node in nodes:
            best[node.metadata[ID]] = max(node.score, best.get(node.metadata[ID], node.score))
        return sorted(best.items(), key=lambda pair: -pair[1])


class PyTerrier(_Adapter):
    """A PyTerrier transformer from queries to results; `build` makes it from {docno, text} dicts, as an indexer
    takes them."""

    def fit(self, collection: Collection) -> Self:
        super().fit(collection)
        ids, texts = collection.documents.ids(), collection.texts()
        self._transformer = self.build([{"docno": one, "text": text} for one, text in zip(ids, texts, strict=True)])
        return self

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        import pandas as pd

        asked = pd.DataFrame({"qid": [query.id for query in queries], "query": [query.text for query in queries]})
        found = self._transformer(asked).sort_values("score", ascending=False).groupby("qid").head(k)
        answers: dict[str, list[tuple[str, float]]] = {query.id: [] for query in queries}
        for query_id, docno, score in zip(found["qid"], found["docno"], found["score"], strict=True):
            answers[query_id].append((docno, float(score)))
        return self.ranked(queries, answers.values())


def _distinct(ids: Sequence[str]) -> list[str]:
    """Each id where it stands first: several parts of a document may be found."""
    return list(dict.fromkeys(ids))
