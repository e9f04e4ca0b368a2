"""Fits, loads and asks a system: all of the harness that answers depend on, so that its code is part of every key."""

import random
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bench.collections.collection import Collection, Documents, Query
from bench.errors import BenchError
from bench.protocols import can_be_saved
from bench.rankings import Rankings, as_rankings
from bench.retriever import Retriever

if TYPE_CHECKING:
    from pathlib import Path

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
    return as_rankings(retriever.retrieve(queries, k), queries, documents)


def _seed_global_generators(seed: int) -> None:
    """For plugins that use them."""
    random.seed(seed)
    np.random.seed(seed)
    torch = sys.modules.get("torch")
    if torch:
        torch.manual_seed(seed)
