"""Fits, loads and asks a system: all of the harness that answers depend on, so that its code is part of every key."""

import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bench.collections.collection import Collection, Documents, Query
from bench.errors import BenchError, CannotAdd
from bench.protocols import TakesDocuments, can_be_saved
from bench.rankings import Rankings, as_rankings
from bench.retriever import Retriever

if TYPE_CHECKING:
    from pathlib import Path

    from bench.tasks.exam import Exam
    from bench.workplace import Workplace


def bound_threads(threads: int) -> None:
    """Have the libraries compute with so many threads."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)
    torch = sys.modules.get("torch")
    if torch:
        torch.set_num_threads(threads)


def fit(retriever: Retriever, view: Collection, workplace: "Workplace") -> None:
    """Fit on a collection's training view, whatever ran in this process before."""
    _seed_global_generators(retriever.seed)
    retriever.work_in(workplace)
    retriever.fit(view)


def load(retriever: Retriever, index: "Path") -> None:
    """Read what a fit saved, whatever ran in this process before. Raises BenchError for a system that cannot."""
    if not can_be_saved(retriever):
        raise BenchError(f"{type(retriever).__name__} cannot be loaded; give it the methods save and load")
    _seed_global_generators(retriever.seed)
    retriever.load(index)


def ask(retriever: Retriever, queries: Sequence[Query], k: int, documents: Documents) -> Rankings:
    """The answers, which depend on no question that was asked before. Raises BenchError for what is no answer."""
    _seed_global_generators(retriever.seed)
    found = as_rankings(retriever.retrieve(list(queries), k), queries, documents, k)
    # A retriever may change its list of queries, and use its arrays again for the next ones.
    return replace(found, offsets=found.offsets.copy(), rows=found.rows.copy(), scores=found.scores.copy())


class Grown(NamedTuple):
    """The answers of a system that was given a collection in parts, as rows of the whole, and what adding took."""

    rankings: Rankings
    seconds_per_document: float


def grow(retriever: Retriever, exam: "Exam", workplace: "Workplace") -> Grown:
    """Fit on the first stage of an exam, ask, and then add the part of each later stage and ask.

    Raises CannotAdd for a system that takes no documents after its fit.
    """
    if not isinstance(retriever, TakesDocuments):
        raise CannotAdd(f"{type(retriever).__name__} takes no documents after its fit: it has no method add")
    rows, parts, seconds, added = exam.collection.documents.rows, [], 0.0, 0
    for number, stage in enumerate(exam.stages):
        if number:
            start = perf_counter()
            _seed_global_generators(retriever.seed)
            retriever.add(stage.given)
            seconds, added = seconds + perf_counter() - start, added + len(stage.given)
        else:
            fit(retriever, stage.given, workplace)
        queries = exam.queries[stage.asked]
        answers = ask(retriever, queries, exam.reach, stage.documents)
        answers = answers.canonical(queries, stage.documents, exam.reach)
        of_whole = np.array([rows[one] for one in stage.documents.ids()], dtype=np.int64)
        parts.append(replace(answers, rows=of_whole[answers.rows], documents=None))
    return Grown(Rankings.concatenate(parts), seconds / max(added, 1))


def _seed_global_generators(seed: int) -> None:
    """For plugins that use them."""
    random.seed(seed)
    np.random.seed(seed)
    torch = sys.modules.get("torch")
    if torch:
        torch.manual_seed(seed)
