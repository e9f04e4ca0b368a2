"""What the neural retrievers share: prompts, lengths, and encoding each distinct text of a corpus once."""

import hashlib
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from bench.collections.collection import Collection
from bench.errors import BenchError
from bench.progress import Progress

if TYPE_CHECKING:
    from sentence_transformers.base import BaseModel
    from torch import nn
    from transformers import PreTrainedModel

T = TypeVar("T")
Encode = Callable[[Iterable[list[str]]], Iterator[T]]
"""From lists of texts to what each list is encoded to, in their order."""

_BATCHES_AT_ONCE = 16
_NO_LIMIT = 10**9
"""Tokenizers that never cut say so by a larger number, or infinity."""


def refuse_textless(collection: Collection) -> None:
    """Raise BenchError if no document has any text, where a system that reads text would find all of them equal."""
    if not any(text.strip() for text in collection.texts()):
        raise BenchError(
            f"no document of {collection.name} has any text to read; give its documents titles or texts, or take a "
            "system that reads none, such as item-knn"
        )


def none_or_at_least(least: int) -> Callable[[int], int]:
    """Validates an option that says after how many tokens texts are cut, 0 if it says nothing.

    Fewer would leave nothing but the marks that a model sets around a text.
    """

    def validated(tokens: int) -> int:
        if 0 < tokens < least:
            raise ValueError(f"marks around a text are tokens too; write {least} or more, or 0 for the model's own")
        return tokens

    return validated


def check_length(model: "BaseModel | PreTrainedModel", name: str, tokens: int | None) -> None:
    """Raise BenchError if the model has no positions for so many tokens, None for texts that are never cut."""
    positions = positions_of(model)
    if positions is not None and (tokens is None or tokens > positions):
        read = "texts of any length" if tokens is None else tokens
        raise BenchError(
            f"model '{name}' has positions for {positions} tokens and would read {read}; cut texts after {positions} "
            "tokens or fewer (max_tokens)"
        )


def positions_of(model: "BaseModel | PreTrainedModel") -> int | None:
    """Tokens that the model has learned positions for, None where it needs none.

    RoBERTa and its kin count from after the padding index.
    """
    positions = getattr(model.config, "max_position_embeddings", None)
    embeddings = (module for name, module in model.named_modules() if name.endswith("position_embeddings"))
    padding = next((getattr(each, "padding_idx", None) for each in embeddings), None)
    return positions if positions is None or padding is None else positions - padding - 1


def token_limit(model: "BaseModel") -> int | None:
    """Tokens after which the model cuts a text, or None if it cuts none."""
    limit = model.max_seq_length
    return None if limit is None or limit > _NO_LIMIT else limit


def prompt_of(model: "BaseModel", chosen: str | None, *names: str) -> str:
    """The text put before each input: the chosen one, else the model's first prompt among `names` that is not empty.

    A model that calls its document prompt "passage" has an empty one called "document" too, so that the library
    would silently use none.
    """
    if chosen is not None:
        return chosen
    return next(filter(None, map(model.prompts.get, names)), "")


