"""What a collection holds, and what its rules will do with it: to be looked at before anything is run on it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from bench.collections.collection import Collection, Qrels
from bench.visible import plural
from bench.words import fold

_GAINS = {"linear": "the grade", "exponential": "2^grade - 1", "binary": "1 if relevant"}


class Fact(NamedTuple):
    """Something about a collection; `part` is what it is about: documents, a split, or the rules."""

    part: str
    name: str
    value: str


def inspect(collection: Collection) -> Iterator[Fact]:
    """Counts, lengths in words between blanks, repetitions, overlaps, and what the rules do."""
    yield from _documents(collection)
    for split in collection.splits:
        yield from _split(collection, split)
    yield from _overlaps(collection)
    yield from _rules(collection)
    for name, value in collection.notes.items():
        yield Fact("source", name, str(value))


def _documents(collection: Collection) -> Iterator[Fact]:
    lengths, seen = [], Counter[str]()
    for text in collection.texts():
        lengths.append(len(text.split()))
        seen[text] += 1
    empty = seen.pop("", 0)
    titled = sum(bool(document.title) for document in collection.documents)
    yield Fact("documents", "number", f"{len(collection):,}")
    yield Fact("documents", "words", _spread(lengths))
    yield Fact("documents", "with a title", f"{titled:,}")
    yield Fact("documents", "without any text", f"{empty:,}")
    again = sum(number - 1 for number in seen.values())
    yield Fact("documents", "whose text another has", f"{again:,}" + " (they tie in every system)" * bool(again))
    if collection.documents.ids_need_quoting:
        yield Fact("documents", "ids", "some hold blanks; run files write them as %20")


def _split(collection: Collection, split: str) -> Iterator[Fact]:
    queries, qrels = collection.queries(split), collection.qrels(split)
    yield Fact(split, "queries", f"{len(queries):,}")
    if any(query.history for query in queries):
        yield Fact(split, "items in a history", _spread([len(query.history) for query in queries]))
    else:
        yield Fact(split, "words of a query", _spread([len(query.text.split()) for query in queries]))
        again = len(queries) - len({fold(query.text) for query in queries})
        yield Fact(split, "queries whose text another has", f"{again:,}")
    if len(qrels):
        yield Fact(split, "judgements for a query", _spread(np.diff(qrels.offsets).tolist()))
        yield from _grades(split, collection, qrels)


def _grades(split: str, collection: Collection, qrels: Qrels) -> Iterator[Fact]:
    grades, counts = np.unique(qrels.grades, return_counts=True)
    listed = ", ".join(f"{grade}: {count:,}" for grade, count in zip(grades.tolist(), counts.tolist(), strict=True))
    yield Fact(split, "judgements by grade", listed)
    without = int((~qrels.with_relevant(collection.rules.minimum_relevance)).sum())
    yield Fact(split, "queries without a relevant document", f"{without:,}")


def _overlaps(collection: Collection) -> Iterator[Fact]:
    """What training could give away of the evaluated split."""
    collection = collection.asking("questions")
    asked = collection.rules.split
    if asked not in collection.split_queries or collection.sequential:
        return
    texts = {fold(query.text) for query in collection.queries(asked)}
    relevant = collection.relevant_rows(asked)
    for split in collection.splits:
        if split not in (asked, "unjudged"):
            shared = sum(fold(query.text) in texts for query in collection.queries(split))
            common = len(relevant & collection.relevant_rows(split))
            yield Fact(asked, f"queries of {split} with the text of one here", f"{shared:,}")
            yield Fact(asked, f"relevant documents that {split} has too", f"{common:,} of {len(relevant):,}")


def _rules(collection: Collection) -> Iterator[Fact]:
    rules = collection.rules
    yield Fact("rules", "a system reads", rules.text)
    if rules.split in collection.split_queries:
        asked = int(collection.qrels().with_relevant(rules.minimum_relevance).sum())
        which = f"of {rules.split} with a document of grade {rules.minimum_relevance} or more"
        yield Fact("rules", "asked", f"{plural(asked, 'query')} {which}")
    else:
        yield Fact("rules", "asked", f"there is no split {rules.split}; choose one with ?split=NAME")
    yield Fact("rules", "gain in nDCG", _GAINS[rules.gains])
    yield Fact("rules", "language", rules.language)
    same = sum(query.id in collection.documents.rows for query in collection.split_queries.get(rules.split, ()))
    if same or rules.exclude_self:
        way = (
            "left out of its answer" if rules.exclude_self else "an answer like any other; ?exclude_self=true if not"
        )
        yield Fact("rules", f"the document with the query's own id ({plural(same, 'query')})", way)
    yield Fact("rules", "fingerprint", collection.fingerprint[:12])


def _spread(numbers: Sequence[int]) -> str:
    if not len(numbers):
        return "none"
    low, middle, high = np.percentile(numbers, [0, 50, 100])
    return f"{low:.0f} to {high:.0f}, median {middle:g}, mean {np.mean(numbers):.1f}"
