"""A small decoder that predicts an identifier's tokens from an encoder's states."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.errors import BenchError
from retrievers.generative.heads import (
    AdditiveHead,
    AnyHead,
    Asked,
    Codebooks,
    PrefixAdaptiveHead,
    PrefixHead,
    SharedHead,
    Start,
)
from retrievers.generative.losses import SoftTargets, token_losses
from retrievers.generative.options import DecoderOptions
from retrievers.generative.trie import TrieTables


class Encoded(NamedTuple):
    """What an encoder says about a batch of queries.

    states: shape [queries, length, dimension]
    mask: shape [queries, length], bool; False for padding
    """

    states: Tensor
    mask: Tensor

    def means(self) -> Tensor:
        """Shape [queries, dimension]: the mean of each query's states."""
        weights = self.mask[..., None].to(self.states.dtype)
        return (self.states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)

    def repeated(self, times: int) -> "Encoded":
        """Each query so many times, one after the other."""
        return Encoded(self.states.repeat_interleave(times, dim=0), self.mask.repeat_interleave(times, dim=0))


class KeysValues(NamedTuple):
    """What attention looks at; both of shape [rows, heads, length, dimension]."""

    keys: Tensor
    values: Tensor


class _Attention(nn.Module):
    def __init__(self, dimension: int, heads: int, source_dimension: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(dimension, dimension)
        self.keys_values = nn.Linear(source_dimension, 2 * dimension)
        self.output = nn.Linear(dimension, dimension)

    def look_at(self, source: Tensor) -> KeysValues:
        return KeysValues(*map(self._split, self.keys_values(source).chunk(2, dim=-1)))

    def forward(self, x: Tensor, seen: KeysValues, mask: Tensor | None = None, causal: bool = False) -> Tensor:
        query = self._split(self.query(x))
        found = functional.scaled_dot_product_attention(query, *seen, attn_mask=mask, is_causal=causal)
        return self.output(found.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Layer(nn.Module):
    """Self-attention, attention to the encoder, feed-forward; normalised before each (Xiong et al. 2020)."""

    def __init__(self, options: DecoderOptions, encoder_dimension: int) -> None:
        super().__init__()
        dimension = options.dimension
        self.norms = nn.ModuleList(nn.LayerNorm(dimension) for _ in range(3))
        self.to_itself = _Attention(dimension, options.heads, dimension)
        self.to_encoder = _Attention(dimension, options.heads, encoder_dimension)
        self.feed_forward = nn.Sequential(
            nn.Linear(dimension, options.feed_forward), nn.GELU(), nn.Linear(options.feed_forward, dimension)
        )
        self.dropout = nn.Dropout(options.dropout)

    def forward(
        self, x: Tensor, encoded: KeysValues, mask: Tensor, past: KeysValues | None
    ) -> tuple[Tensor, KeysValues]:
        """`x` is of shape [queries, beams, length, dimension]; a query's beams look at the same encoder states."""
        length = x.shape[2]
        y = self.norms[0](x).flatten(0, 1)
        seen = self.to_itself.look_at(y)
        if past is not None:
            seen = KeysValues(*(torch.cat(pair, dim=2) for pair in zip(past, seen, strict=True)))
        x = x + self.dropout(self.to_itself(y, seen, causal=length > 1).view_as(x))
        y = self.norms[1](x).flatten(1, 2)
        x = x + self.dropout(self.to_encoder(y, encoded, mask).view_as(x))
        return x + self.dropout(self.feed_forward(self.norms[2](x))), seen


class Memory(NamedTuple):
    """The encoder's states as the decoder sees them, once for all beams and steps.

    layers: the keys and values of each layer's attention
    mask: shape [queries, 1, 1, length]
    means: shape [queries, dimension], of the encoder's states
    asked: what the head takes from the query itself, the mean state of length 1
    """

    layers: list[KeysValues]
    mask: Tensor
    means: Tensor
    asked: Asked | None


class Decoder(nn.Module):
    """A transformer decoder whose output vectors belong to a level's tokens, or to the states of a trie.

    The first position sees a learned vector and the mean of the encoder's states, so that without layers the decoder
    is a linear classifier of that mean, which is what atomic identifiers need.

    encoder_dimension: of the encoder's states
    start: head=prefix: what its output vectors, of the encoder's dimension, start as; default: random
    one_vocabulary: all levels speak of the same tokens (text) and share their vectors
    seed: of all weights

    Raises BenchError if the options do not fit each other.
    """

    def __init__(
        self,
        options: DecoderOptions,
        tables: TrieTables,
        encoder_dimension: int,
        *,
        start: Start | Codebooks | None = None,
        one_vocabulary: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if options.dimension % options.heads:
            raise BenchError(
                f"heads={options.heads} does not divide dimension={options.dimension}; take one that does"
            )
        if not options.layers and tables.levels > 1:
            raise BenchError(f"layers=0 fits identifiers of one token, not of {tables.levels}; take layers=1 or more")
        self.tables = tables
        vocabularies = tables.vocabularies[:1] if one_vocabulary else tables.vocabularies
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.start = nn.Parameter(torch.randn(options.dimension) * 0.02)
            self.project_mean = nn.Linear(encoder_dimension, options.dimension)
            self.positions = nn.Embedding(tables.levels, options.dimension)
            self.layers: Any = nn.ModuleList(Layer(options, encoder_dimension) for _ in range(options.layers))
            self.norm = nn.LayerNorm(options.dimension)
            self.dropout = nn.Dropout(options.dropout)
            self.head = _head(options, tables, vocabularies, encoder_dimension, start)

    def forward(
        self, encoded: Encoded, sequences: Tensor, label_smoothing: float = 0.0, soft: SoftTargets | None = None
    ) -> Tensor:
        """Cross-entropy of each token given those before it, of shape [queries, levels]; 0 after the end.

        `sequences`, int64 of shape [queries, levels], has -1 after the end; without smoothing the sum of a row is
        minus the log-probability of its identifier. Label smoothing (Szegedy et al. 2016, section 7) spreads a part
        of the target over all tokens that the head can give. `soft` targets take a share of the loss.
        """
        memory = self.look_at(encoded)
        hidden, states = (one[:, 0] for one in self._taught(memory, sequences[:, None]))
        losses = torch.zeros(sequences.shape, device=hidden.device)
        for level, targets in enumerate(sequences.unbind(1)):
            rows = (targets >= 0).nonzero()[:, 0]
            asked = None if memory.asked is None else memory.asked.of(rows)
            logits = self.head(hidden[rows, level], asked, level, states[rows, level])
            wanted = None if soft is None else soft.after(self.tables, level, rows, states[rows, level])
            losses[rows, level] = token_losses(logits.float(), targets[rows], label_smoothing, wanted)
        return losses

    def scores(self, encoded: Encoded, sequences: Tensor) -> Tensor:
        """The logit of each token given those before it, of the shape of `sequences`; 0 after the end.

        `sequences`, int64 of shape [queries, documents, levels], has -1 after the end.
        """
        memory = self.look_at(encoded)
        hidden, states = self._taught(memory, sequences)
        found = []
        for level, tokens in enumerate(sequences.unbind(-1)):
            logits = self.head(hidden[:, :, level], memory.asked, level, states[:, :, level])
            chosen = logits.gather(-1, tokens.clamp(min=0)[..., None])[..., 0]
            found.append(chosen.masked_fill(tokens < 0, 0.0))
        return torch.stack(found, dim=-1)

    def _taught(self, memory: Memory, sequences: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden states from which each token is predicted, given those before it, and the trie's states there.

        Of shape [queries, documents, levels, dimension] and [queries, documents, levels + 1], for `sequences` of
        shape [queries, documents, levels].
        """
        states = self.tables.paths(sequences.flatten(0, 1)).unflatten(0, sequences.shape[:2])
        tokens = sequences.clamp(min=0).unbind(-1)
        inputs = [
            self.first_input(memory)[:, None].expand(-1, sequences.shape[1], -1),
            *(self.input_of(tokens[level], level, states[..., level + 1]) for level in range(len(tokens) - 1)),
        ]
        return self.run(torch.stack(inputs, dim=2), memory)[0], states

    def loss(self, encoded: Encoded, sequences: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """The mean of `forward` over all tokens."""
        return self(encoded, sequences, label_smoothing).sum() / (sequences >= 0).sum()

    def stepper(self, encoded: Encoded) -> "DecoderStepper":
        """The decoder on a batch of queries, for the beam search. Call `eval()` first."""
        return DecoderStepper(self, encoded)

    def look_at(self, encoded: Encoded) -> Memory:
        """What is computed from the encoder's states alone."""
        nothing = encoded.mask.any(dim=1, keepdim=True).logical_not()
        mask = (encoded.mask | nothing)[:, None, None]  # softmax over no state would be NaN
        means = encoded.means()
        asked = self.head.ask(functional.normalize(means, dim=-1))
        return Memory([layer.to_encoder.look_at(encoded.states) for layer in self.layers], mask, means, asked)

    def first_input(self, memory: Memory) -> Tensor:
        """Shape [queries, dimension]: from which the first token is predicted."""
        return self.start + self.project_mean(memory.means)

    def input_of(self, tokens: Tensor, level: int, states: Tensor) -> Tensor:
        """Shape [..., dimension]: from which the next token is predicted; `tokens`, of `level`, led to `states`."""
        return self.head.embed(tokens, level, states) + self.positions.weight[level]

    def run(
        self, inputs: Tensor, memory: Memory, past: Sequence[KeysValues] | None = None
    ) -> tuple[Tensor, list[KeysValues]]:
        """Hidden states for inputs of shape [queries, beams, length, dimension], and what later positions may see.

        `past` is that of the positions before, one for each layer, with rows for [queries * beams].
        """
        x, seen = self.dropout(inputs), []
        for position, layer in enumerate(self.layers):
            x, layer_seen = layer(x, memory.layers[position], memory.mask, past[position] if past else None)
            seen.append(layer_seen)
        return self.norm(x), seen


class DecoderStepper:
    """A decoder in the middle of a beam search; it remembers the keys and values of each beam's own tokens only."""

    def __init__(self, decoder: Decoder, encoded: Encoded) -> None:
        self._decoder = decoder
        self._encoded = encoded

    def start(self) -> Tensor:
        """Logits of the first token, of shape [queries, vocabulary]."""
        self._memory = self._decoder.look_at(self._encoded)
        self._level = 0
        self._seen: list[KeysValues] | None = None
        inputs = self._decoder.first_input(self._memory)[:, None]
        self._states = torch.zeros(inputs.shape[:2], dtype=torch.long, device=inputs.device)
        return self._logits(inputs)[:, 0]

    def step(self, tokens: Tensor, parents: Tensor) -> Tensor:
        """Logits of the token after `tokens`, of shape [queries, beams, vocabulary]."""
        queries, before = self._states.shape
        rows = (torch.arange(queries, device=parents.device)[:, None] * before + parents).flatten()
        self._seen = [KeysValues(seen.keys[rows], seen.values[rows]) for seen in self._seen or ()]
        self._states = self._decoder.tables.advance(self._states.gather(1, parents), tokens)
        inputs = self._decoder.input_of(tokens, self._level, self._states)
        self._level += 1
        return self._logits(inputs)

    def _logits(self, inputs: Tensor) -> Tensor:
        hidden, self._seen = self._decoder.run(inputs[:, :, None], self._memory, self._seen)
        return self._decoder.head(hidden[:, :, 0], self._memory.asked, self._level, self._states)


def _head(
    options: DecoderOptions,
    tables: TrieTables,
    vocabularies: list[int],
    encoder_dimension: int,
    start: Start | Codebooks | None,
) -> AnyHead:
    """Raises BenchError where a start is not of the encoder's dimension, or another trie's."""
    if options.head == "prefix-adaptive":
        return PrefixAdaptiveHead(options.dimension, tables, vocabularies, encoder_dimension)
    if options.head == "additive":
        assert start is None or isinstance(start, Codebooks)
        return AdditiveHead(options.dimension, vocabularies, start)
    if options.head == "shared":
        return SharedHead(options.dimension, vocabularies)
    assert start is None or isinstance(start, Start)
    if start is not None and start.vectors.shape != (tables.trie.states, encoder_dimension):
        raise BenchError(
            f"output vectors of shape {list(start.vectors.shape)} cannot start a head that needs "
            f"[{tables.trie.states}, {encoder_dimension}]; take the encoder's own vectors"
        )
    return PrefixHead(options.dimension, tables, start)
