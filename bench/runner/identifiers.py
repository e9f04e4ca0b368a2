"""A report on how a system names the documents of a collection."""

from collections.abc import Sequence

from bench.collections.collection import Collection
from bench.collections.histories import training_sequences
from bench.measures.identifiers import Report, numbered, report
from bench.runner.asking import Naming


def report_on(collection: Collection, named: Sequence[Naming]) -> Report:
    """What the identifiers of the first are like; the others name the same documents by other seeds."""
    first = named[0]
    return report(
        numbered(first.docids),
        vocabularies=first.vocabularies,
        groups=first.groups,
        texts=collection.texts(),
        sequences=training_sequences(collection) if collection.sequential else [],
        others=[numbered(other.docids) for other in named[1:]],
    )
