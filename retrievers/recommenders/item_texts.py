"""What recommenders share that read the text of the items."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection
from bench.digests import digest_data
from bench.models import MINILM, ModelOptions, find_weights
from bench.retriever import Retriever
from bench.token_states import reading_once
from retrievers.encoding import refuse_textless

if TYPE_CHECKING:
    from retrievers.dense.sbert import SBERT


class Described(NamedTuple):
    """The two parts of an item's text; either may be empty."""

    title: str
    description: str


def described(collection: Collection) -> list[Described]:
    """What the collection's rules give to read of each item, in two parts.

    Where a text has no title, its first line is one. A description does not repeat the title that it begins with.
    """
    read = collection.rules.text
    parts = []
    for document in collection.documents:
        title = document.title.strip() if "{title}" in read else ""
        body = document.body.strip() if "{text}" in read else ""
        if not title:
            title, _, body = body.partition("\n")
        parts.append(Described(title.strip(), _without_beginning(body.strip(), title.strip())))
    return parts


def _without_beginning(text: str, title: str) -> str:
    """The text without the title at its beginning, unless that is only a part of its first word."""
    rest = text.removeprefix(title)
    return text if rest[:1].isalnum() else rest.strip()


class ItemReader(ModelOptions, Retriever):
    """A recommender that reads the items' text with a sentence encoder, which it leaves as it is."""

    model: str = Field(MINILM, description="name or folder of the sentence encoder that reads the items' text")

    def weights(self) -> list[str]:
        return [self.model]

    def item_vectors(self, collection: Collection) -> np.ndarray:
        """Float32 of shape [items, dimension]: what the encoder makes of each text; zeros where there is none.

        Made once for all systems that ask. Raises BenchError where no item has any text.
        """
        refuse_textless(collection)
        folder = self.workplace.shared(
            {"item vectors": find_weights(self.model).digest, "of": collection.fingerprint, "at": self.precision},
            lambda folder: self._write_vectors(collection, folder),
        )
        return np.load(folder / "vectors.npy", allow_pickle=False)

    def text_vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Float32 of shape [texts, dimension], of length 1; made once for all systems that ask for the same texts."""
        folder = self.workplace.shared(
            {"text vectors": find_weights(self.model).digest, "of": digest_data(list(texts)), "at": self.precision},
            lambda folder: np.save(folder / "vectors.npy", self.encode(texts)),
        )
        return np.load(folder / "vectors.npy", allow_pickle=False)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """The same, made now."""
        return self._encoder.embed(texts)

    @cached_property
    def _encoder(self) -> "SBERT":
        from retrievers.dense.sbert import SBERT

        return SBERT(
            model=self.model, device=self.device, precision=self.precision, encoding_batch=self.encoding_batch
        )

    def _write_vectors(self, collection: Collection, folder: Path) -> None:
        texts = collection.texts()
        with reading_once(self._encoder.encoder, self.model, list(texts), "", self.workplace, self.progress):
            vectors = self.encode(texts)
        vectors[[not text.strip() for text in texts]] = 0
        np.save(folder / "vectors.npy", vectors)
