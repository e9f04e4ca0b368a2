"""What the three probes share: one draw of questions for all systems, and documents that have to come back.

Chen et al. 2023, "Understanding Differential Search Index for Text Retrieval", Findings of ACL 2023.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection, Qrels, Query
from bench.measures.audit import audited_values
from bench.measures.judged import Judgements
from bench.measures.measure import Count, Instrument, Measure
from bench.measures.names import Effectiveness
from bench.rankings import Rankings
from bench.tasks import Task
from bench.tasks.exam import Exam
from bench.tasks.measured import unanswered

MEASURES = tuple(map(Effectiveness.parse, ("Hits@1", "Hits@10", "MRR@10")))


class Probe(Task):
    """A task whose questions are drawn by its own seed, so that every system is asked the same."""

    depth: int = Field(10, ge=10, le=10_000, description="documents asked of a system for each question")
    seed: int = Field(0, ge=0, lt=2**31, description="draws the questions, whatever the systems' seeds")


@dataclass(frozen=True)
class Asked:
    """A question and the row of the document that it is made of, its one right answer."""

    query: Query
    row: int
    groups: tuple[str, ...] = ("",)
    """The kinds of question that it is of; each kind has figures of its own."""


@dataclass(frozen=True)
class Draw:
    """All questions, and how many documents or questions were drawn and left out, by reason."""

    asked: Sequence[Asked]
    facts: Mapping[str, int] = field(default_factory=dict)

    def qrels(self) -> Qrels:
        """Each question with its one relevant document."""
        return Qrels(
            query_ids=[one.query.id for one in self.asked],
            offsets=np.arange(len(self.asked) + 1),
            rows=np.array([one.row for one in self.asked], dtype=np.int64),
            grades=np.ones(len(self.asked), dtype=np.int64),
        )


class OwnDocument(Probe):
    """Questions made of documents; the right answer is the document that a question is made of.

    The questions of one document are one unit.
    """

    asks_split: ClassVar[bool] = False

    sample: int = Field(200, ge=1, description="documents that questions are made of, at most")

    @abstractmethod
    def draw(self, collection: Collection) -> Draw:
        """The questions. Raises BenchError where the collection's documents give none."""

    @abstractmethod
    def groups(self) -> Sequence[str]:
        """The kinds of questions that have figures, named after them; "" is the one without a name."""

    @abstractmethod
    def columns(self) -> Sequence[str]:
        """Names of the measures that tables show, the primary one first."""

    @abstractmethod
    def definition(self, collection: Collection, draw: Draw) -> str:
        """What the figures mean, in a line for the table's foot."""

    def instruments(self) -> Sequence[Instrument | None]:
        """The models that choose the questions, if any: of those that the primary measure is of, and of others."""
        return None, None

    def on(self, collection: Collection) -> "OwnDocumentExam":
        draw, columns, (instrument, second) = self.draw(collection), self.columns(), self.instruments()
        by_name = {
            _name(str(one), group): Measure(_name(str(one), group), f"{one.words}{f'; {group}' if group else ''}")
            for group in self.groups()
            for one in MEASURES
        }
        return OwnDocumentExam(
            collection=collection,
            queries=[one.query for one in draw.asked],
            depth=self.depth,
            measures=[by_name[name] for name in dict.fromkeys([columns[0], *by_name])],
            columns=columns,
            definition=self.definition(collection, draw),
            instrument=instrument,
            second_instrument=second,
            units=[collection.documents[one.row].id for one in draw.asked],
            draw=draw,
        )


@dataclass(frozen=True, kw_only=True)
class OwnDocumentExam(Exam):
    """Questions of several kinds, each made of the one document that answers it."""

    draw: Draw = field(repr=False)

    def measured(
        self,
        rankings: Rankings,
        groups: np.ndarray | None,  # noqa: ARG002
    ) -> tuple[Mapping[str, np.ndarray], Sequence[Count]]:
        values = audited_values(rankings, Judgements(self.draw.qrels()), MEASURES)
        by_name = {}
        for measure in self.measures:
            kind, _, group = measure.name.partition(" ")
            of_group = np.array([group in one.groups for one in self.draw.asked])
            by_name[measure.name] = np.where(of_group, values[kind], np.nan)
        facts = [Count(name, number, kind="amount") for name, number in self.draw.facts.items()]
        return by_name, [unanswered(rankings), *facts]


def _name(measure: str, group: str) -> str:
    return f"{measure} {group}".strip()
