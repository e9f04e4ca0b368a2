"""Encoder-decoder models of Hugging Face as steppers of the beam search."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, DynamicCache, EncoderDecoderCache, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

_SHARED = "shared_by_beams"


def _attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    """Attention of one position per beam, where a query's beams may share its keys and values.

    Beams of shape [queries * beams, heads, 1, dimension] meet keys of shape [queries, heads, length, dimension] as if
    they were positions of one text.
    """
    if len(query) == len(key):
        return sdpa_attention_forward(module, query, key, value, mask, **options)
    rows, heads, _, dimension = query.shape
    beams = query.view(len(key), -1, heads, dimension).transpose(1, 2)
    output, _ = sdpa_attention_forward(module, beams, key, value, mask, **options)
    return output.reshape(rows, 1, heads, dimension), None


AttentionInterface.register(_SHARED, _attend)


class HuggingFaceStepper:
    """An encoder-decoder model, e.g. T5, on one batch of queries.

    The encoder runs once, and all beams of a query share its states and their keys and values in every layer. Use it
    under `torch.no_grad()` with a model in `eval()`.
    """

    def __init__(self, model: PreTrainedModel, input_ids: Tensor, attention_mask: Tensor) -> None:
        self._model = model
        self._mask = attention_mask.bool()[:, None, None]
        self._encoded = model.get_encoder()(input_ids=input_ids, attention_mask=attention_mask)
        self._cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        self._beams = 1

    def start(self) -> Tensor:
        start = torch.full_like(self._mask[:, 0, 0, :1], self._model.config.decoder_start_token_id, dtype=torch.long)
        return self._forward(start)

    def step(self, tokens: Tensor, parents: Tensor) -> Tensor:
        queries, beams = tokens.shape
        first = torch.arange(queries, device=tokens.device)[:, None] * self._beams
        self._cache.self_attention_cache.batch_select_indices((first + parents).flatten())
        self._beams = beams
        return self._forward(tokens.reshape(-1, 1)).view(queries, beams, -1)

    def _forward(self, tokens: Tensor) -> Tensor:
        with _shared_attention(self._model):
            output = self._model(
                encoder_outputs=self._encoded,
                attention_mask=self._mask,
                decoder_input_ids=tokens,
                past_key_values=self._cache,
                use_cache=True,
            )
        return output.logits[:, -1]


@contextmanager
def _shared_attention(model: PreTrainedModel) -> Iterator[None]:
    """Let the decoder attend as above while the block runs."""
    config = model.get_decoder().config
    before = config._attn_implementation
    config._attn_implementation = _SHARED
    try:
        yield
    finally:
        config._attn_implementation = before
