"""Texts of items as segments: what an encoder's lower layers make of each one alone, kept for every use."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.models import ModelOptions
from bench.progress import Progress
from bench.workplace import Workplace
from retrievers.generative.encoders import TextEncoder


class Halves(NamedTuple):
    """An encoder cut in two.

    lower: reads text and ends after so many layers
    upper: the layers behind them, each of BERT's form
    """

    lower: TextEncoder
    upper: nn.ModuleList


def cut(name: str, layers: int, options: ModelOptions) -> Halves:
    """An encoder by path or name, cut behind its first layers; neither half learns.

    Raises BenchError for an encoder that is none of BERT's kind, or that has no layer left behind them.
    """
    whole = TextEncoder.open(name, options)
    model: Any = whole.model.requires_grad_(False)
    stack = getattr(getattr(model, "encoder", None), "layer", None)
    if stack is None or not hasattr(getattr(getattr(stack[0], "attention", None), "self", None), "query"):
        raise BenchError(f"model '{name}' has no layers of BERT's form; choose an encoder of that kind")
    if layers >= len(stack):
        raise BenchError(f"model '{name}' has {len(stack)} layers; set split_layer to {len(stack) - 1} at most")
    model.set_attn_implementation("eager")  # segments are short, and its products can be counted
    upper = stack[layers:]
    model.encoder.layer = stack[:layers]
    model.pooler = None
    return Halves(TextEncoder(whole.model, whole.tokenizer, f"{whole.weights} layers to {layers}"), upper)


class Segments(NamedTuple):
    """Token states of some items, the mark before each text first.

    states: float32 of shape [items, tokens, dimension], zeros after the end
    there: shape [items, tokens], which are tokens
    """

    states: Tensor
    there: Tensor

    def of(self, rows: Tensor) -> "Segments":
        """Those in some rows, shape [*rows, tokens, ...]."""
        return Segments(self.states[rows], self.there[rows])

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.states.nbytes + self.there.nbytes

    def on(self, device: torch.device | str) -> "Segments":
        """The same on a device."""
        return Segments(self.states.to(device), self.there.to(device))


class SegmentTexts:
    """The beginnings of items' texts as the lower half reads them.

    lower: what reads them
    tokens: of each item, without marks
    width: tokens of a segment, marks included, at most
    """

    def __init__(self, lower: TextEncoder, tokens: Sequence[Sequence[int]], width: int) -> None:
        self.tokens = tokens
        self._lower, self._width = lower, width

    def read(self, rows: Tensor) -> Segments:
        """Of the items in rows of any shape, read now; the row behind the last item is none, one empty token."""
        distinct, places = rows.unique(return_inverse=True)
        segments = self._empty(len(distinct))
        known = [self.tokens[row] for row in distinct.tolist() if row < len(self.tokens)]
        if known:
            encoded = self._lower(known)
            some = slice(len(known)), slice(encoded.mask.shape[1])
            segments.states[some], segments.there[some] = encoded
        return segments.of(places)

    def keep(self, workplace: Workplace, progress: Progress) -> Segments:
        """Of all items and of none, read once for all systems that ask."""
        segments = self._empty(len(self.tokens) + 1)

        def take(row: int, states: Tensor) -> None:
            segments.states[row, : len(states)] = states
            segments.there[row, : len(states)] = True

        self._lower.read_once(self.tokens, take, workplace, progress)
        return segments

    def _empty(self, items: int) -> Segments:
        device = self._lower.device
        there = torch.zeros(items, self._width, dtype=torch.bool, device=device)
        there[:, 0] = True
        return Segments(torch.zeros(items, self._width, self._lower.dimension, device=device), there)


def save_segments(segments: Segments, folder: Path) -> None:
    """Write two arrays."""
    np.save(folder / "segment_states.npy", segments.states.cpu().numpy())
    np.save(folder / "segment_tokens.npy", segments.there.cpu().numpy())


def load_segments(folder: Path) -> Segments:
    """Read what `save_segments` wrote."""
    arrays = (np.load(folder / f"segment_{name}.npy", allow_pickle=False) for name in ("states", "tokens"))
    return Segments(*map(torch.from_numpy, arrays))
