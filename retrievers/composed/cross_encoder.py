"""A model that reads a query and a document together."""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import Field, field_validator

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.models import ModelOptions, open_model
from bench.rankings import Rankings
from bench.retriever import Retriever
from retrievers.encoding import check_length, none_or_at_least, refuse_textless

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder as Model


class CrossEncoder(ModelOptions, Retriever):
    """Scores of a cross-encoder (Nogueira and Cho 2019): one pass of the model for each pair of query and document.

    It is meant for the second stage of `rerank`; asked alone it reads every document for every query.
    """

    family = "cross-encoder"

    model: str = Field(description="name on the Hugging Face hub, or folder, of a cross-encoder with one output")
    max_tokens: int = Field(0, ge=0, description="pairs are cut after this many tokens; 0: as the model does")

    _room = field_validator("max_tokens")(none_or_at_least(5))

    @property
    def deterministic(self) -> bool:
        return True

    @cached_property
    def encoder(self) -> "Model":
        """The model, opened on first use. Raises BenchError for one that gives several scores."""
        from sentence_transformers import CrossEncoder as Model

        model = open_model(Model, self.model, self)
        if model.num_labels != 1:
            raise BenchError(
                f"model '{self.model}' gives {model.num_labels} scores for a pair; take one that gives one"
            )
        if self.max_tokens:
            model.max_length = self.max_tokens
        check_length(model, self.model, model.max_length)
        return model

    def fit(self, collection: Collection) -> Self:
        refuse_textless(collection)
        self._texts = list(collection.texts())
        return self

    def score(self, queries: Sequence[Query], rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Logits, in which no order is lost; a pair that is asked twice is read once."""
        pairs = {
            (query.text, self._texts[row]): 0.0
            for query, some in zip(queries, rows, strict=True)
            for row in some.tolist()
        }
        values = self._read(list(pairs))
        known = dict(zip(pairs, values.tolist(), strict=True))
        return [
            np.array([known[query.text, self._texts[row]] for row in some.tolist()])
            for query, some in zip(queries, rows, strict=True)
        ]

    def _read(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """Longest pairs first, some batches at a time, so that progress shows."""
        import torch

        order = sorted(range(len(pairs)), key=lambda place: -len(pairs[place][0]) - len(pairs[place][1]))
        values = np.zeros(len(pairs))
        step = self.encoding_batch * 16
        for start in range(0, len(order), step):
            some = order[start : start + step]
            values[some] = self.encoder.predict(
                [pairs[place] for place in some],
                batch_size=self.encoding_batch,
                show_progress_bar=False,
                activation_fn=torch.nn.Identity(),
            )
            self.progress("reading pairs", start + len(some), len(order))
        return values

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        if not queries:
            return Rankings.from_hits([], [])
        every = np.arange(len(self._texts))
        return Rankings.from_scores(queries, np.stack(self.score(queries, [every] * len(queries))), k)

    def save(self, folder: Path) -> None:
        (folder / "texts.json").write_text(json.dumps(self._texts, ensure_ascii=False), encoding="utf-8")

    def load(self, folder: Path) -> None:
        self._texts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))

    def weights(self) -> list[str]:
        return [self.model]

    def facts(self) -> dict[str, Any]:
        return {"device": str(self.encoder.device), "max_tokens": self.encoder.max_length}
