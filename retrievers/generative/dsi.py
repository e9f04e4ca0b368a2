"""Differentiable search index: a model whose parameters are the index (Tay et al. 2022, arXiv 2202.06991)."""

from typing import Literal

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection
from retrievers.generative.docids import atomic, naive, semantic
from retrievers.generative.naming import Named
from retrievers.generative.retriever import GenerativeRetriever


class DSI(GenerativeRetriever):
    """Learns to write the identifier of the document that a text is of, or that answers a query.

    Identifiers are atomic (one token for each document), naive (the digits of an arbitrary number), or semantic (the
    path through nested clusters of document vectors). Indexing and retrieval are learned together.
    """

    docid: Literal["atomic", "naive", "semantic"] = Field("semantic", description="kind of identifier")
    branch: int = Field(10, ge=2, le=10_000, description="semantic: clusters that a cluster is divided into")
    leaf_size: int = Field(100, ge=1, description="semantic: documents of a cluster that is not divided")
    max_levels: int = Field(8, ge=1, le=64, description="semantic: longest identifier")

    def name_documents(self, collection: Collection, vectors: np.ndarray) -> Named:
        if self.docid == "atomic":
            return Named(atomic(len(collection)))
        if self.docid == "naive":
            return Named(naive(len(collection), self.seed))
        return Named(semantic(vectors, self.branch, self.leaf_size, self.max_levels, self.seed))
