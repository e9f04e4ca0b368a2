"""A judge that reads query and document together."""

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.errors import BenchError
from bench.models import ModelOptions, find_weights, open_model
from bench.tasks.judges.base import Judge

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder


class CrossEncoderJudge(Judge):
    """A cross-encoder's raw score (before any activation, which may saturate)."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.name = Path(model).name
        self.label = f"the cross-encoder {model}"

    @cached_property
    def _encoder(self) -> "CrossEncoder":
        from sentence_transformers import CrossEncoder

        self._check()
        encoder = open_model(CrossEncoder, self.model, ModelOptions())
        if encoder.num_labels != 1:
            raise BenchError(
                f"'{self.model}' gives {encoder.num_labels} scores for a pair; choose one that gives one"
            )
        return encoder

    def _check(self) -> None:
        """Raise BenchError for a model without a head of its own, to which the library would add a random one."""
        config = find_weights(self.model).folder / "config.json"
        known = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
        if not any(name.endswith("ForSequenceClassification") for name in known.get("architectures") or []):
            raise BenchError(
                f"'{self.model}' is no cross-encoder: its config.json names no ...ForSequenceClassification; "
                "choose one such as cross-encoder/ms-marco-MiniLM-L6-v2"
            )

    def _score(self, pairs: list[tuple[str, str]]) -> np.ndarray:
        from torch.nn import Identity

        return self._encoder.predict(pairs, activation_fn=Identity(), show_progress_bar=False, convert_to_numpy=True)
