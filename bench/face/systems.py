"""Systems and answers as people name them, ready to be asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import registry
from bench.collections.catalogue import Dataset, open_dataset
from bench.collections.collection import Collection, Query
from bench.errors import BenchError, UnknownName
from bench.hits import Hits
from bench.retriever import Retriever, check_question, construct
from bench.runner.fitting import ask, fit
from bench.settings import parse_query


@dataclass(frozen=True)
class Entrant:
    """Who is evaluated, under the name that tables show: a system, or answers that were made elsewhere."""

    name: str
    system: Retriever | None = None
    answers: Any = None


def opened(data: "str | Path | Dataset | Collection") -> Collection:
    """The collection that is meant. Raises BenchError for what is none."""
    if isinstance(data, str | Path):
        data = open_dataset(str(data))
    collection = data.collection if isinstance(data, Dataset) else data
    if not isinstance(collection, Collection):
        raise BenchError(f"{type(data).__name__} is no collection; open one with bench.open(NAME)")
    return collection


def fitted(system: Retriever, collection: Collection) -> Retriever:
    """The system, fitted now if it was not. Raises BenchError if it was fitted on something else."""
    if not system.fitted:
        fit(system, collection.training_view(), system.workplace)
    known = system.fitted_on
    if known is not None and known.fingerprint != collection.fingerprint:
        raise BenchError(
            f"{system} was fitted on {known.name}, not on {collection.name} with the same content and rules; "
            "fit another one"
        )
    return system


def search(system: "str | Retriever", data: Any, text: str, k: int) -> Hits:
    """The k best documents for a question, with their text."""
    check_question(text, k)
    collection = opened(data)
    asked = fitted(construct(system, {}) if isinstance(system, str) else system, collection)
    if asked.fitted_on is not None:
        return asked.search(text, k)
    queries, documents = [Query("question", text)], collection.documents
    return Hits.of(text, ask(asked, queries, k, documents).canonical(queries, documents, k), collection)


def entrants(systems: Any, collection: Collection, device: str | None = None) -> list[Entrant]:
    """One entrant or several, by their names. Raises BenchError for what is none, and for a name given twice."""
    found = [_entrant(name, system, device) for name, system in _named(systems, collection)]
    if not found:
        raise BenchError("there is no system to evaluate; give one, as 'bm25', or several in a list")
    names = [entrant.name for entrant in found]
    for name in names:
        if names.count(name) > 1:
            raise BenchError(f"two systems are called '{name}'; name them: {{'first': ..., 'second': ...}}")
    return found


def _named(systems: Any, collection: Collection) -> list[tuple[str, Any]]:
    if isinstance(systems, Mapping) and not _is_answer(systems, collection):
        return list(systems.items())
    if isinstance(systems, list | tuple):
        return [("", system) for system in systems]
    return [("", systems)]


def _is_answer(given: Mapping[Any, Any], collection: Collection) -> bool:
    """Whether a mapping is from queries to answers, and not from names to systems."""
    asked = {query.id for queries in collection.split_queries.values() for query in queries}
    return any(str(key) in asked for key in given)


def _entrant(name: str, given: Any, device: str | None) -> Entrant:
    if isinstance(given, Retriever):
        return Entrant(name or registry.name_of(type(given)), system=given)
    if isinstance(given, type) and issubclass(given, Retriever):
        return Entrant(name or registry.name_of(given), system=given())
    if isinstance(given, str | Path):
        return _from_text(name, given, device)
    return Entrant(name or "answers", answers=given)


def _from_text(name: str, given: str | Path, device: str | None) -> Entrant:
    """A registered system by its name, as bm25 or bm25?k1=0.9, or a run file by its path."""
    known = registry.plugins("retriever")
    retriever, options = parse_query(str(given))
    if retriever in known:
        takes = {"device": device} if device and "device" in known[retriever].load().model_fields else {}
        told = ", ".join(f"{option}={value}" for option, value in options.items())
        return Entrant(name or f"{retriever} {told}".strip(), system=construct(retriever, takes | options))
    path = Path(given)
    if not path.is_file():
        raise UnknownName("retriever", str(given), known, "(and there is no run file of that name)")
    return Entrant(name or path.name.removesuffix(".gz").rpartition(".")[0] or path.name, answers=path)
