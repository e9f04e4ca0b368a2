"""Guided Query Refinement (Uzan et al. 2025): a second system's scores move the first one's query vectors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import Field, model_validator

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.parts import Part
from bench.protocols import ComparesVectors, ScoresDocuments
from bench.rankings import Rankings
from bench.retriever import Retriever
from retrievers.composed.choosing import judged_queries, reciprocal_rank
from retrievers.composed.composed import Composed
from retrievers.dense.ann import refuse_approximate
from retrievers.sharding import best

if TYPE_CHECKING:
    import torch

_DEV_SPLITS = ("dev", "valid", "validation", "train")


@dataclass(frozen=True)
class Setting:
    """What the dev split chooses: the guide's share of the target, the temperature, and the steps of descent."""

    alpha: float
    temperature: float
    steps: int


@dataclass(frozen=True)
class _Case:
    """One query: candidate rows, the primary's vectors, and the guide's scores, -inf where it did not match."""

    rows: np.ndarray
    query: np.ndarray
    documents: Sequence[np.ndarray]
    guide: np.ndarray

    def with_vectors(self) -> "_Case":
        """Without documents that the primary has no vector of, which it would not find either."""
        there = [place for place, vectors in enumerate(self.documents) if vectors.size]
        return _Case(self.rows[there], self.query, [self.documents[place] for place in there], self.guide[there])


class GQR(Composed):
    """The candidates of both systems in the order of the primary's scores for a query that the guide has moved.

    With p(z) the softmax of the primary's scores over the candidates for query vectors z, and g that of the guide's,
    the target (1 - alpha) p(z0) + alpha g is fixed, and Adam minimises KL(target || p(z)) over z. Both scores are
    scaled to a standard deviation of 1 over the candidates at z0 and divided by the temperature first, since cosines
    and BM25 have no common unit. A list option is a grid; its best setting is chosen by MRR@10 on the dev split.
    """

    primary: Part = Field("sbert", description="dense or late-interaction system whose query vectors move")
    guide: Part = Field("bm25", description="system whose scores guide them")
    depth: int = Field(100, ge=2, description="candidates taken of each; more where more are asked for")
    alpha: list[float] = Field([0.3, 0.5, 0.7], min_length=1, description="shares of the guide in the target")
    temperature: list[float] = Field([1.0], min_length=1, description="divisors of the scaled scores")
    steps: list[int] = Field([10, 40], min_length=1, description="steps of Adam")
    learning_rate: float = Field(5e-3, gt=0, description="of Adam, times the root mean square of the query's numbers")
    dev_queries: int = Field(100, ge=1, description="most queries of the dev split that choose")

    @model_validator(mode="after")
    def _can_be_guided(self) -> Self:
        if not isinstance(self.primary, ComparesVectors):
            raise ValueError(f"primary: {type(self.primary).__name__} has no query vectors; take sbert or colbert")
        if not isinstance(self.guide, ScoresDocuments):
            raise ValueError(f"guide: {type(self.guide).__name__} cannot score documents that another system found")
        for role, part in self.named().items():
            refuse_approximate(role, part)
        for name, values, low in (
            ("alpha", self.alpha, 0),
            ("temperature", self.temperature, 1e-9),
            ("steps", self.steps, 1),
        ):
            if min(values) < low or (name == "alpha" and max(values) > 1):
                raise ValueError(f"{name}: {values} is out of range")
        return self

    @property
    def settings(self) -> list[Setting]:
        """The grid, in the order of the options."""
        return [Setting(*values) for values in product(self.alpha, self.temperature, self.steps)]

    @property
    def deterministic(self) -> bool:
        """The seed draws the dev queries that choose."""
        return super().deterministic and len(self.settings) == 1

    @property
    def trained(self) -> bool:
        return super().trained or len(self.settings) > 1

    def named(self) -> Mapping[str, Retriever]:
        return {"primary": self.primary, "guide": self.guide}

    def fit(self, collection: Collection) -> Self:
        super().fit(collection)
        self._dev: dict[str, float] = {}
        self._dev_split = ""
        self._chosen = self.settings[0]
        if len(self.settings) > 1:
            self._choose(collection)
        return self

    def _choose(self, collection: Collection) -> None:
        judged = judged_queries(collection, _DEV_SPLITS, self.dev_queries, self.seed)
        if judged is None:
            raise BenchError(
                f"{collection.name} has no split to choose gqr's {len(self.settings)} settings on (it has "
                f"{', '.join(collection.splits) or 'none'} to fit on); give one alpha, temperature and steps"
            )
        self._dev_split = judged.split
        self.begin()
        cases = self._cases(judged.queries, self.depth)
        for number, setting in enumerate(self.settings, start=1):
            scored = (self._refined(case, setting) for case in cases)
            gained = [
                reciprocal_rank(case.rows, scores, wanted)
                for case, scores, wanted in zip(cases, scored, judged.relevant, strict=True)
            ]
            self._dev[f"{setting}"] = float(np.mean(gained))
            self.progress("choosing on the dev split", number, len(self.settings))
        self._chosen = max(self.settings, key=lambda setting: self._dev[f"{setting}"])

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        self.begin()
        cases = self._cases(queries, max(k, self.depth))
        with self.timed("refinement"):
            return Rankings.from_hits(
                queries, [best(case.rows, self._refined(case, self._chosen), k) for case in cases]
            )

    def _cases(self, queries: Sequence[Query], depth: int) -> list[_Case]:
        if not queries:
            return []
        with self.timed("primary"):
            vectors = self.primary.query_vectors(queries)
        found = [self.asked("primary", queries, depth, vectors), self.asked("guide", queries, depth)]
        rows = [np.union1d(*(one.of(position)[0] for one in found)) for position in range(len(queries))]
        with self.timed("guide"):
            guided = self.guide.score(queries, rows)
        with self.timed("primary"):
            documents = [self.primary.document_vectors(some) for some in rows]
        return [_Case(*parts).with_vectors() for parts in zip(rows, vectors, documents, guided, strict=True)]

    def _refined(self, case: _Case, setting: Setting) -> np.ndarray:
        """The primary's scores of the candidates for the query that has moved."""
        import torch

        if len(case.rows) < 2:
            return np.zeros(len(case.rows))
        start = torch.from_numpy(np.asarray(case.query, dtype=np.float32))
        documents = _Documents.of(case.documents)
        first = documents.scores(start)
        divisor = setting.temperature * first.std(correction=0).clamp_min(1e-12)
        target = (1 - setting.alpha) * torch.softmax(first / divisor, 0)
        target += setting.alpha * torch.from_numpy(_softmax(case.guide, setting.temperature))
        moved = start.clone().requires_grad_(True)
        rate = self.learning_rate * float(start.square().mean().sqrt())
        optimiser = torch.optim.Adam([moved], lr=rate)
        for _ in range(setting.steps):
            optimiser.zero_grad()
            loss = -(target * torch.log_softmax(documents.scores(moved) / divisor, 0)).sum()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            scores: np.ndarray = documents.scores(moved).numpy()
        return scores

    def save(self, folder: Path) -> None:
        super().save(folder)
        chosen = [self._chosen.alpha, self._chosen.temperature, self._chosen.steps]
        np.save(folder / "chosen.npy", np.array(chosen))

    def load(self, folder: Path) -> None:
        super().load(folder)
        alpha, temperature, steps = np.load(folder / "chosen.npy", allow_pickle=False).tolist()
        self._chosen = Setting(alpha, temperature, int(steps))

    def facts(self) -> dict[str, Any]:
        chosen = {"alpha": self._chosen.alpha, "temperature": self._chosen.temperature, "steps": self._chosen.steps}
        return {"chosen": chosen, "chosen_on": self._dev_split, "dev_mrr": self._dev, **super().facts()}


