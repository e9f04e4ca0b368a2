"""The plugin that is checked: made and fitted as often as a check asks, and once for all that only ask it."""

import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from bench.collections.collection import Collection, Query
from bench.conformance.worlds import KINDS
from bench.errors import BenchError
from bench.rankings import Rankings, as_rankings
from bench.retriever import Retriever

World = Callable[[Path], Collection]


class Subject:
    """A retriever's class with the options that it is checked with.

    root: the folder of all that is written for the checks, which vanishes with the subject
    kinds: which of the collections of `KINDS` it takes, in their order; empty before `tried`
    refusals: by kind the error of those that it does not take
    """

    def __init__(self, name: str, kind: type[Retriever], options: Mapping[str, Any]) -> None:
        self.name = name
        self.type = kind
        self.kinds: list[str] = []
        self.refusals: dict[str, Exception] = {}
        self._options = options
        self._place = tempfile.TemporaryDirectory()
        self.root = Path(self._place.name)
        self._worlds: dict[World, Collection] = {}
        self._fitted: dict[World, Retriever] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._place.cleanup()

    def made(self, seed: int = 0) -> Retriever:
        """A new retriever, not fitted."""
        return self.type.from_options(self.name, {"seed": seed, **self._options})

    def folder(self) -> Path:
        """A new folder under `root`."""
        return Path(tempfile.mkdtemp(dir=self.root))

    def world(self, world: World) -> Collection:
        """The collection, made once."""
        if world not in self._worlds:
            self._worlds[world] = world(self.folder())
        return self._worlds[world]

    def fit(self, world: World, seed: int = 0, noise: int = 0) -> Retriever:
        """A new retriever that is fitted while the generators of the process are where `noise` puts them."""
        _stir(noise)
        return self.made(seed).fit(self.world(world))

    def fitted(self, world: World) -> Retriever:
        """A fitted retriever for checks that only ask it."""
        if world not in self._fitted:
            self._fitted[world] = self.fit(world)
        return self._fitted[world]

    def try_kinds(self) -> None:
        """Find out which kinds of collection it takes."""
        for kind, world in KINDS.items():
            try:
                self.fitted(world)
            except Exception as error:
                self.refusals[kind] = error
            else:
                self.kinds.append(kind)

    @property
    def home(self) -> World:
        """The collection on which most is checked. Raises BenchError if the subject takes none."""
        if not self.kinds:
            raise BenchError(
                f"{self.name} takes none of the collections: {'; '.join(map(told, self.refusals.values()))}"
            )
        return KINDS[self.kinds[0]]

    def questions(self, world: World) -> Sequence[Query]:
        """What is asked of it there."""
        return self.world(world).queries("test")

    def answers(
        self, retriever: Retriever, world: World, queries: Sequence[Query] | None = None, k: int = 5
    ) -> Rankings:
        """Canonical answers, by default to the questions of that world."""
        asked = self.questions(world) if queries is None else queries
        documents = self.world(world).documents
        return as_rankings(retriever.retrieve(asked, k), asked, documents, k).canonical(asked, documents, k)


def told(error: BaseException) -> str:
    """An error in a line: what a person would be shown, with its type if it is not meant for them."""
    first = str(error).partition("\n")[0]
    return first if isinstance(error, BenchError) else f"{type(error).__name__}: {first}"


def _stir(noise: int) -> None:
    """Put the generators of the process elsewhere, so that who draws from them is found out."""
    random.seed(noise)
    np.random.seed(noise)
    import torch

    torch.manual_seed(noise)
