"""What a system is asked and what its answers are worth."""

from abc import ABC, abstractmethod
from typing import ClassVar

from pydantic import Field

from bench.collections.collection import Collection
from bench.options import Options
from bench.tasks.exam import Exam


class Task(Options, ABC):
    """A set of questions, to be asked of any collection that has what they need."""

    name: ClassVar[str] = ""
    """How it is called where it is registered from a file; empty: by the name of its class."""

    asks_split: ClassVar[bool] = True
    """Whether its questions are those of the split that is asked; else nothing may be chosen by it, because what is
    published is of the same questions."""

    depth: int = Field(
        100, ge=1, le=10_000, description="documents asked of a system for each question; at least each cut-off"
    )

    @abstractmethod
    def on(self, collection: Collection) -> Exam:
        """The task bound to a collection: the same questions for every system.

        Questions may be drawn or made here, so that one exam serves all systems. Raises BenchError where the
        collection has none.
        """

    def weights(self) -> list[str]:
        """Names or paths of the model weights that the task measures with."""
        return []
