"""Are the answers of every rank better than a random document? (Chen et al. 2023)"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection, Qrels
from bench.errors import BenchError
from bench.measures.measure import Count, Instrument, Measure
from bench.models import MINILM, find_weights
from bench.rankings import Rankings
from bench.tasks.exam import Exam
from bench.tasks.judges import MAXSIM, Judge, open_judge
from bench.tasks.measured import answerable_qrels, judged_positions
from bench.tasks.probes import Probe

RANKS = 10
_SHOWN = (1, 10)
"""Ranks whose missing answers a table counts."""


class Relevance(Probe):
    """How often a judge scores the answer of each rank no higher than a random document.

    Asked are the collection's own judged queries. A random order fails half the time at every rank.
    """

    judge_model: str = Field(
        MAXSIM, description="maxsim (of MiniLM's token vectors), or a cross-encoder by name or path"
    )
    draws: int = Field(5, ge=5, le=1000, description="random documents for each query")
    sample: int = Field(200, ge=1, description="queries asked, at most")

    def weights(self) -> list[str]:
        return [MINILM if self.judge_model == MAXSIM else self.judge_model]

    def on(self, collection: Collection) -> "RelevanceExam":
        """Raises BenchError where the collection is too small to draw random documents from."""
        queries, qrels = collection.queries(), answerable_qrels(collection)
        judged = judged_positions(collection, qrels)
        positions = self._draw(judged)
        self._refuse_small(collection, qrels, positions)
        judge = open_judge(self.judge_model, collection)
        measures = [
            Measure(
                f"fail@{rank}",
                f"how often the answer of rank {rank} scores no higher than a random document",
                higher_is_better=False,
            )
            for rank in range(1, RANKS + 1)
        ]
        return RelevanceExam(
            collection=collection,
            queries=[queries[position] for position in positions],
            depth=self.depth,
            measures=measures,
            columns=[measure.name for measure in measures],
            definition=self._definition(judge, len(positions), len(judged)),
            instrument=Instrument("judge", judge.label, find_weights(judge.model).digest),
            judge=judge,
            positions=positions,
            qrels=qrels,
            draws=self.draws,
            seed=self.seed,
        )

    def _draw(self, judged: np.ndarray) -> np.ndarray:
        generator = np.random.default_rng(self.seed)
        return np.sort(generator.choice(judged, min(self.sample, len(judged)), replace=False))

    def _refuse_small(self, collection: Collection, qrels: Qrels, positions: np.ndarray) -> None:
        judged = max(len(qrels.of(position)[0]) for position in positions)
        needed = self.depth + self.draws + judged + int(collection.rules.exclude_self)
        if len(collection) < needed:
            raise BenchError(
                f"{collection.name} has {len(collection)} documents, but the task relevance needs {needed} to draw "
                "random ones that are neither answers nor judged; choose fewer `draws`, a smaller `depth` or a "
                "larger collection"
            )

    def _definition(self, judge: Judge, asked: int, total: int) -> str:
        drawn = f" drawn from {total:,}" if total > asked else ""
        return (
            f"fail@k: how often the k-th answer scores no higher than a random document with the judge, "
            f"{judge.label}; mean over {asked} judged queries{drawn} and "
            f"{self.draws} random documents each, neither judged nor among the first {self.depth} answers "
            f"(seed {self.seed}); ties count 0.5, a missing answer counts 1 and is counted apart; "
            "chance level 0.5; lower is better"
        )


@dataclass(frozen=True, kw_only=True)
class RelevanceExam(Exam):
    """Judged queries whose answers are held against random documents.

    positions: of the queries in the collection's split, whose judgements `qrels` has
    """

    judge: Judge = field(repr=False)
    positions: np.ndarray = field(repr=False)
    qrels: Qrels = field(repr=False)
    draws: int
    seed: int

    def measured(
        self,
        rankings: Rankings,
        groups: np.ndarray | None,  # noqa: ARG002
    ) -> tuple[Mapping[str, np.ndarray], Sequence[Count]]:
        texts = self.collection.texts()
        compared = [
            (query.text, answers[:RANKS].tolist(), self._random_rows(int(position), answers))
            for query, position, (_, answers, _) in zip(self.queries, self.positions, rankings, strict=True)
        ]
        pairs = [(text, texts[row]) for text, answers, random in compared for row in (*answers, *random)]
        lengths = [len(answers) + len(random) for _, answers, random in compared]
        scores = np.split(self.judge.scores(pairs), np.cumsum(lengths)[:-1])
        rates = np.array([failures(part[: -self.draws], part[-self.draws :]) for part in scores], dtype=np.float64)
        return {measure.name: rates[:, rank] for rank, measure in enumerate(self.measures)}, _missing(rankings)

    def _random_rows(self, position: int, returned: np.ndarray) -> list[int]:
        """Rows drawn without replacement, in an order that is the query's own and the same for every system."""
        judged, _ = self.qrels.of(position)
        barred = {*returned.tolist(), *judged.tolist()}
        if self.collection.rules.exclude_self:
            barred.add(self.collection.documents.rows.get(self.qrels.query_ids[position], -1))
        generator = np.random.default_rng([self.seed, position])
        drawn: list[int] = []
        while len(drawn) < self.draws:
            row = int(generator.integers(len(self.collection)))
            if row not in barred:
                drawn.append(row)
                barred.add(row)
        return drawn


def failures(answers: np.ndarray, random: np.ndarray) -> np.ndarray:
    """Shape [RANKS]: the share of the random documents that score above each answer, those that tie counting half.

    `answers` has the scores of at most RANKS answers by rank; a missing rank fails against all.
    """
    rates = np.ones(RANKS)
    above = (random > answers[:, np.newaxis]) + 0.5 * (random == answers[:, np.newaxis])
    rates[: len(answers)] = above.mean(axis=1)
    return rates


def _missing(rankings: Rankings) -> list[Count]:
    """How many queries have no answer at each rank."""
    return [
        Count(
            f"missing@{rank}",
            int((rankings.lengths < rank).sum()),
            f"queries with fewer than {rank} answers",
            f"missing @{rank}" if rank in _SHOWN else "",
        )
        for rank in range(1, RANKS + 1)
    ]
