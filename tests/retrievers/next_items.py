"""What a recommender is worth at the task next_item."""

from typing import Any

from bench.collections.collection import Collection
from bench.retriever import Retriever
from bench.tasks.next_item import NextItem


def next_item_figures(system: Retriever, collection: Collection, **options: Any) -> dict[str, float]:
    """Each measure's mean for a fitted system; `options` are the task's."""
    exam = NextItem(**options).on(collection)
    answers = system.retrieve(exam.queries, exam.reach)
    return {figure.measure: figure.value for figure in exam.evaluate(answers).figures}
