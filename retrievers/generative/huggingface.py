"""Encoder-decoder models of Hugging Face as steppers of the beam search."""

import copy
from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AttentionInterface, DynamicCache, EncoderDecoderCache, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.modeling_outputs import BaseModelOutput

from retrievers.generative.beam import Projection
from retrievers.generative.decoder import Encoded
from retrievers.generative.losses import SoftTargets, token_losses
from retrievers.generative.trie import TrieTables

_SHARED = "shared_by_beams"
_FINAL_BIAS = "final_logits_bias"
"""A buffer of BART and its kin, of shape [1, vocabulary], which they add to the head's logits."""


def _attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    """Attention of one position per beam, where a query's beams may share its keys and values.

    Beams of shape [queries * beams, heads, 1, dimension] meet keys of shape [queries, heads, length, dimension] as if
    they were positions of one text.
    """
    if len(query) == len(key):
        plain = mask is None and query.shape[1:3] == (key.shape[1], 1) and options.get("softcap") is None
        return (_attend_to_few if plain else sdpa_attention_forward)(module, query, key, value, mask, **options)
    rows, heads, _, dimension = query.shape
    beams = query.view(len(key), -1, heads, dimension).transpose(1, 2)
    output, _ = sdpa_attention_forward(module, beams, key, value, mask, **options)
    return output.reshape(rows, 1, heads, dimension), None


def _attend_to_few(
    _module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    _mask: Tensor | None,
    *,
    scaling: float,
    position_bias: Tensor | None = None,
    **_options: Any,
) -> tuple[Tensor, None]:
    """Attention of each row to the few tokens of its own: a product of thousands of tiny matrices, faster as sums."""
    logits = (query * key).sum(dim=-1) * scaling
    if position_bias is not None:
        logits = logits + position_bias[:, :, 0]
    weights = logits.float().softmax(dim=-1).to(value.dtype)
    return (weights[..., None] * value).sum(dim=2)[:, None], None


AttentionInterface.register(_SHARED, _attend)


@torch.no_grad()
def _add_tokens(model: PreTrainedModel, own: int, tokens: int) -> None:
    """Give the model vectors for so many tokens, those after its `own` anew and as far apart as these are.

    The library would start all new ones at the old ones' mean, and they part only after thousands of updates.
    """
    model.resize_token_embeddings(tokens, mean_resizing=False)
    ends: list[Any] = [model.get_input_embeddings(), model.get_output_embeddings()]
    for weight in {id(end.weight): end.weight for end in ends}.values():
        weight[own:].normal_(std=float(weight[:own].std()))


class HuggingFaceDecoder(nn.Module):
    """The decoder of an encoder-decoder model, e.g. T5, as a model of identifiers.

    own: how many tokens the model came with
    words: those of them that the identifiers are made of, where they are text; without them each level gets
        new tokens, whose vectors start at random, as long as the old ones

    The probabilities of a level are over its own tokens alone.

    columns: for each level the model's tokens that its tokens are
    """

    def __init__(
        self, model: PreTrainedModel, own: int, tables: TrieTables, words: Sequence[int] | None, seed: int = 0
    ) -> None:
        super().__init__()
        self._tables = tables
        self._model = [model]  # its parameters belong to whoever holds the encoder too
        if words is None:
            ends = np.cumsum([own, *tables.vocabularies])
            columns = [torch.arange(start, end) for start, end in pairwise(ends.tolist())]
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                _add_tokens(model, own, int(ends[-1]))
        else:
            columns = [torch.tensor(words)] * tables.levels
        self.columns = [column.to(model.device) for column in columns]
        self._for_beams = BeamModel(model, self.columns)

    def forward(
        self, encoded: Encoded, sequences: Tensor, label_smoothing: float = 0.0, soft: SoftTargets | None = None
    ) -> Tensor:
        """As `Decoder.forward`."""
        model = self._model[0]
        states = self._tables.paths(sequences)
        tokens = [column[level.clamp(min=0)] for column, level in zip(self.columns, sequences.T, strict=False)]
        start = torch.full_like(tokens[0], model.config.decoder_start_token_id)
        output = model(
            encoder_outputs=BaseModelOutput(encoded.states.to(model.dtype)),
            attention_mask=encoded.mask.long(),
            decoder_input_ids=torch.stack([start, *tokens[:-1]], dim=1),
        )
        losses = torch.zeros(sequences.shape, device=sequences.device)
        for level, (column, targets) in enumerate(zip(self.columns, sequences.unbind(1), strict=False)):
            rows = (targets >= 0).nonzero()[:, 0]
            logits = output.logits[rows, level][:, column].float()
            wanted = None if soft is None else soft.after(self._tables, level, rows, states[rows, level])
            losses[rows, level] = token_losses(logits, targets[rows], label_smoothing, wanted)
        return losses

    def stepper(self, encoded: Encoded) -> "HuggingFaceStepper":
        """The decoder on a batch of queries, for the beam search."""
        return HuggingFaceStepper(self._for_beams, encoded)


