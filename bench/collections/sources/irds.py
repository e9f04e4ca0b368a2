"""Public collections through ir_datasets (MacAvaney et al. 2021)."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from textwrap import shorten
from typing import Any

from pydantic import Field

from bench.collections.collection import Document
from bench.collections.sources import Source
from bench.collections.writer import CollectionWriter
from bench.errors import BenchError, UnknownName
from bench.progress import Progress

_TELL_EVERY = 4096  # documents
_SIBLINGS = ("train", "dev")


class IrDatasets(Source):
    """A dataset of ir_datasets by its id, such as beir/scifact/test; it is downloaded on first use.

    All its queries are the split "test". With `train`, all queries of that other dataset are the split
    "train"; without, the siblings of the id that are called train and dev are splits of these names.
    """

    argument = "dataset"

    dataset: str = Field(description="id in ir_datasets, such as vaswani or beir/scifact/test")
    train: str = Field(
        "", description="id whose queries are the split 'train'; by default the siblings train and dev"
    )

    def state(self) -> dict[str, Any]:
        import ir_datasets

        return {"splits": self._splits(), "ir_datasets": ir_datasets.__version__}

    def read(self, writer: CollectionWriter, progress: Progress) -> None:
        splits = self._splits()
        with _notices_only():
            self._read_documents(writer, progress)
            for split, dataset_id in splits.items():
                for number, query in enumerate(_records(dataset_id, "queries"), start=1):
                    place = f"irds:{dataset_id} query {number}"
                    writer.query(split, query.query_id, _query_text(query, dataset_id), place)
            for split, dataset_id in splits.items():
                for number, qrel in enumerate(_records(dataset_id, "qrels"), start=1):
                    place = f"irds:{dataset_id} judgement {number}"
                    writer.judgement(split, qrel.query_id, qrel.doc_id, _grade(qrel.relevance, place), place)

    def _read_documents(self, writer: CollectionWriter, progress: Progress) -> None:
        with _available(self.dataset):
            total = _load(self.dataset).docs_count() or 0
        for number, record in enumerate(_records(self.dataset, "docs"), start=1):
            if number % _TELL_EVERY == 0:
                progress("reading documents", number, max(total, number))
            writer.document(_document(record, self.dataset), f"irds:{self.dataset} document {number}")

    def _splits(self) -> dict[str, str]:
        """Dataset id by split. Raises BenchError for an id that is unknown or lacks what a split needs."""
        _require(self.dataset, "docs", "queries", "qrels")
        splits = {"test": self.dataset}
        if self.train:
            _require(self.train, "queries", "qrels")
            if self.train == self.dataset:
                raise BenchError(f"irds: train={self.train} is the dataset that is evaluated; name another")
            return splits | {"train": self.train}
        parent = self.dataset.rpartition("/")[0]
        siblings = {name: f"{parent}/{name}" for name in _SIBLINGS if parent}
        known = set(_known())
        return splits | {
            name: sibling
            for name, sibling in siblings.items()
            if sibling != self.dataset and sibling in known and not _lacking(sibling, "queries", "qrels")
        }


def _known() -> list[str]:
    import ir_datasets

    return sorted(ir_datasets.registry)


def _load(dataset_id: str) -> Any:
    import ir_datasets

    try:
        return ir_datasets.load(dataset_id)
    except KeyError:
        known = _known()
        near = get_close_matches(dataset_id, known, cutoff=0.5) or [name for name in known if "/" not in name]
        raise UnknownName("dataset of ir_datasets", dataset_id, near) from None


def _lacking(dataset_id: str, *parts: str) -> list[str]:
    dataset = _load(dataset_id)
    return [part for part in parts if not dataset.has(part)]


def _require(dataset_id: str, *parts: str) -> None:
    lacking = _lacking(dataset_id, *parts)
    if lacking:
        within = [name for name in _known() if name.startswith(f"{dataset_id}/") and not _lacking(name, *parts)]
        remedy = f"choose one of {', '.join(within)}" if within else "choose another dataset"
        raise BenchError(f"irds:{dataset_id} has no {' and no '.join(lacking)}; {remedy}")


def _records(dataset_id: str, part: str) -> Iterator[Any]:
    """The docs, queries or qrels of a dataset. Raises BenchError when they cannot be had."""
    iterate: Callable[[], Iterable[Any]] = getattr(_load(dataset_id), f"{part}_iter")
    with _available(dataset_id):
        yield from iterate()


@contextmanager
def _available(dataset_id: str) -> Iterator[None]:
    """Say what to do where ir_datasets cannot get its files; it tells so by any of these exceptions."""
    from ir_datasets.util import home_path

    try:
        yield
    except (OSError, RuntimeError, EOFError) as error:
        reason = f"{type(error).__name__}: {shorten(str(error), 100)}"
        raise BenchError(
            f"irds:{dataset_id} is not on this machine and could not be downloaded ({reason}); run this once where "
            f"there is a network, place its files in {home_path()}, or read a copy with beir:FOLDER or trec:FOLDER"
        ) from error


def _document(record: Any, dataset_id: str) -> Document:
    if isinstance(getattr(record, "text", None), str):
        return Document(record.doc_id, getattr(record, "title", None) or "", record.text)
    return Document(record.doc_id, "", _default_text(record, dataset_id))


def _query_text(record: Any, dataset_id: str) -> str:
    text = getattr(record, "text", None)
    return text if isinstance(text, str) else _default_text(record, dataset_id)


def _default_text(record: Any, dataset_id: str) -> str:
    """What ir_datasets itself takes for the text of a record of many fields."""
    if not hasattr(record, "default_text"):
        kind = type(record).__name__
        raise BenchError(f"irds:{dataset_id}: a {kind} has no text that could be read; choose another dataset")
    return record.default_text()


def _grade(value: Any, place: str) -> int:
    if not isinstance(value, int):
        raise BenchError(f"{place}: the grade {value!r} is not an integer; choose another dataset")
    return value


@contextmanager
def _notices_only() -> Iterator[None]:
    """Leave out what ir_datasets tells of its steps and retries; licences and download bars stay."""
    import ir_datasets

    logger = ir_datasets.log.easy().logger()

    def keep(record: logging.LogRecord) -> bool:
        return not record.getMessage().lower().startswith(("[", "download"))

    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)
