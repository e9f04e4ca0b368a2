"""What the three probes share: one draw of questions for all systems, and documents that have to come back.

Chen et al. 2023, "Understanding Differential Search Index for Text Retrieval", Findings of ACL 2023.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import Field, PrivateAttr

from bench.collections.collection import Collection, Qrels, Query
from bench.measures.audit import audit, audited
from bench.measures.effectiveness import Judgements, evaluate
from bench.measures.measures import Measure
from bench.rankings import Rankings
from bench.tasks import Figure, Judged, Task

MEASURES = ("Hits@1", "Hits@10", "MRR@10")


class Probe(Task):
    """A task whose questions are drawn by its own seed, so that every system is asked the same."""

    depth: int = Field(10, ge=10, le=10_000, description="documents asked of a system for each question")
    seed: int = Field(0, ge=0, lt=2**31, description="draws the questions, whatever the systems' seeds")


@dataclass(frozen=True)
class Asked:
    """A question and the row of the document that it is made of, its one right answer."""

    query: Query
    row: int
    group: str
    """The kind of question; each kind has figures of its own."""


@dataclass(frozen=True)
class Draw:
    """All questions, and what is to be known of how they were drawn."""

    asked: Sequence[Asked]
    counts: Mapping[str, Any] = field(default_factory=dict)

    def qrels(self) -> Qrels:
        """Each question with its one relevant document."""
        return Qrels(
            query_ids=[one.query.id for one in self.asked],
            offsets=np.arange(len(self.asked) + 1),
            rows=np.array([one.row for one in self.asked], dtype=np.int64),
            grades=np.ones(len(self.asked), dtype=np.int64),
        )


class OwnDocument(Probe):
    """Questions made of documents; the right answer is the document that a question is made of."""

    sample: int = Field(200, ge=1, description="documents that questions are made of, at most")

    _drawn: dict[str, Draw] = PrivateAttr(default_factory=dict)

    @abstractmethod
    def draw(self, collection: Collection) -> Draw:
        """The questions. Raises BenchError where the collection's documents give none."""

    @abstractmethod
    def groups(self) -> Sequence[str]:
        """The kinds of questions that have figures, named after them; "" stands for all questions."""

    def drawn(self, collection: Collection) -> Draw:
        """What `draw` gave, drawn once."""
        if collection.fingerprint not in self._drawn:
            self._drawn[collection.fingerprint] = self.draw(collection)
        return self._drawn[collection.fingerprint]

    def questions(self, collection: Collection) -> Sequence[Query]:
        return [one.query for one in self.drawn(collection).asked]

    def measures(self) -> list[str]:
        return [_name(measure, group) for group in self.groups() for measure in MEASURES]

    def judge(self, collection: Collection, rankings: Rankings) -> Judged:
        draw = self.drawn(collection)
        chosen = [Measure.parse(name) for name in MEASURES]
        values = evaluate(rankings, Judgements(draw.qrels()), audited(chosen))
        audit(values, rankings.query_ids)
        of_question = np.array([one.group for one in draw.asked])
        per_query = {
            _name(str(measure), group): np.where((of_question == group) | (group == ""), values[measure], np.nan)
            for group in self.groups()
            for measure in chosen
        }
        return Judged(
            figures=[Figure.of(name, found) for name, found in per_query.items()],
            query_ids=rankings.query_ids,
            per_query=per_query,
            counts={"unanswered": int((rankings.lengths == 0).sum()), **draw.counts},
        )


def _name(measure: str, group: str) -> str:
    return f"{measure} {group}".strip()
