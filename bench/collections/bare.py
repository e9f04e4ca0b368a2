"""A collection of ids alone: what judgements and runs name, where the texts are not at hand."""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

from bench.collections.collection import Collection, Document, Rules, read_collection
from bench.collections.sources.judgements import read_judgements
from bench.collections.writer import CollectionWriter
from bench.numbering import renumbered
from bench.runfiles import is_of_lines, read_answers


def bare_collection(qrels: Path, runs: Iterable[Path], rules: Rules) -> Collection:
    """The documents and queries that a file of judgements or one of the runs names, without any text.

    A query that is judged is asked in the split of the rules; the others are in the split `unjudged`. Raises
    BenchError for a file that cannot be read.
    """
    judged = list(read_judgements(qrels))
    asked = {query: None for _, query, *_ in judged}
    documents = {document: None for _, _, document, _ in judged}
    others: dict[str, None] = {}
    for run in runs:
        decoded = unquote if is_of_lines(run) else str
        for _, query, document, _ in read_answers(run, asked):
            documents.setdefault(document)
            others.setdefault(decoded(query) if decoded(query) in asked else query)
    others = {query: None for query in others if query not in asked and query not in renumbered([query], asked)}
    with tempfile.TemporaryDirectory() as folder:
        with CollectionWriter(Path(folder)) as writer:
            for document in documents:
                writer.document(Document(document, "", ""), f"{qrels}")
            for split, queries in ((rules.split, asked), ("unjudged", others)):
                for query in queries:
                    writer.query(split, query, query, f"{qrels}")
            for line, query, document, grade in judged:
                writer.judgement(rules.split, query, document, grade, f"{qrels}:{line}")
            writer.note("documents", "those that the judgements or the runs name")
        return read_collection(Path(folder), qrels.name, rules)
