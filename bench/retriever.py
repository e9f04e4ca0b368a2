"""The interface that a retriever plugin implements."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, PrivateAttr

from bench.collections.collection import Collection, Query
from bench.options import Options
from bench.progress import Progress, no_progress
from bench.rankings import Rankings
from bench.workplace import Workplace

if TYPE_CHECKING:
    import numpy as np


class Retriever(Options, ABC):
    """A system under test.

    A subclass declares its options as typed fields and implements `fit` and `retrieve`. Constructing one
    does no work. `save` and `load` are optional; with both, later runs need not fit again.
    """

    family: ClassVar[str] = "other"
    """Kind of system, for the leaderboard: sparse, dense, late interaction, generative, ..."""

    remote: ClassVar[bool] = False
    """Whether it answers on some other machine, so that its memory and index are not known here."""

    seed: int = Field(0, ge=0, lt=2**31, description="feeds every random choice")

    _progress: Progress = PrivateAttr(default_factory=lambda: no_progress)
    _workplace: Workplace | None = PrivateAttr(None)

    @abstractmethod
    def fit(self, collection: Collection) -> None:
        """Build the index or train. `collection` holds no test queries and no test judgements."""

    @abstractmethod
    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        """Answer each query with at most k documents (ties with the k-th may be added), in any order."""

    def save(self, folder: Path) -> None:
        """Write what `fit` made into an empty folder."""
        raise NotImplementedError

    def load(self, folder: Path) -> None:
        """Read what `save` wrote; afterwards `retrieve` answers as it did then."""
        raise NotImplementedError

    def weights(self) -> list[str]:
        """Names or paths of the model weights that the options choose, e.g. for the manifest."""
        return []

    def files(self) -> list[Path]:
        """Files that the options choose, e.g. word vectors: their content is part of what a result depends on."""
        return []

    def facts(self) -> dict[str, Any]:
        """After `fit`: what was decided at run time (device, precision, truncation), for the manifest."""
        return {}

    @property
    def trained(self) -> bool:
        """Whether `fit` learns from the training queries or interactions. Options may decide it."""
        return False

    @property
    def deterministic(self) -> bool:
        """Whether the seed changes nothing, so that one fit stands for all seeds. Options may decide it."""
        return False

    def components(self) -> "Sequence[Retriever]":
        """The systems that this one is composed of, unfitted; their code, options and weights are part of its own."""
        return ()

    @property
    def saves(self) -> bool:
        """Whether the subclass implements `save` and `load`."""
        return type(self).save is not Retriever.save and type(self).load is not Retriever.load

    def answer_facts(self) -> dict[str, Any]:
        """What the last `retrieve` has to tell of its answers, e.g. how many identifiers were invalid."""
        return {}

    def docids(self) -> Sequence[tuple[str, ...]]:
        """After `fit`: the path of identifier tokens of each document, for a system that generates them."""
        raise NotImplementedError

    def identifier_groups(self) -> "np.ndarray | None":
        """After `fit`: shape [documents], equal numbers for documents that share an identifier; None without any."""
        return None

    @property
    def workplace(self) -> Workplace:
        """Folders for what `fit` keeps beside its index; temporary ones unless the runner gives lasting ones."""
        if self._workplace is None:
            self._workplace = Workplace.temporary()
        return self._workplace

    def work_in(self, workplace: Workplace) -> None:
        """Have `fit` keep its checkpoints and shared work there."""
        self._workplace = workplace

    def report_to(self, progress: Progress) -> None:
        """Have `fit` and `retrieve` tell their progress."""
        self._progress = progress

    def progress(self, phase: str, done: int, total: int) -> None:
        """Tell how far a long step is."""
        self._progress(phase, done, total)