class FullWindows:
    """Counts encoded texts that reach a number of tokens, beyond which they are cut."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def counted(self, model: "BaseModel", limit: int | None) -> Iterator[None]:
        """Count while the block runs, from the attention masks that the model is given anyway."""

        def look(_: "nn.Module", arguments: tuple[Any, ...]) -> None:
            mask = arguments[0].get("attention_mask")
            if mask is not None and limit:
                self.count += int((mask.sum(dim=1) >= limit).sum())

        hook = model.register_forward_pre_hook(look)
        try:
            yield
        finally:
            hook.remove()


class DistinctTexts:
    """The different texts of a corpus, longest first.

    In this order each batch holds texts of like length, identical texts get one vector and so tie exactly, and what
    is computed does not depend on the order of the corpus.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        digests, lengths = _read(texts)
        order = np.lexsort((digests[:, 1], digests[:, 0], -lengths))
        new = np.ones(len(order), dtype=bool)
        new[1:] = (digests[order[1:]] != digests[order[:-1]]).any(axis=1)
        self._texts = texts
        self._rows = order[new]
        self.digests = digests[self._rows]
        self.place = np.empty(len(order), dtype=np.int64)
        self.place[order] = np.cumsum(new) - 1

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: int) -> str:
        return self._texts[self._rows[number]]

    def encode(self, encode: Encode[T], batch: int, progress: Progress) -> Iterator[T]:
        """Encode some batches at a time, in order."""
        step = batch * _BATCHES_AT_ONCE
        parts = (self._rows[start : start + step].tolist() for start in range(0, len(self), step))
        for number, encoded in enumerate(encode([self._texts[row] for row in part] for part in parts), start=1):
            yield encoded
            progress("encoding", min(number * step, len(self)), len(self))

    def vectors(self, encode: Encode[np.ndarray], dimension: int, batch: int, progress: Progress) -> np.ndarray:
        """Shape [texts, dimension], float32, in a temporary file: what `encode` gives for each text."""
        vectors = scratch_array((len(self), dimension), np.float32)
        done = 0
        for part in self.encode(encode, batch, progress):
            vectors[done : done + len(part)] = part
            done += len(part)
        return vectors


def _read(texts: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """What tells texts apart, uint64 of shape [texts, 2], and how long they are."""
    lengths, data = array("q"), bytearray()
    for text in texts:
        lengths.append(len(text))
        data += hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return np.frombuffer(data, dtype=">u8").astype(np.uint64).reshape(-1, 2), np.asarray(lengths)


class Holders:
    """Which documents hold each distinct text.

    place: shape [documents], the number of each document's text
    digests: shape [texts, 2], what tells the texts apart, so that one which comes again is not encoded again
    """

    def __init__(self, place: np.ndarray, digests: np.ndarray) -> None:
        self.place, self.digests = place, digests
        self._documents = np.argsort(place, kind="stable")
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(place))])

    @property
    def texts(self) -> int:
        """How many distinct texts there are."""
        return len(self._starts) - 1

    def and_then(self, texts: Sequence[str]) -> tuple["Holders", list[str]]:
        """With further documents, of these texts; and those of them that are new, which follow the known ones."""
        place, new = self._numbers(_read(texts)[0]), dict[str, int]()
        for row in np.flatnonzero(place < 0).tolist():
            place[row] = self.texts + new.setdefault(texts[row], len(new))
        both = np.concatenate([self.digests, _read(new)[0]])
        return Holders(np.concatenate([self.place, place]), both), list(new)

    def _numbers(self, digests: np.ndarray) -> np.ndarray:
        """The number of each text, or -1 for one that is not there."""
        first = self.digests[:, 0]
        order = np.argsort(first)
        likely = order[np.searchsorted(first, digests[:, 0], sorter=order).clip(max=len(order) - 1)]
        return np.where((self.digests[likely] == digests).all(axis=1), likely, -1)

    def renumbered(self, order: np.ndarray) -> "Holders":
        """The same, for texts that are put into another order, which has the number that each of them had."""
        numbers = np.empty_like(order)
        numbers[order] = np.arange(len(order))
        return Holders(numbers[self.place], self.digests[order])

    def save(self, folder: Path) -> None:
        """Write into a folder what `saved` reads."""
        np.save(folder / "texts.npy", self.place)
        np.save(folder / "digests.npy", self.digests)

    @classmethod
    def saved(cls, folder: Path) -> "Holders":
        """What `save` wrote."""
        return cls(*(np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("texts", "digests")))

    def hits(self, texts: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The documents that hold the found texts, with their scores."""
        counts = (self._starts[1:] - self._starts[:-1])[texts]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return self._documents[np.repeat(self._starts[texts], counts) + within], np.repeat(scores, counts)


def scratch_array(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array in a temporary file, which vanishes with it."""
    if 0 in shape:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype=dtype, mode="w+", shape=shape)


def open_array(path: Path) -> np.ndarray:
    """A saved array, memory-mapped; copy on write, because torch takes no read-only memory."""
    return np.load(path, mmap_mode="c", allow_pickle=False)
