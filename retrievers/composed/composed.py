"""What all systems that are composed of others share: their parts are fitted, asked, timed, saved and loaded."""

import os
import shutil
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any, Self

import numpy as np
from pydantic import ValidationInfo, field_validator, model_validator

from bench.collections.collection import Collection, Query
from bench.errors import CannotAdd
from bench.parts import named_parts, part_options, with_default
from bench.protocols import MayRefuseDocuments, Saves, SearchesVectors, TakesDocuments
from bench.rankings import Rankings, as_rankings
from bench.retriever import Retriever
from bench.workplace import FittedPart
from retrievers.known_ids import IDS_FILE, known_by_id, load_ids, save_ids


class Composed(Retriever):
    """A system whose options are systems.

    Each part has a name and the seed of the whole unless it was given one, is fitted on the same view, and is asked
    live, so that the whole costs what its parts cost.
    """

    family = "composed"

    @abstractmethod
    def named(self) -> Mapping[str, Retriever]:
        """The parts by name."""

    @field_validator("*", mode="before")
    @classmethod
    def _reads_parts(cls, given: Any, info: ValidationInfo) -> Any:
        name = str(info.field_name)
        several = part_options(cls).get(name)
        default = cls.model_fields[name].default
        if several is None:
            return given
        return named_parts(given, default) if several else with_default(given, default)

    @model_validator(mode="after")
    def _can_name_folders(self) -> Self:
        """The parts' names, by which their indexes lie in that of the whole."""
        for name in self.named():
            if name in ("", "..", IDS_FILE) or Path(name).name != name:
                raise ValueError(
                    f"a part cannot be called '{name}': its index lies in a folder of that name; take a plain one, "
                    "such as 'first'"
                )
        return self

    @model_validator(mode="after")
    def _hands_its_seed_down(self) -> Self:
        """To parts that the seed changes and that have none of their own; a part that is fitted stays as it is."""
        for name, several in part_options(type(self)).items():
            given = vars(self)[name]
            seeded = {key: self._seeded(part) for key, part in given.items()} if several else self._seeded(given)
            vars(self)[name] = seeded  # an assignment to the option would come here again
        return self

    def _seeded(self, part: Retriever) -> Retriever:
        """The part with the seed of the whole: a copy, since whoever gave it may give it to others too."""
        own = "seed" in part.model_fields_set
        if own or part.deterministic or part.fitted or part.seed == self.seed:
            return part
        copy = part.model_copy()
        copy.seed = self.seed
        copy.model_fields_set.discard("seed")  # handed down, so that another one may follow
        return copy

    def components(self) -> Sequence[Retriever]:
        return list(self.named().values())

    @property
    def deterministic(self) -> bool:
        return all(part.deterministic for part in self.components())

    @property
    def trained(self) -> bool:
        return any(part.trained for part in self.components())

    def fit(self, collection: Collection) -> Self:
        self._documents = collection.documents
        self._fits: dict[str, FittedPart] = {}
        for name, part in self.named().items():
            part.report_to(self.progress)
            self._fits[name] = self.workplace.fit_part(name, part, collection)
        return self

    def add(self, documents: Collection) -> None:
        """Hand the documents to every part. Raises CannotAdd, before any has them, where one cannot take them."""
        self.check_add()
        for part in self.components():
            part.add(documents)  # type: ignore[attr-defined]
        self._documents = known_by_id(self._documents, documents.documents)
        self._fits = {name: replace(fit, index=None) for name, fit in self._fits.items()}

    def check_add(self) -> None:
        """As `MayRefuseDocuments.check_add`."""
        for name, part in self.named().items():
            if not isinstance(part, TakesDocuments):
                raise CannotAdd(f"{name}: {type(part).__name__} takes no documents after its fit")
            if isinstance(part, MayRefuseDocuments):
                part.check_add()

    def asked(
        self, name: str, queries: Sequence[Query], k: int, vectors: Sequence[np.ndarray] | None = None
    ) -> Rankings:
        """The k best documents of a part for each query, in the canonical order.

        A part that can be asked with vectors is, where the queries' own are known: it need not encode them again.
        """
        part = self.named()[name]
        with self.timed(name):
            if vectors is not None and isinstance(part, SearchesVectors):
                found = part.search_vectors(queries, vectors, k)
            else:
                found = part.retrieve(queries, k)
            answers = as_rankings(found, queries, self._documents, k)
        return answers.canonical(queries, self._documents, k)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """What runs in the block is a part's share of the answer."""
        start = perf_counter()
        yield
        spent = self._spent
        spent[name] = spent.get(name, 0.0) + perf_counter() - start

    def begin(self) -> None:
        """An answer begins: what the parts spend is counted anew."""
        self._spent: dict[str, float] = {}

    def fit_seconds(self) -> Mapping[str, float]:
        return {name: fit.seconds for name, fit in self._fits.items()}

    def answer_seconds(self) -> Mapping[str, float]:
        return self._spent

    def save(self, folder: Path) -> None:
        save_ids(folder, self._documents)
        for name, part in self.named().items():
            fit = self._fits.get(name)
            if fit and fit.index:
                shutil.copytree(fit.index, folder / name, copy_function=_link)
            elif isinstance(part, Saves):
                (folder / name).mkdir()
                part.save(folder / name)

    def load(self, folder: Path) -> None:
        self._documents, self._fits = load_ids(folder), {}
        for name, part in self.named().items():
            if isinstance(part, Saves):
                part.load(folder / name)

    def facts(self) -> dict[str, Any]:
        return {"parts": {name: part.facts() for name, part in self.named().items()}}


def _link(source: str, target: str) -> None:
    """The same file under another name, which takes no room; a copy where the disk is another."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