@dataclass(frozen=True)
class _Documents:
    """Vectors of the candidates, equal ones once, so that equal documents have equal scores.

    vectors: shape [different documents, dimension], or [different documents, tokens, dimension]
    lengths: shape [different documents]: how many tokens each has; None for one vector each
    places: shape [documents]: which of them each candidate is
    """

    vectors: "torch.Tensor"
    lengths: "torch.Tensor | None"
    places: "torch.Tensor"

    @classmethod
    def of(cls, documents: Sequence[np.ndarray]) -> "_Documents":
        import torch

        known = {one.tobytes(): torch.from_numpy(one) for one in documents}
        numbers = {vectors: number for number, vectors in enumerate(known)}
        places = torch.tensor([numbers[one.tobytes()] for one in documents])
        different = list(known.values())
        if documents[0].ndim == 1:
            return cls(torch.stack(different), None, places)
        lengths = torch.tensor(list(map(len, different)))
        return cls(torch.nn.utils.rnn.pad_sequence(different, batch_first=True), lengths, places)

    def scores(self, query: "torch.Tensor") -> "torch.Tensor":
        """Shape [documents]: inner products, or MaxSim."""
        import torch

        if self.lengths is None:
            return (self.vectors @ query)[self.places]
        similarities = self.vectors @ query.T
        padding = torch.arange(similarities.shape[1])[None, :, None] >= self.lengths[:, None, None]
        return similarities.masked_fill(padding, -torch.inf).amax(dim=1).sum(dim=1)[self.places]


def _softmax(scores: np.ndarray, temperature: float) -> np.ndarray:
    """Of scores scaled to a standard deviation of 1; 0 for what did not match, and equal shares where nothing did."""
    matched = np.isfinite(scores)
    if not matched.any():
        return np.full(len(scores), 1 / len(scores), dtype=np.float32)
    spread = scores[matched].std() or 1.0
    shares = np.zeros(len(scores))
    shares[matched] = np.exp((scores[matched] - scores[matched].max()) / (spread * temperature))
    return (shares / shares.sum()).astype(np.float32)
