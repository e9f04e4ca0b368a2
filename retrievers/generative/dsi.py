"""Differentiable search index: a model whose parameters are the index (Tay et al. 2022, arXiv 2202.06991)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection
from bench.errors import CannotAdd
from retrievers.generative.docids import atomic, naive, semantic
from retrievers.generative.examples import Example, Examples, gathered
from retrievers.generative.naming import Named
from retrievers.generative.options import GrowthOptions
from retrievers.generative.retriever import GenerativeRetriever
from retrievers.generative.teacher import Distribution


class DSI(GenerativeRetriever):
    """Learns to write the identifier of the document that a text is of, or that answers a query.

    Identifiers are atomic (one token for each document), naive (the digits of an arbitrary number), or semantic (the
    path through nested clusters of document vectors). Indexing and retrieval are learned together.
    """

    docid: Literal["atomic", "naive", "semantic"] = Field("semantic", description="kind of identifier")
    branch: int = Field(10, ge=2, le=10_000, description="semantic: clusters that a cluster is divided into")
    leaf_size: int = Field(100, ge=1, description="semantic: documents of a cluster that is not divided")
    max_levels: int = Field(8, ge=1, le=64, description="semantic: longest identifier")
    growth: GrowthOptions = Field(default_factory=GrowthOptions, description="what is learned of added documents")

    def name_documents(self, collection: Collection, vectors: np.ndarray) -> Named:
        if self.docid == "atomic":
            return Named(atomic(len(collection)))
        if self.docid == "naive":
            return Named(naive(len(collection), self.seed))
        return Named(semantic(vectors, self.branch, self.leaf_size, self.max_levels, self.seed))

    def add(self, documents: Collection) -> None:
        """Name the documents by what was learned: the clusters stay, and each document gets an output row.

        With `growth.epochs` their texts are learned then, beside some of what was learned before (Mehta et al. 2023,
        DSI++, section 4; the memory is what was read, and no model that writes it anew).
        Raises CannotAdd for naive identifiers, and where the documents' vectors are not known (an index was loaded).
        """
        from retrievers.generative.growing import more_atomic, more_semantic, same_states, take_over, turned

        self.check_add()
        assert self._vectors is not None
        before, learned, columns = self._named.identifiers, self._model.learned(), self._model.columns
        new = turned(self._document_vectors(documents), self._turn)
        more = more_atomic(before, len(new)) if self.docid == "atomic" else more_semantic(before, self._vectors, new)
        self._hold(Named(more), np.concatenate([self._vectors, new]), self._turn)
        moved = list(zip(columns, self._model.columns, strict=False))
        take_over(self._model.learned(), learned, same_states(before, more), moved)
        self._model.eval()
        if self.growth.epochs:
            self._learn_added(documents, len(before))

    def check_add(self) -> None:
        """As `MayRefuseDocuments.check_add`."""
        if self.docid == "naive":
            raise CannotAdd("dsi cannot name more documents by naive numbers; take docid=semantic or atomic")
        if self._vectors is None:
            raise CannotAdd("dsi does not know its documents' vectors once it is loaded; fit it again")

    def _train(self, examples: Examples, kept: Sequence[Example], teacher: Distribution | None) -> None:
        super()._train(examples, kept, teacher)
        self._memory = examples

    def _learn_added(self, documents: Collection, first: int) -> None:
        """Learn the texts of documents whose rows begin with `first`."""
        from retrievers.generative.fitting import Lesson

        parts = self.read_parts(documents)
        added = gathered([], parts, self.reading, lambda: self.encoder.beginnings(documents))
        added = replace(added, rows=added.rows + first)
        read, ratio, share = added, 0.0, self.growth.replayed
        if share:
            read = added.behind(self._memory, np.random.default_rng([self.seed, first]))
            ratio = (1 - share) / share
        lesson = Lesson(self._prompted(read), self._named.identifiers.tokens, ratio, None, self.teacher, None)
        chosen = {"epochs": self.growth.epochs, "learning_rate": self.growth.learning_rate}
        options = self.training.model_copy(update=chosen)
        below = self.workplace.below(f"documents from {first}")
        course = self._learn(lesson, options, below)
        self.workplace.reused_seconds += below.reused_seconds
        self._counts.setdefault("training_on_added_documents", []).append(course)
        self._memory = read
