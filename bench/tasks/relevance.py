"""Are the answers of every rank better than a random document? (Chen et al. 2023)"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.models import MINILM, find_weights
from bench.rankings import Rankings
from bench.tasks import Figure, Judged
from bench.tasks.judges import MAXSIM, open_judge
from bench.tasks.probes import Probe
from bench.tasks.search import judged_positions

RANKS = 10


class Relevance(Probe):
    """How often a judge scores the answer of each rank no higher than a random document.

    Asked are the collection's own judged queries. A random order fails half the time at every rank.
    """

    columns = tuple(f"fail@{rank}" for rank in range(1, RANKS + 1))
    count_columns: ClassVar[Mapping[str, str]] = {"missing @1": "missing@1", "missing @10": "missing@10"}

    judge_model: str = Field(
        MAXSIM, description="maxsim (of MiniLM's token vectors), or a cross-encoder by name or path"
    )
    draws: int = Field(5, ge=5, le=1000, description="random documents for each query")
    sample: int = Field(200, ge=1, description="queries asked, at most")

    def weights(self) -> list[str]:
        return [MINILM if self.judge_model == MAXSIM else self.judge_model]

    def questions(self, collection: Collection) -> Sequence[Query]:
        queries = collection.queries()
        positions = self._positions(collection)
        judged = max(len(collection.qrels().of(position)[0]) for position in positions)
        needed = self.depth + self.draws + judged + int(collection.rules.exclude_self)
        if len(collection) < needed:
            raise BenchError(
                f"{collection.name} has {len(collection)} documents, but the task relevance needs {needed} to draw "
                "random ones that are neither answers nor judged; choose fewer `draws`, a smaller `depth` or a "
                "larger collection"
            )
        return [queries[position] for position in positions]

    def _positions(self, collection: Collection) -> np.ndarray:
        judged = judged_positions(collection)
        generator = np.random.default_rng(self.seed)
        return np.sort(generator.choice(judged, min(self.sample, len(judged)), replace=False))

    def measures(self) -> list[str]:
        return list(self.columns)

    def judge(self, collection: Collection, rankings: Rankings) -> Judged:
        judge = open_judge(self.judge_model, collection)
        queries, texts = collection.queries(), collection.texts()
        compared = []
        for i, position in enumerate(self._positions(collection).tolist()):
            returned, _ = rankings.of(i)
            compared.append((position, returned[:RANKS], self._random_rows(collection, position, returned)))
        pairs = [
            (queries[position].text, texts[int(row)])
            for position, answers, random in compared
            for row in (*answers, *random)
        ]
        lengths = [len(answers) + len(random) for _, answers, random in compared]
        scores = np.split(judge.scores(pairs), np.cumsum(lengths)[:-1])
        rates = np.array([failures(part[: -self.draws], part[-self.draws :]) for part in scores], dtype=np.float64)
        per_query = {name: rates[:, rank] for rank, name in enumerate(self.columns)}
        return Judged(
            figures=[Figure.of(name, found) for name, found in per_query.items()],
            query_ids=rankings.query_ids,
            per_query=per_query,
            counts=_missing(rankings) | {"judge": judge.label, "judge_weights": find_weights(judge.model).digest},
        )

    def _random_rows(self, collection: Collection, position: int, returned: np.ndarray) -> list[int]:
        """Rows drawn without replacement, in an order that is the query's own and the same for every system."""
        judged, _ = collection.qrels().of(position)
        barred = {*returned.tolist(), *judged.tolist()}
        if collection.rules.exclude_self:
            barred.add(collection.documents.rows.get(collection.queries()[position].id, -1))
        generator = np.random.default_rng([self.seed, position])
        drawn: list[int] = []
        while len(drawn) < self.draws:
            row = int(generator.integers(len(collection)))
            if row not in barred:
                drawn.append(row)
                barred.add(row)
        return drawn

    def definition(self, collection: Collection) -> str:
        asked, total = len(self._positions(collection)), len(judged_positions(collection))
        drawn = f" drawn from {total:,}" if total > asked else ""
        return (
            f"fail@k: how often the k-th answer scores no higher than a random document with the judge, "
            f"{open_judge(self.judge_model, collection).label}; mean over {asked} judged queries{drawn} and "
            f"{self.draws} random documents each, neither judged nor among the first {self.depth} answers "
            f"(seed {self.seed}); ties count 0.5, a missing answer counts 1 and is counted apart; "
            "chance level 0.5; lower is better"
        )


def failures(answers: np.ndarray, random: np.ndarray) -> np.ndarray:
    """Shape [RANKS]: the share of the random documents that score above each answer, those that tie counting half.

    `answers` has the scores of at most RANKS answers by rank; a missing rank fails against all.
    """
    rates = np.ones(RANKS)
    above = (random > answers[:, np.newaxis]) + 0.5 * (random == answers[:, np.newaxis])
    rates[: len(answers)] = above.mean(axis=1)
    return rates


def _missing(rankings: Rankings) -> dict[str, Any]:
    """How many queries have no answer at each rank."""
    return {f"missing@{rank}": int((rankings.lengths < rank).sum()) for rank in range(1, RANKS + 1)}
