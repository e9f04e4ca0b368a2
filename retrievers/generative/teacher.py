"""Teachers: which texts are worth learning, and what else than a text's own document it speaks of.

Chen et al. 2023, "Understanding Differential Search Index for Text Retrieval", Findings of ACL 2023, have a dense or
late-interaction teacher filter the texts, and the model write the teacher's list. Here the model is held to the
teacher's whole distribution: at each prefix of the document's identifier, the probability of a token is that of all
documents below it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from bench.collections.collection import Collection, Query
from bench.models import MINILM
from bench.options import Options
from bench.progress import Progress
from bench.rankings import Rankings
from bench.retriever import Retriever
from retrievers.generative.examples import Example, Examples

if TYPE_CHECKING:
    from torch import Tensor

    from retrievers.generative.decoder import Encoded

Distribution = Callable[[np.ndarray, "Encoded"], "Tensor"]
"""From numbers of texts and their states to probabilities of shape [texts, documents]."""

_SCALE = 20.0
"""Of the teacher's scores in a softmax; sentence encoders are trained with it."""


class TeacherOptions(Options):
    """What a teacher does, if there is one."""

    filter: Literal["none", "sbert", "colbert"] = Field(
        "none",
        description="parts are learned only if this teacher, asked for one, finds its document; spans are not asked",
    )
    filter_depth: int = Field(10, ge=1, description="filter: among so many")
    distil: float = Field(0, ge=0, le=1, description="share of the loss that follows a teacher's distribution")
    distil_by: Literal["probabilities", "margins"] = Field(
        "probabilities",
        description="distil: the probabilities of each next token, or the margins of a document's prefixes over "
        "those of others (RIPOR; head=additive and normalise=none go with it)",
    )
    negatives: int = Field(4, ge=1, description="distil_by=margins: other documents of a text, drawn anew each time")
    distil_teacher: Literal["projection", "sbert", "colbert"] = Field(
        "projection",
        description="distil: the frozen encoder's vectors after a linear map that the training queries teach, or a "
        "model's lists (spans have none)",
    )
    distil_depth: int = Field(
        10,
        ge=1,
        description="distil_teacher=sbert, colbert: documents of a list; distil_by=margins: negatives are of these",
    )
    model: str = Field(MINILM, description="filter, distil_teacher=sbert, colbert: the teacher's weights")

    @model_validator(mode="after")
    def _has_scores_of_all(self) -> Self:
        if self.distil_by == "margins" and self.distil_teacher != "projection":
            raise ValueError("distil_by=margins needs a teacher with a score for each document; take projection")
        return self

    @property
    def projects(self) -> bool:
        """Whether it is the model's own encoder with a linear map."""
        return self.distil > 0 and self.distil_teacher == "projection"

    @property
    def reads(self) -> bool:
        """Whether it is another model."""
        return self.filter != "none" or (self.distil > 0 and self.distil_teacher != "projection")


class Teacher:
    """Another retriever on the same collection."""

    def __init__(
        self,
        kind: Literal["sbert", "colbert"],
        model: str,
        device: str,
        collection: Collection,
        progress: Progress,
    ) -> None:
        from retrievers.dense.sbert import SBERT
        from retrievers.late_interaction.colbert import ColBERT

        system = SBERT if kind == "sbert" else ColBERT
        self._retriever: Retriever = system(model=model, device=device)
        self._retriever.report_to(lambda phase, done, total: progress(f"teacher: {phase}", done, total))
        self._retriever.fit(collection)

    def answer(self, texts: Sequence[str], k: int) -> Rankings:
        """The best k documents for each text."""
        return self._retriever.retrieve([Query(str(number), text) for number, text in enumerate(texts)], k)


def keep_found(parts: Sequence[Example], texts: Sequence[str], teacher: Teacher, depth: int) -> list[Example]:
    """The parts whose text brings their document back among the teacher's first `depth`."""
    found = teacher.answer(texts, depth)
    return [part for number, part in enumerate(parts) if part.row in _best(*found.of(number), depth)[0]]


@dataclass(frozen=True)
class Lists:
    """A teacher's documents for each text, of shape [texts, depth], and how probable each one is."""

    rows: np.ndarray
    probabilities: np.ndarray
    documents: int

    @classmethod
    def of(cls, examples: Examples, texts: Sequence[str], teacher: Teacher, depth: int, documents: int) -> "Lists":
        """The first `depth` for each text that is read whole; one without an answer, and a span, has its own."""
        rows = np.repeat(examples.rows[:, None], depth, axis=1)
        probabilities = np.zeros(rows.shape, dtype=np.float32)
        probabilities[:, 0] = 1.0
        found = teacher.answer(texts, depth)
        for number in range(len(texts)):
            best, scores = _best(*found.of(number), depth)
            if len(best):
                weights = np.exp(_SCALE * (scores - scores[0]))
                rows[number, : len(best)] = best
                probabilities[number] = 0.0
                probabilities[number, : len(best)] = weights / weights.sum()
        return cls(rows, probabilities, documents)

    def __call__(self, texts: np.ndarray, encoded: "Encoded") -> "Tensor":
        """As a `Distribution`."""
        import torch

        rows, probabilities = torch.from_numpy(self.rows[texts]), torch.from_numpy(self.probabilities[texts])
        found = torch.zeros(len(texts), self.documents).scatter_add_(1, rows, probabilities)
        return found.to(encoded.states.device)


def _best(rows: np.ndarray, scores: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(-scores, kind="stable")[:depth]
    return rows[order], scores[order]
