"""Failures by kind, told by a system whose search is known."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

import bench
from bench.collections.collection import Collection, Query
from bench.protocols import Trace, traces
from bench.rankings import Rankings
from bench.retriever import Retriever
from bench.tasks.failures import Failures, kind

MakeCollection = Callable[..., Collection]

LOG_PROBS = {"found": -1.0, "namesake": -2.0, "namesake's": -2.0, "pruned": -2.5, "unlikely": -9.0, "other": -3.0}
LEFT = {"pruned": (1, 0.5), "unlikely": (3, 4.0)}


class Known(Retriever):
    """Answers everything with three documents, and has dropped the others on the way."""

    def fit(self, collection: Collection) -> "Known":
        self.ids = list(collection.documents.ids())
        return self

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        rows = [self.ids.index(name) for name in ("found", "namesake's", "other")][:k]
        return Rankings.from_hits(queries, [(rows, [LOG_PROBS[self.ids[row]] for row in rows])] * len(queries))

    def identifier_groups(self) -> np.ndarray:
        names = [name.removesuffix("'s") for name in self.ids]
        return np.unique(names, return_inverse=True)[1]

    def traces(self, queries: Sequence[Query], rows: Sequence[np.ndarray], k: int) -> Iterator[list[Trace]]:
        assert len(queries) == len(rows)
        assert k == 3
        for some in rows:
            names = [self.ids[row] for row in some]
            yield [
                Trace(row, LOG_PROBS[name], *LEFT.get(name, (0, 0.0))) for row, name in zip(some, names, strict=True)
            ]


@pytest.fixture
def asked(make_collection: MakeCollection) -> Collection:
    """Each document is asked for once, and one query has two that are relevant."""
    names = list(LOG_PROBS)
    qrels: dict[str, Any] = {f"q {name}": {name: 1} for name in names}
    qrels["q two"] = {"unlikely": 1, "pruned": 1, "namesake": 0}
    return make_collection({name: f"text of {name}" for name in names}, {q: q for q in qrels}, qrels)


def test_each_failure_has_one_kind(asked: Collection) -> None:
    exam, system = Failures(depth=3).on(asked), Known().fit(asked)
    answers = system.retrieve(exam.queries, exam.reach)
    followed = traces(system, exam.queries, exam.sought, exam.reach)
    found = exam.evaluate(answers, system.identifier_groups(), followed)
    kinds = {
        query: next((name for name in ("ambiguous", "pruned", "unlikely") if found.values[name][place] == 1), "")
        for place, query in enumerate(found.query_ids)
    }
    assert kinds == {
        "q found": "",
        "q namesake": "ambiguous",
        "q namesake's": "",
        "q other": "",
        "q pruned": "pruned",
        "q unlikely": "unlikely",
        "q two": "pruned",
    }
    figures = {one.measure: (one.value, one.n) for one in found.figures}
    assert figures["Hits@3"] == (pytest.approx(3 / 7), 7)
    assert figures["ambiguous"] == (1 / 4, 4)
    assert figures["pruned"] == (2 / 4, 4)
    assert figures["unlikely"] == (1 / 4, 4)
    assert figures["left at token"] == (pytest.approx((1 + 1 + 3) / 3), 3)
    assert figures["gap"] == (pytest.approx((0.5 + 0.5 + 4) / 3), 3)


def test_a_system_without_identifiers_has_hits_alone(asked: Collection) -> None:
    table = bench.evaluate(["bm25", Known()], asked, tasks="failures?depth=3")
    frame = table.frame().set_index("system")
    assert frame.loc["known", "ambiguous"] == 1 / 4
    assert np.isnan(frame.loc["bm25", "ambiguous"])
    assert frame.loc["bm25", "Hits@3"] > 0


def test_a_list_that_could_be_longer_was_pruned() -> None:
    trace = Trace(row=2, log_prob=-50.0, step=1, gap=3.0)
    assert kind(trace, np.array([0]), -np.inf, None) == "pruned"
    assert kind(trace, np.array([0]), -40.0, None) == "unlikely"
    assert kind(trace, np.array([0]), -40.0, np.array([5, 6, 5])) == "ambiguous"
