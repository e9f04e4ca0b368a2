"""Planning ahead: the scores of a first system steer how a generative one writes identifiers."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from bench.collections.collection import Collection, Query
from bench.parts import Part
from bench.protocols import GeneratesAmong, Scored
from bench.rankings import Rankings
from bench.retriever import Retriever
from retrievers.composed.choosing import Judged, judged_queries, reciprocal_rank
from retrievers.composed.composed import Composed
from retrievers.composed.fusion import min_max

_DEV_SPLITS = ("dev", "valid", "validation")
"""Queries that the writer has learned are none of these."""

_CHOSEN = "chosen.json"


class PAG(Composed):
    """Look-ahead beam search of Zeng et al. 2024 (PAG, arXiv 2404.14600), with any planner and any writer: PAG-lite.

    The planner scores whole documents, and the writer's beams keep to the identifiers of the best `depth`. A prefix
    is worth its log-probability and the best planning score below it, an answer the sum of both. Planning scores go
    from 0 for a query's last candidate to `weight` for its best one. A query for which the planner finds nothing has
    no answer.

    In the paper one model is trained for both, its planner reads a set of tokens that stands for a document, and raw
    logits are added. Here two systems are fitted apart, and log-probabilities are added.
    """

    family = "generative"

    writer: Part = Field("dsi", description="generative system that writes identifiers: dsi or se_dsi")
    planner: Part = Field("splade", description="system whose scores plan ahead")
    depth: int = Field(1000, ge=1, description="candidates taken of the planner; more where more are asked for")
    weight: list[float] = Field(
        [10, 2, 5, 20, 40],
        min_length=1,
        description="by how much log-probability the best candidate is ahead of the last; of several the best by "
        "MRR@10 on the dev split, without one the first",
    )
    dev_queries: int = Field(200, ge=1, description="most queries of the dev split that choose")

    @model_validator(mode="after")
    def _can_be_planned(self) -> Self:
        if not isinstance(self.writer, GeneratesAmong):
            raise ValueError(f"writer: {type(self.writer).__name__} writes no identifiers; take dsi or se_dsi")
        if min(self.weight) < 0:
            raise ValueError(f"weight: {self.weight} is out of range; give numbers of at least 0")
        return self

    @property
    def deterministic(self) -> bool:
        """The seed draws the dev queries that choose."""
        return super().deterministic and len(self.weight) == 1

    @property
    def trained(self) -> bool:
        return super().trained or len(self.weight) > 1

    def named(self) -> Mapping[str, Retriever]:
        return {"planner": self.planner, "writer": self.writer}

    def fit(self, collection: Collection) -> Self:
        super().fit(collection)
        self._choice: dict[str, Any] = {"weight": self.weight[0]}
        judged = judged_queries(collection, _DEV_SPLITS, self.dev_queries, self.seed)
        if judged and len(self.weight) > 1:
            self._choose(judged)
        return self

    def _choose(self, judged: Judged) -> None:
        self.begin()
        plans = self._plans(judged.queries, self.depth)
        gained: dict[float, float] = {}
        for number, weight in enumerate(self.weight, start=1):
            found = self._written(judged.queries, plans, weight, 10)
            each = [reciprocal_rank(*found.of(place), rows) for place, rows in enumerate(judged.relevant)]
            gained[weight] = sum(each) / len(each)
            self.progress("choosing on the dev split", number, len(self.weight))
        self._choice = {
            "weight": max(gained, key=lambda weight: gained[weight]),
            "chosen_on": judged.split,
            "dev_mrr": {f"{weight:g}": value for weight, value in gained.items()},
        }

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        self.begin()
        plans = self._plans(queries, max(k, self.depth))
        return self._written(queries, plans, self._choice["weight"], k)

    def _plans(self, queries: Sequence[Query], depth: int) -> list[Scored]:
        """The candidates of each query with scores from 0 to 1."""
        found = self.asked("planner", queries, depth)
        lists = [found.of(position) for position in range(len(queries))]
        return [(rows, min_max(scores) if len(rows) else scores) for rows, scores in lists]

    def _written(self, queries: Sequence[Query], plans: Sequence[Scored], weight: float, k: int) -> Rankings:
        with self.timed("writer"):
            found: Rankings = self.writer.retrieve_among(
                queries, [(rows, weight * scores) for rows, scores in plans], k
            )
        return found

    def save(self, folder: Path) -> None:
        super().save(folder)
        (folder / _CHOSEN).write_text(json.dumps(self._choice), encoding="utf-8")

    def load(self, folder: Path) -> None:
        super().load(folder)
        self._choice = json.loads((folder / _CHOSEN).read_text(encoding="utf-8"))

    def facts(self) -> dict[str, Any]:
        return {**self._choice, **super().facts()}
