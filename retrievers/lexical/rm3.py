"""BM25 whose queries are expanded with the words of their first answers (RM3)."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from bench.collections.collection import Collection, Query
from bench.hits import Evidence
from bench.rankings import Rankings
from retrievers.known_ids import load_ids, save_ids
from retrievers.lexical.bm25 import BM25
from retrievers.lexical.engines import Variant
from retrievers.ragged import Ragged, flatten

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_VARIANTS = ("lucene", "robertson", "atire")

_LEAST, _NOTHING = 1e-300, 1e-290
"""Stands for a share of 0, which a sparse product would take for no match; sums below the other are 0."""


class RM3(BM25):
    """BM25, asked again with a mixture of the query and of a relevance model of its first answers.

    The relevance model (Lavrenko and Croft 2001, RM1) is P(w|R), proportional to the sum over the feedback documents
    of P(w|d) = tf(w, d) / |d|, weighted by their shares of the first scores. Its most probable terms, scaled to a sum
    of 1, are mixed with the query's own distribution (Abdul-Jaleel et al. 2004): (1 - weight) P(w|q) + weight P(w|R).
    The defaults are Anserini's.
    """

    feedback_documents: int = Field(10, ge=1, description="first answers whose words are read")
    feedback_terms: int = Field(10, ge=1, description="terms of highest probability that are added")
    feedback_weight: float = Field(0.5, ge=0, le=1, description="share of the relevance model in the new query")

    @field_validator("variant")
    @classmethod
    def _is_a_plain_sum(cls, variant: Variant, info: ValidationInfo) -> Variant:  # noqa: ARG003
        if variant not in _VARIANTS:
            raise ValueError(f"queries with weights need one of {', '.join(_VARIANTS)}")
        return variant

    def fit(self, collection: Collection) -> Self:
        self._documents = collection.documents
        return super().fit(collection)

    def _index_terms(self, documents: Ragged) -> None:
        super()._index_terms(documents)
        self._names = list(self._vocabulary)
        self._terms = self._counted(documents)

    def _counted(self, texts: Sequence[Sequence[int]]) -> "csr_array":
        """Shape [texts, terms]: how often each term occurs."""
        from scipy.sparse import csr_array

        terms, offsets = flatten(texts)
        counts = csr_array((np.ones(len(terms)), terms, offsets), shape=(len(texts), len(self._vocabulary)))
        counts.sum_duplicates()
        return counts

    def answer(self, queries: Sequence[Query], read: Sequence[Sequence[int]], k: int) -> Rankings:
        from scipy.sparse import csr_array

        found = []
        for query, (terms, weights) in zip(queries, self._expanded_queries(queries, read), strict=True):
            scores = csr_array(weights[None, :]) @ self._term_scores(terms)
            scores.data[scores.data < _NOTHING] = 0
            found.append(Rankings.from_scores([query], scores, k))
        return Rankings.concatenate(found)

    def explain(self, query: Query, rows: np.ndarray, texts: Sequence[str]) -> list[list[Evidence]]:  # noqa: ARG002
        """The terms of the expanded query that a document holds, the heaviest first."""
        read = self.read([query])
        ((terms, weights),) = self._expanded_queries([query], read)
        added = weights * self._term_scores(terms)[:, rows].toarray().T
        notes = ["" if term in read[0] else "of the first answers" for term in terms.tolist()]
        return [
            [
                Evidence(self._names[terms[place]], float(line[place]), notes[place])
                for place in np.argsort(-line)
                if line[place]
            ]
            for line in added
        ]

    def _expanded_queries(
        self, queries: Sequence[Query], read: Sequence[Sequence[int]]
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each query the terms that are asked for after its first answers, each once, and their weights."""
        first = super().answer(queries, read, self.feedback_documents)
        first = first.canonical(queries, self._documents, self.feedback_documents)
        asked = _distributions(self._counted(read))
        return [self._expanded(asked[[line]], *first.of(line)) for line in range(len(queries))]

    def _expanded(self, query: "csr_array", rows: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The terms of the new query, each once, and their weights."""
        if not len(rows) or scores.sum() <= 0:
            return query.indices, query.data
        model = (scores / scores.sum()) @ _distributions(self._terms[rows])
        best = self._most_probable(model)
        mixed = np.zeros(len(model))
        mixed[best] = self.feedback_weight * model[best] / model[best].sum()
        mixed[query.indices] += (1 - self.feedback_weight) * query.data
        terms = np.flatnonzero(mixed)
        return terms, mixed[terms]

    def _most_probable(self, model: np.ndarray) -> list[int]:
        """The terms of highest probability; of equal ones the first by alphabet, whatever the corpus begins with."""
        held = np.flatnonzero(model)
        least = np.sort(model[held])[-self.feedback_terms :][0]
        likely = sorted(held[model[held] >= least].tolist(), key=lambda term: (-model[term], self._names[term]))
        return likely[: self.feedback_terms]

    def _term_scores(self, terms: np.ndarray) -> "csr_array":
        """Shape [terms, documents]: BM25 is a sum over terms, each of which now counts as often as it weighs."""
        from scipy.sparse import csr_array, hstack

        if not len(terms):
            return csr_array((0, self.documents))
        single = [[term] for term in terms.tolist()]
        blocks = [self._index.scores(single, number) for number in range(len(self._index.blocks))]
        scores = hstack(blocks, format="csr")
        scores.data[scores.data == 0] = _LEAST
        return scores

    def save(self, folder: Path) -> None:
        super().save(folder)
        save_ids(folder, self._documents)
        for name in ("data", "indices", "indptr"):
            np.save(folder / f"forward-{name}.npy", getattr(self._terms, name))

    def load(self, folder: Path) -> None:
        from scipy.sparse import csr_array

        super().load(folder)
        self._names = list(self._vocabulary)
        self._documents = load_ids(folder)
        parts = (
            np.load(folder / f"forward-{name}.npy", allow_pickle=False) for name in ("data", "indices", "indptr")
        )
        self._terms = csr_array(tuple(parts), shape=(len(self._documents), len(self._vocabulary)))


def _distributions(counts: "csr_array") -> "csr_array":
    """Rows scaled to a sum of 1; a row without any stays so."""
    from scipy.sparse import diags_array

    return diags_array(1 / np.maximum(counts.sum(axis=1), 1)).tocsr() @ counts
