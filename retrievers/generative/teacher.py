"""Chen et al.'s remedies: a dense or late-interaction teacher that picks what is learned, and ranks what is relevant.

Chen et al. 2023, "Understanding Differential Search Index for Text Retrieval", Findings of ACL 2023.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection, Query
from bench.models import MINILM
from bench.options import Options
from bench.progress import Progress
from bench.rankings import Rankings
from bench.retriever import Retriever
from retrievers.generative.examples import Example, Examples, Lists

_SCALE = 20.0
"""Of the teacher's scores in a softmax; sentence encoders are trained with it."""


class TeacherOptions(Options):
    """What a teacher does, if there is one."""

    filter: Literal["none", "sbert", "colbert"] = Field(
        "none", description="parts are learned only if this teacher, asked for one, finds its document"
    )
    filter_depth: int = Field(10, ge=1, description="filter: among so many")
    distil: float = Field(0, ge=0, le=1, description="share of targets drawn from the teacher's list for the text")
    distil_teacher: Literal["sbert", "colbert"] = Field("sbert", description="distil: whose lists")
    distil_depth: int = Field(10, ge=1, description="distil: documents of a list")
    model: str = Field(MINILM, description="the teacher's weights")

    @property
    def asked(self) -> bool:
        """Whether there is one."""
        return self.filter != "none" or self.distil > 0


class Teacher:
    """Another retriever on the same collection."""

    def __init__(
        self, kind: Literal["sbert", "colbert"], model: str, collection: Collection, progress: Progress
    ) -> None:
        from retrievers.dense.sbert import SBERT
        from retrievers.late_interaction.colbert import ColBERT

        self._retriever: Retriever = SBERT(model=model) if kind == "sbert" else ColBERT(model=model)
        self._retriever.report_to(lambda phase, done, total: progress(f"teacher: {phase}", done, total))
        self._retriever.fit(collection)

    def answer(self, texts: Sequence[str], k: int) -> Rankings:
        """The best k documents for each text."""
        return self._retriever.retrieve([Query(str(number), text) for number, text in enumerate(texts)], k)


def taught(
    options: TeacherOptions,
    queries: Sequence[Example],
    parts: Sequence[Example],
    texts_of: Callable[[Sequence[Example]], list[str]],
    collection: Collection,
    progress: Progress,
) -> tuple[Examples, dict[str, int]]:
    """Examples of the queries and of the parts that the teacher lets pass, with its lists; and counts of these."""
    counts = {}
    if options.filter != "none":
        teacher = Teacher(options.filter, options.model, collection, progress)
        parts = keep_found(parts, texts_of(parts), teacher, options.filter_depth)
        counts["parts_that_the_teacher_found"] = len(parts)
    examples = Examples.of(queries, parts)
    if options.distil:
        teacher = Teacher(options.distil_teacher, options.model, collection, progress)
        examples = with_lists(examples, texts_of([*queries, *parts]), teacher, options.distil_depth)
    return examples, counts


def keep_found(parts: Sequence[Example], texts: Sequence[str], teacher: Teacher, depth: int) -> list[Example]:
    """The parts whose text brings their document back among the teacher's first `depth`."""
    found = teacher.answer(texts, depth)
    return [part for number, part in enumerate(parts) if part.row in _best(*found.of(number), depth)[0]]


def with_lists(examples: Examples, texts: Sequence[str], teacher: Teacher, depth: int) -> Examples:
    """The examples with the teacher's list for each text.

    Chen et al. have the model write the list, one identifier after the other. Here each training step
    draws one document of the list, as probable as the teacher finds it, so that what the model learns is the
    teacher's distribution and one answer remains one identifier.
    """
    found = teacher.answer(texts, depth)
    rows = np.repeat(examples.rows[:, None], depth, axis=1)
    probabilities = np.zeros(rows.shape)
    probabilities[:, 0] = 1.0  # a text without an answer keeps its own document
    for number in range(len(texts)):
        best, scores = _best(*found.of(number), depth)
        if len(best):
            weights = np.exp(_SCALE * (scores - scores[0]))
            rows[number, : len(best)] = best
            probabilities[number] = 0.0
            probabilities[number, : len(best)] = weights / weights.sum()
    return replace(examples, lists=Lists(rows, probabilities))


def _best(rows: np.ndarray, scores: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(-scores, kind="stable")[:depth]
    return rows[order], scores[order]
