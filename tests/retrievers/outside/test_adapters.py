"""Retrievers of other libraries answer through the interface, with the libraries themselves."""

from collections.abc import Callable
from typing import Any

import pytest

from bench.collections.collection import Collection, Query
from bench.protocols import can_be_saved
from retrievers.dense.sbert import SBERT
from retrievers.outside.adapters import LangChain, LlamaIndex, PyTerrier

QUERIES = [Query("1", "joining paths"), Query("2", "reading of files")]


@pytest.fixture
def small(make_collection: Callable[..., Collection]) -> Collection:
    return make_collection({"a": "join two paths", "b": "read a file", "7": "close the window"})


def test_a_langchain_vector_store_ranks_as_its_own_vectors_do(small: Collection) -> None:
    pytest.importorskip("langchain_core")
    from langchain_core.embeddings import Embeddings
    from langchain_core.vectorstores import InMemoryVectorStore

    class MiniLM(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return SBERT().embed(texts).tolist()

        def embed_query(self, text: str) -> list[float]:
            return self.embed_documents([text])[0]

    class Mine(LangChain):
        def build(self, documents: Any) -> Any:
            return InMemoryVectorStore.from_documents(documents, MiniLM()).as_retriever(search_kwargs={"k": 3})

    system = Mine().fit(small)
    assert system.rankings(QUERIES, 3).rows.tolist() == SBERT().fit(small).rankings(QUERIES, 3).rows.tolist()
    assert system.rankings(QUERIES, 1).lengths.tolist() == [1, 1]
    assert not can_be_saved(system)


def test_of_llamaindex_nodes_of_one_document_the_best_counts(small: Collection) -> None:
    pytest.importorskip("llama_index.core")
    from llama_index.core.retrievers import BaseRetriever
    from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

    class Words(BaseRetriever):
        def __init__(self, documents: Any) -> None:
            self.nodes = [
                TextNode(text=word, metadata=one.metadata) for one in documents for word in one.text.split()
            ]
            super().__init__()

        def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
            asked = query_bundle.query_str
            return [
                NodeWithScore(node=node, score=float(len(node.text))) for node in self.nodes if node.text[:3] in asked
            ]

    class Mine(LlamaIndex):
        def build(self, documents: Any) -> Any:
            return Words(documents)

    found = Mine().fit(small).rankings(QUERIES, 3)
    assert [small.documents.ids(rows) for _, rows, _ in found] == [["a", "b"], ["b"]]
    assert found.of(0)[1].tolist() == [5.0, 1.0]


def test_a_pyterrier_transformer_answers_the_queries_it_is_given(small: Collection) -> None:
    pt = pytest.importorskip("pyterrier")
    import pandas as pd

    class Shared(pt.Transformer):
        """Counts words in common."""

        def __init__(self, documents: Any) -> None:
            self.documents = documents

        def transform(self, asked: Any) -> Any:
            rows = [
                (qid, query, one["docno"], float(len(set(query.split()) & set(one["text"].split()))))
                for qid, query in zip(asked["qid"], asked["query"], strict=True)
                for one in self.documents
            ]
            frame = pd.DataFrame(rows, columns=["qid", "query", "docno", "score"])
            return pt.model.add_ranks(frame[frame.score > 0])

    class Mine(PyTerrier):
        def build(self, documents: Any) -> Any:
            return Shared(documents) % 2

    queries = [Query("1", "two paths"), Query("2", "nothing here"), Query("3", "a window")]
    found = Mine().fit(small).rankings(queries, 5)
    assert [small.documents.ids(rows) for _, rows, _ in found] == [["a"], [], ["7", "b"]]