def encode(model: PreTrainedModel, input_ids: Tensor, attention_mask: Tensor) -> Encoded:
    """The states of tokens of shape [queries, length]."""
    states = model.get_encoder()(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
    return Encoded(states, attention_mask.bool())


class ColumnsHead(nn.Module):
    """What ends a model: the logits of some of its tokens, its biases included, or the states from which they come.

    columns: for each level the model's own tokens that its tokens stand for; without them all of the model's
    """

    def __init__(self, model: PreTrainedModel, columns: Sequence[Tensor] | None) -> None:
        super().__init__()
        self._head, self._columns = [model.get_output_embeddings()], columns  # in a list: no submodule
        final = dict(model.named_buffers()).get(_FINAL_BIAS)
        self._biases = [bias for bias in (self._head[0].bias, final) if bias is not None]
        self.level = 0
        self.applied = True

    def map(self) -> tuple[Tensor, Tensor | None]:
        """Weight and bias of the level, as they are now."""
        some: Any = slice(None) if self._columns is None else self._columns[self.level]
        bias = torch.stack([bias.flatten() for bias in self._biases]).sum(dim=0)[some] if self._biases else None
        return self._head[0].weight.data[some], bias

    def forward(self, hidden: Tensor) -> Tensor:
        if not self.applied:
            return hidden
        logits = functional.linear(hidden, *self.map())
        self.logits = logits[:, -1]
        return logits


class BeamModel:
    """An encoder-decoder model, e.g. T5, as beams use it: modules of its own around the same weights.

    Its attention lets a query's beams share keys and values, and it ends in a `ColumnsHead`. The model that it is
    made of is left as it is, and what that learns later is seen here.
    """

    def __init__(self, model: PreTrainedModel, columns: Sequence[Tensor] | None = None) -> None:
        self.columns = columns
        self.head = ColumnsHead(model, columns)
        same = {id(weight): weight for weight in chain(model.parameters(), model.buffers())}
        self.model = copy.deepcopy(model, same).eval()
        self.model.get_decoder().config._attn_implementation = _SHARED
        self.model.set_output_embeddings(self.head)
        if _FINAL_BIAS in dict(model.named_buffers()):
            self.model.register_buffer(_FINAL_BIAS, torch.zeros(1, 1, device=model.device, dtype=model.dtype))


class HuggingFaceStepper:
    """An encoder-decoder model on one batch of queries.

    All beams of a query share the encoder's states and their keys and values in every layer. Use it under
    `torch.no_grad()`. With the model's columns, token t of level l is the model's token columns[l][t].
    """

    def __init__(self, model: BeamModel, encoded: Encoded) -> None:
        self._model, self._head, self._columns = model.model, model.head, model.columns
        self._mask = encoded.mask[:, None, None]
        self._encoded = BaseModelOutput(encoded.states.to(self._model.dtype))
        self._cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        self._beams = 1
        self._level = 0

    def start(self) -> Tensor:
        start = torch.full_like(self._mask[:, 0, 0, :1], self._model.config.decoder_start_token_id, dtype=torch.long)
        logits = self._forward(start, applied=True)
        self._ends_in_head = torch.equal(logits, self._head.logits)
        return logits

    def step(self, tokens: Tensor, parents: Tensor) -> Tensor | Projection:
        queries, beams = tokens.shape
        first = torch.arange(queries, device=tokens.device)[:, None] * self._beams
        rows: Any = (first + parents).flatten()  # a LongTensor, which type checkers do not see
        self._cache.self_attention_cache.reorder_cache(rows)
        self._beams = beams
        tokens = tokens if self._columns is None else self._columns[self._level][tokens]
        self._level += 1
        output = self._forward(tokens.reshape(-1, 1), applied=not self._ends_in_head).view(queries, beams, -1)
        return Projection(output, *self._head.map()) if self._ends_in_head else output

    def _forward(self, tokens: Tensor, *, applied: bool) -> Tensor:
        """The logits of the level, or the states that give them where the head is not applied."""
        self._head.level, self._head.applied = self._level, applied
        output: Tensor = self._model(
            encoder_outputs=self._encoded,
            attention_mask=self._mask,
            decoder_input_ids=tokens,
            past_key_values=self._cache,
            use_cache=True,
        ).logits
        return output[:, -1]
