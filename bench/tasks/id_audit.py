"""Does a system know the answers by the items' ids? Under other ids its figures must stay the same.

Ids that are numbered along the sequences, or a catalogue in the order of the interactions, tell what comes next
(published systems have gained from both); so would a system that treats ids as text or as numbers.
"""

from collections.abc import Callable
from pathlib import Path
from statistics import fmean, stdev
from typing import NamedTuple

import numpy as np

from bench.collections.collection import Collection, Document, read_collection
from bench.collections.writer import CollectionWriter
from bench.measures.interval import bootstrap_interval
from bench.retriever import Retriever
from bench.tasks import Task


class IdAudit(NamedTuple):
    """A measure under the given ids and under other ones, and how far these may be apart by chance."""

    measure: str
    given: float
    renamed: tuple[float, ...]
    noise: float

    @property
    def leaks(self) -> bool:
        """Whether the ids matter beyond chance."""
        return abs(self.given - fmean(self.renamed)) > self.noise


def audit_ids(
    make: Callable[[], Retriever], collection: Collection, task: Task, folder: Path, times: int = 3, seed: int = 0
) -> IdAudit:
    """Fit and ask a system on the collection, and on `times` copies with other ids in another order.

    Chance is what the mean difference has over queries (half of its 95 % bootstrap interval) and over copies
    (three standard deviations): ties that ids decide, and what a random start makes of another order. `make` gives an
    unfitted system, the same each time. The copies are written below `folder`.
    """
    measure, given = _values(make(), collection, task)
    copies = []
    for copy in range(times):
        place = folder / f"renamed-{copy}"
        place.mkdir(parents=True)
        copies.append(_values(make(), rename_items(collection, place, seed + copy), task)[1])
    low, high = bootstrap_interval(given - np.mean(copies, axis=0))
    means = tuple(float(values.mean()) for values in copies)
    return IdAudit(measure, float(given.mean()), means, (high - low) / 2 + 3 * stdev(means))


def _values(retriever: Retriever, collection: Collection, task: Task) -> tuple[str, np.ndarray]:
    """The primary measure's name and its values of shape [queries]."""
    retriever.fit(collection.training_view())
    exam = task.on(collection)
    evaluation = exam.evaluate(retriever.retrieve(exam.queries, exam.reach))
    return exam.primary.name, evaluation.values[exam.primary.name]


def rename_items(collection: Collection, folder: Path, seed: int) -> Collection:
    """The same content with other document ids, numbers drawn at random, and the documents in another order."""
    order = np.random.default_rng(seed).permutation(len(collection))
    width = len(str(len(collection)))
    names = {
        document_id: f"i{place:0{width}}"
        for document_id, place in zip(collection.documents.ids(), order, strict=True)
    }
    by_place = np.argsort(order)
    with CollectionWriter(folder) as writer:
        for row in by_place.tolist():
            document = collection.documents[row]
            writer.document(Document(names[document.id], document.title, document.body), document.id)
        for split in collection.splits:
            for query in collection.queries(split):
                history = [names[item] for item in query.history]
                writer.query(split, query.id, query.text, query.id, history, query.times, query.of)
        for split in collection.splits:
            qrels = collection.qrels(split)
            for place, query_id in enumerate(qrels.query_ids):
                rows, grades = qrels.of(place)
                for item, grade in zip(collection.documents.ids(rows), grades.tolist(), strict=True):
                    writer.judgement(split, query_id, names[item], grade, query_id)
    return read_collection(folder, collection.name, collection.rules)
