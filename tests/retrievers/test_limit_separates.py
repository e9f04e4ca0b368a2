"""The point of Weller et al. 2025: words tell apart what one vector cannot, and a vector per token lies between."""

import numpy as np
import pytest

from bench.collections.catalogue import open_dataset
from bench.collections.collection import Collection
from bench.retriever import Retriever
from retrievers.dense.sbert import SBERT
from retrievers.late_interaction.colbert import ColBERT
from retrievers.lexical.bm25 import BM25


@pytest.fixture(scope="module")
def limit() -> Collection:
    return open_dataset("limit").collection


def recall_at_2(retriever: Retriever, collection: Collection) -> float:
    queries = collection.queries()
    retriever.fit(collection.training_view())
    found = retriever.retrieve(queries, 2).canonical(queries, collection.documents, 2)
    hits = [np.isin(collection.qrels().of(i)[0], found.of(i)[0]).mean() for i in range(len(queries))]
    return float(np.mean(hits))


def test_words_beat_token_vectors_beat_one_vector(limit: Collection) -> None:
    words, tokens, vector = (recall_at_2(system, limit) for system in (BM25(), ColBERT(), SBERT()))
    assert words >= 0.97
    assert vector + 0.5 < tokens < words
