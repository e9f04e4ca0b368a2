"""What goes with an item: those that held-out sessions have together with it."""

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection, Qrels, Query
from bench.collections.histories import known_items
from bench.errors import BenchError
from bench.measures.judged import Judgements
from bench.tasks.measured import MeasuredExam, MeasuredTask


class Complements(MeasuredTask):
    """Complementary items: for one item, those that held-out sessions put beside it, ranked among all items.

    A question is an item alone, as a history of one item and as its title. Relevant are the held-out items of the
    users whose history has it, each graded by how many of these users it is held out of. A held-out item that stands
    in its user's history already is left out: its pairs are in what systems are fitted on.
    """

    shown: ClassVar[tuple[str, ...]] = ("nDCG@10", "Recall@10", "MRR@10", "Hits@10")

    depth: int = Field(20, ge=10, le=10_000, description="items that are kept of each answer; at least each cut-off")
    measured: tuple[str, ...] = Field(
        shown, min_length=1, description="measures, the primary one first, e.g. Hits@1; any name of trec_eval will do"
    )
    window: int = Field(
        0, ge=0, description="how many items of a history go with what is held out, the latest; 0: all, 1: the last"
    )
    least: int = Field(1, ge=1, description="users whom an item needs that is asked for")

    def on(self, collection: Collection) -> MeasuredExam:
        """Raises BenchError where no history goes with a held-out item that it lacks."""
        pairs = self._pairs(collection)
        asked = sorted(item for item, number in pairs.having.items() if number >= self.least)
        if not asked:
            raise BenchError(
                f"{collection.name} ({collection.rules.split}): {self._nothing(pairs)}; lower complements.least, or "
                "take a collection of sequences such as pycalls or recbole:FOLDER"
            )
        depth, measures, columns = self.choice()
        users = {query.id for queries in collection.split_queries.values() for query in queries}
        queries = [_question(collection, item, users) for item in asked]
        return MeasuredExam(
            collection=collection,
            queries=queries,
            depth=depth,
            measures=[one.measure for one in measures],
            columns=columns,
            definition=self._definition(collection, pairs, len(asked), depth),
            hides_histories=True,
            judgements=Judgements(_qrels(queries, asked, pairs.counts)),
            by_name=measures,
            answerable=len(collection) - 1,
        )

    def _pairs(self, collection: Collection) -> "_Pairs":
        users = collection.asking("users")
        queries, qrels = users.queries(), users.qrels()
        counts, having = Counter[tuple[int, int]](), Counter[int]()
        again = strangers = asking = 0
        for place, history in enumerate(known_items(queries, collection.documents.rows)):
            rows, grades = qrels.of(place)
            held_out = rows[grades >= collection.rules.minimum_relevance]
            new = np.setdiff1d(held_out, history)
            again += len(held_out) - len(new)
            strangers += len(new) * (not len(history))
            beside = np.unique(history[-self.window :] if len(new) else history[:0]).tolist()
            asking += bool(beside)
            having.update(beside)
            counts.update((item, other) for item in beside for other in new.tolist())
        return _Pairs(counts, having, asking, {"stand in their history already": again, "have no history": strangers})

    def _nothing(self, pairs: "_Pairs") -> str:
        if pairs.having:
            return f"no item goes with the held-out items of {self.least} users or more"
        return "no history goes with a held-out item that it lacks, so nothing is known of what goes with an item"

    def _definition(self, collection: Collection, pairs: "_Pairs", asked: int, depth: int) -> str:
        known = len(pairs.having)
        beside = (
            f"the last {self.window} items" if self.window > 1 else "the last item" if self.window else "the items"
        )
        left_out = "; ".join(f"{number:,} held-out items that {why}" for why, number in pairs.omitted.items())
        rare = f", {known - asked:,} of fewer than {self.least} users" if self.least > 1 else ""
        return (
            f"each of {asked:,} items is asked alone; relevant among all {len(collection):,} are the items of split "
            f"{collection.rules.split} that are new to the users with it among {beside} of their history, graded by "
            f"how many these are ({len(pairs.counts):,} pairs of {pairs.users:,} users, nDCG gain = grade); left "
            f"out: {left_out}; items not asked for: {len(collection) - known:,} in no such history"
            f"{rare}; the item itself is no answer; a missing answer counts 0; ties are broken by item id; "
            f"first {depth} items"
        )


@dataclass(frozen=True)
class _Pairs:
    """Items with what is held out beside them.

    counts: by the rows of the item and of the other, for how many users
    having: by the row of an item, how many users have it beside something held out
    users: how many there are
    omitted: held-out items without a pair, by reason
    """

    counts: Counter[tuple[int, int]]
    having: Counter[int]
    users: int
    omitted: Mapping[str, int]


def _question(collection: Collection, row: int, users: Container[str]) -> Query:
    """It has the item's id, unless a user has that, whom systems that know their users would take it for."""
    document = collection.documents[row]
    name = f"item {document.id}" if document.id in users else document.id
    return Query(name, document.title or document.body, (document.id,))


def _qrels(queries: Sequence[Query], asked: Sequence[int], counts: Mapping[tuple[int, int], int]) -> Qrels:
    found: dict[int, list[tuple[int, int]]] = {item: [] for item in asked}
    for (item, other), number in sorted(counts.items()):
        if item in found:
            found[item].append((other, number))
    judged = [pair for item in asked for pair in found[item]]
    return Qrels(
        query_ids=[query.id for query in queries],
        offsets=np.cumsum([0, *(len(found[item]) for item in asked)]).astype(np.int64),
        rows=np.array([other for other, _ in judged], dtype=np.int64),
        grades=np.array([number for _, number in judged], dtype=np.int64),
    )
