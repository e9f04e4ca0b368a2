"""Planning ahead: what is chosen, what is answered, and what is kept."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

from bench.collections.collection import Collection, Query, Rules, read_collection
from bench.collections.writer import CollectionWriter
from bench.errors import BenchError
from bench.protocols import Scored
from bench.rankings import Rankings
from bench.retriever import Retriever, construct
from retrievers.composed.fusion import min_max
from retrievers.composed.pag import PAG
from retrievers.generative.dsi import DSI


class Even(Retriever):
    """A writer for which the first documents of a collection are likelier, whatever is asked."""

    def fit(self, collection: Collection) -> Self:
        self.log_probs = -np.arange(len(collection)) / 2.0
        return self

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        return Rankings.from_scores(queries, np.tile(self.log_probs, (len(queries), 1)), k)

    def retrieve_among(self, queries: Sequence[Query], candidates: Sequence[Scored], k: int) -> Rankings:
        hits = [(rows, self.log_probs[rows] + scores) for rows, scores in candidates]
        best = [(rows[order], sums[order]) for rows, sums in hits for order in [np.argsort(-sums)[:k]]]
        return Rankings.from_hits(queries, best)


def planned(docs: Collection, **options: Any) -> PAG:
    return PAG(**({"writer": Even(), "planner": "bm25", "weight": [5]} | options)).fit(docs)


def alone(system: Retriever, docs: Collection, queries: Sequence[Query]) -> list[dict[int, float]]:
    """The score of every document by its row, for each query."""
    found = system.rankings(queries, len(docs))
    return [dict(zip(*(part.tolist() for part in found.of(n)), strict=True)) for n in range(len(queries))]


@pytest.mark.parametrize("docid", ["atomic", "semantic"])
def test_an_answers_score_is_its_log_probability_and_its_share_of_the_weight(
    learnable: Collection, docid: str
) -> None:
    options = {"branch": 3, "leaf_size": 5, "decoder": {"dimension": 32, "feed_forward": 64}, "device": "cpu"}
    writer = DSI(**options, docid=docid, training={"epochs": 0}).fit(learnable)
    queries, bm25 = learnable.queries(), construct("bm25", {}).fit(learnable)
    found = alone(planned(learnable, writer=writer), learnable, queries)
    for answer, log_probs, plan in zip(
        found, alone(writer, learnable, queries), alone(bm25, learnable, queries), strict=True
    ):
        shares = min_max(np.array(list(plan.values())))
        expected = {row: log_probs[row] + 5 * share for row, share in zip(plan, shares.tolist(), strict=True)}
        assert answer == pytest.approx(expected, abs=1e-4)


def test_without_weight_the_writer_orders_and_with_much_the_planner(learnable: Collection) -> None:
    queries, bm25 = learnable.queries(), construct("bm25", {}).fit(learnable)
    plans = alone(bm25, learnable, queries)
    written = alone(planned(learnable, weight=[0]), learnable, queries)
    assert [list(answer) for answer in written] == [sorted(plan) for plan in plans]
    heavy = planned(learnable, weight=[1e6]).rankings(queries, 1)
    assert heavy.rows.tolist() == bm25.rankings(queries, 1).rows.tolist()


def test_only_candidates_are_answers_and_without_any_there_is_none(learnable: Collection) -> None:
    asked = [*learnable.queries(), Query("unknown words", "zyxwv qponm")]
    found = planned(learnable, depth=4).rankings(asked, 3)
    plans = construct("bm25", {}).fit(learnable).rankings(asked, 4)
    assert all(set(found.of(n)[0]) <= set(plans.of(n)[0]) for n in range(len(asked)))
    assert found.lengths[-1] == 0
    assert found.lengths[:-1].max() == 3


@pytest.fixture
def with_dev(learnable: Collection, tmp_path: Path) -> Collection:
    """The same documents, with a split of queries that choose."""
    with CollectionWriter(tmp_path) as to:
        for document in learnable.documents:
            to.document(document, document.id)
        for query, rows in learnable.relevant("train"):
            to.query("dev", query.id, query.text, query.id)
            to.judgement("dev", query.id, learnable.documents[int(rows[0])].id, 1, query.id)
        to.query("test", "q", "join paths", "q")
        to.judgement("test", "q", learnable.documents[0].id, 1, "q")
    return read_collection(tmp_path, "with dev", Rules())


def mrr(system: Retriever, docs: Collection) -> float:
    judged = list(docs.relevant("dev"))
    found = system.rankings([query for query, _ in judged], 10)
    ranks = [np.flatnonzero(np.isin(found.of(n)[0], rows)) for n, (_, rows) in enumerate(judged)]
    return float(np.mean([1 / (1 + rank[0]) if len(rank) else 0 for rank in ranks]))


def test_the_weight_is_the_best_on_dev(with_dev: Collection) -> None:
    weights = [0.0, 4.0, 1e6]
    facts = planned(with_dev, weight=weights).facts()
    each = {f"{weight:g}": mrr(planned(with_dev, weight=[weight]), with_dev) for weight in weights}
    assert len(set(each.values())) > 1
    assert facts["dev_mrr"] == pytest.approx(each)
    assert f"{facts['weight']:g}" == max(each, key=lambda weight: each[weight])
    assert facts["chosen_on"] == "dev"


def test_without_a_dev_split_the_first_weight_is_taken(learnable: Collection) -> None:
    assert planned(learnable, weight=[7, 1]).facts()["weight"] == 7


def test_what_was_chosen_is_saved(with_dev: Collection, tmp_path_factory: pytest.TempPathFactory) -> None:
    pag, folder = planned(with_dev, weight=[0.0, 4.0, 1e6]), tmp_path_factory.mktemp("index")
    pag.save(folder)
    loaded = PAG(writer=Even(), planner="bm25", weight=[0.0, 4.0, 1e6])
    loaded.writer.fit(with_dev)
    loaded.load(folder)
    asked = with_dev.queries()
    assert loaded.retrieve(asked, 10).rows.tolist() == pag.retrieve(asked, 10).rows.tolist()
    assert loaded.facts() == pag.facts()


def test_what_cannot_be_planned_is_refused() -> None:
    with pytest.raises(BenchError, match="writer: SBERT writes no identifiers; take dsi or se_dsi"):
        PAG(writer="sbert")
    with pytest.raises(BenchError, match="weight: .* is out of range"):
        PAG(weight=[-1])
