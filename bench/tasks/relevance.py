"""Are the answers of every rank better than a random document? (Chen et al. 2023)"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection, Qrels
from bench.errors import BenchError
from bench.measures.agreement import kappa
from bench.measures.measure import Count, Measure
from bench.rankings import Rankings
from bench.tasks.exam import Exam
from bench.tasks.judges import AUTO, SPLADE, open_judge, weights_of_judge
from bench.tasks.judges.base import Judge
from bench.tasks.measured import answerable_qrels, judged_positions
from bench.tasks.probes import Probe

RANKS = 10
NONE = "none"
_SHOWN = (1, 10)
"""Ranks whose missing answers a table counts."""


class Relevance(Probe):
    """How often a judge scores the answer of each rank no higher than a random document.

    Asked are the collection's own judged queries. A random order fails half the time at every rank. Systems are
    ranked by the mean over ranks 2 to 10: at rank 1 Chen et al. find nothing. A second judge says how far the first
    decides.
    """

    judge: str = Field(
        SPLADE,
        description="splade (splade-tiny), own-queries (BM25 between the query and those that a document is relevant "
        "for), maxsim (of MiniLM's token vectors), auto, or a cross-encoder by name or path",
    )
    second_judge: str = Field(
        AUTO,
        description="beside the first: as judge, or none; auto: own-queries where most documents have one, "
        "else maxsim",
    )
    draws: int = Field(5, ge=5, le=1000, description="random documents for each query")
    sample: int = Field(200, ge=1, description="queries asked, at most")

    def weights(self) -> list[str]:
        names = [self.judge, *([] if self.second_judge == NONE else [self.second_judge])]
        return list(dict.fromkeys(one for name in names for one in weights_of_judge(name)))

    def on(self, collection: Collection) -> "RelevanceExam":
        """Raises BenchError where the collection is too small to draw random documents from."""
        questions = collection.asking("questions")
        queries, qrels = questions.queries(), answerable_qrels(questions)
        judged = judged_positions(questions, qrels)
        positions = self._draw(judged)
        self._refuse_small(collection, qrels, positions)
        judges = [open_judge(self.judge, collection)]
        if self.second_judge != NONE:
            judges.append(open_judge(self.second_judge, collection))
        return RelevanceExam(
            collection=collection,
            queries=[queries[position] for position in positions],
            depth=self.depth,
            measures=[measure for number, judge in enumerate(judges) for measure in _measures(judge, number)],
            columns=[*_NAMES, *(f"{_NAMES[0]} {judge.name}" for judge in judges[1:])],
            definition=self._definition(judges, len(positions), len(judged)),
            instrument=judges[0].instrument(),
            second_instrument=judges[1].instrument() if judges[1:] else None,
            judges=judges,
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

    def _definition(self, judges: Sequence[Judge], asked: int, total: int) -> str:
        drawn = f" drawn from {total:,}" if total > asked else ""
        second = f"; columns of '{judges[1].name}' with {judges[1].label}" if judges[1:] else ""
        return (
            f"fail@k: how often the k-th answer scores no higher than a random document with the judge, "
            f"{judges[0].label}{second}; fail@2-{RANKS}: the mean over these ranks; mean over {asked} judged "
            f"queries{drawn} and {self.draws} random documents each, neither judged nor among the first {self.depth} "
            f"answers (seed {self.seed}); ties count 0.5, a missing answer counts 1 and is counted apart; "
            "chance level 0.5; lower is better"
        )


_NAMES = (f"fail@2-{RANKS}", *(f"fail@{rank}" for rank in range(1, RANKS + 1)))


def _measures(judge: Judge, number: int) -> list[Measure]:
    """Of the first judge under their own names, of the second with its name behind."""
    rank = "how often the answer of rank {} scores no higher than a random document"
    meanings = [f"mean of fail@2 to fail@{RANKS}", *(rank.format(place) for place in range(1, RANKS + 1))]
    decided: Literal["instrument", "second_instrument"] = "second_instrument" if number else "instrument"
    behind = f" {judge.name}" if number else ""
    return [
        Measure(f"{name}{behind}", f"{meaning}; judge: {judge.label}", higher_is_better=False, decided_by=decided)
        for name, meaning in zip(_NAMES, meanings, strict=True)
    ]


@dataclass(frozen=True, kw_only=True)
class RelevanceExam(Exam):
    """Judged queries whose answers are held against random documents.

    positions: of the queries in the collection's split, whose judgements `qrels` has
    """

    judges: Sequence[Judge] = field(repr=False)
    positions: np.ndarray = field(repr=False)
    qrels: Qrels = field(repr=False)
    draws: int
    seed: int

    def measured(
        self,
        rankings: Rankings,
        groups: np.ndarray | None,  # noqa: ARG002
    ) -> tuple[Mapping[str, np.ndarray], Sequence[Count]]:
        verdicts = [self._verdicts(judge, rankings) for judge in self.judges]
        rates = [_rates(found, rankings.lengths) for found in verdicts]
        values = np.concatenate([np.column_stack([found[:, 1:].mean(axis=1), found]) for found in rates], axis=1)
        by_name = {measure.name: values[:, place] for place, measure in enumerate(self.measures)}
        return by_name, [*_missing(rankings), *_agreement(verdicts)]

    def _verdicts(self, judge: Judge, rankings: Rankings) -> np.ndarray:
        """Shape [queries, RANKS, draws]: 1 where the random document scores above the answer, 0.5 where they tie, NaN
        where there is no answer."""
        texts = self.collection.texts()
        compared = [
            (query.text, answers[:RANKS].tolist(), self._random_rows(int(position), answers))
            for query, position, (_, answers, _) in zip(self.queries, self.positions, rankings, strict=True)
        ]
        pairs = [(text, texts[row]) for text, answers, random in compared for row in (*answers, *random)]
        lengths = [len(answers) + len(random) for _, answers, random in compared]
        scores = np.split(judge.scores(pairs), np.cumsum(lengths)[:-1])
        return np.stack([failures(part[: -self.draws], part[-self.draws :]) for part in scores])

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
    """Shape [RANKS, random]: 1 where a random document scores above an answer, 0.5 where they tie.

    `answers` has the scores of at most RANKS answers by rank; a missing rank has NaN.
    """
    verdicts = np.full((RANKS, len(random)), np.nan)
    above = (random > answers[:, np.newaxis]) + 0.5 * (random == answers[:, np.newaxis])
    verdicts[: len(answers)] = above
    return verdicts


def _rates(verdicts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Shape [queries, RANKS]: the share of the random documents that beat each answer; a missing one fails."""
    rates = np.ones(verdicts.shape[:2])
    there = np.arange(RANKS) < lengths[:, np.newaxis]
    rates[there] = verdicts[there].mean(axis=-1)
    return rates


def _agreement(verdicts: Sequence[np.ndarray]) -> list[Count]:
    """How far two judges agree on which of an answer and a random document is better."""
    if len(verdicts) < 2:
        return []
    known = np.isfinite(verdicts[0])
    found = kappa(verdicts[0][known], verdicts[1][known])
    meaning = "Cohen's kappa of the two judges' verdicts on this system's answers: 1 all alike, 0 as by chance"
    return [Count("agreement", found, meaning, "judges' kappa", kind="share")] if np.isfinite(found) else []


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
