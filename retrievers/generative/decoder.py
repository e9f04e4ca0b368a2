"""A small decoder that predicts an identifier's tokens from an encoder's states."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.errors import BenchError
from retrievers.generative.docids import items_below
from retrievers.generative.options import DecoderOptions
from retrievers.generative.trie import TrieTables

_FEW = 4
"""Times the vocabulary: so many states are multiplied by all, which is faster than to gather each row's own."""


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


class _Layer(nn.Module):
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
    directions: shape [queries, dimension of the encoder]: the mean state, of length 1
    """

    layers: list[KeysValues]
    mask: Tensor
    directions: Tensor


class SharedHead(nn.Module):
    """One output vector for each token of a vocabulary, whatever came before it."""

    def __init__(self, dimension: int, vocabularies: list[int]) -> None:
        super().__init__()
        self.outputs = nn.ModuleList(nn.Linear(dimension, size) for size in vocabularies)
        self.embeddings = nn.ModuleList(nn.Embedding(size, dimension) for size in vocabularies)

    def embed(self, tokens: Tensor, level: int, _states: Tensor) -> Tensor:
        """Shape [..., dimension]: what the decoder reads of the tokens of a level."""
        return self.embeddings[level % len(self.embeddings)](tokens)

    def forward(self, hidden: Tensor, _directions: Tensor, level: int, _states: Tensor) -> Tensor:
        """Logits of shape [..., vocabulary] for the tokens of a level, from hidden states [..., dimension]."""
        return self.outputs[level % len(self.outputs)](hidden)


class PrefixHead(nn.Module):
    """One output vector for each state of the trie, so that what a token means depends on what came before it.

    `vectors`, of shape [states, encoder's dimension], are what they start as, e.g. the clusters' centroids. Then it
    begins as a search for the centroids nearest to the encoder's mean state (20 times the inner product, as
    sentence encoders are trained, and the logarithm of how many items lie below, so that a large cluster is as
    probable as its parts together), and the decoder learns what to add to that state. Without `vectors` it is random.
    """

    def __init__(self, dimension: int, tables: TrieTables, vectors: Tensor | None) -> None:
        super().__init__()
        self.tables = tables
        self.scale = 0.0 if vectors is None else 20.0
        start = torch.randn(tables.trie.states, dimension) * dimension**-0.5 if vectors is None else vectors
        self.project = nn.Linear(dimension, start.shape[1])
        if vectors is not None:
            nn.init.zeros_(self.project.weight)
            nn.init.zeros_(self.project.bias)
        self.vectors = nn.Parameter(start[1:].clone())  # nothing leads to the root
        sizes = torch.from_numpy(items_below(tables.trie)[1:])
        self.bias = nn.Parameter(torch.zeros(len(start) - 1) if vectors is None else sizes.log())
        self.read = nn.Linear(start.shape[1], dimension)

    def embed(self, _tokens: Tensor, _level: int, states: Tensor) -> Tensor:
        """Shape [..., dimension]: what the decoder reads of the prefixes that end in these states."""
        return self.read(self.vectors[(states - 1).clamp(min=0)])

    def forward(self, hidden: Tensor, directions: Tensor, level: int, states: Tensor) -> Tensor:
        """As of the shared head, with -inf for tokens that the states, of shape [...], do not allow.

        `directions` are those of each row's query.
        """
        children = self.tables.children(level, states)
        wanted = self.project(hidden)
        if self.scale:
            wanted = wanted + self.scale * directions
        logits = self._products(wanted, children.states, level).masked_fill(children.states < 0, -torch.inf)
        return children.spread(logits, self.tables.vocabularies[level], -torch.inf)

    def _products(self, wanted: Tensor, nexts: Tensor, level: int) -> Tensor:
        """Shape [..., width]: the wanted vectors times those of the states in `nexts`, of shape [..., width]."""
        first, last = self.tables.level_offsets[level + 1 : level + 3]
        if last - first <= _FEW * nexts.shape[-1]:
            span = slice(first - 1, last - 1)
            products = functional.linear(wanted, self.vectors[span], self.bias[span])
            return products.gather(-1, (nexts - first).clamp(min=0))
        rows = (nexts - 1).clamp(min=0)
        return (self.vectors[rows] @ wanted[..., None])[..., 0] + self.bias[rows]


class Decoder(nn.Module):
    """A transformer decoder whose output vectors belong to a level's tokens, or to the states of a trie.

    The first position sees a learned vector and the mean of the encoder's states, so that without layers the decoder
    is a linear classifier of that mean, which is what atomic identifiers need.

    encoder_dimension: of the encoder's states
    vectors: head=prefix: what its output vectors start as, of shape [states, encoder_dimension]; default: random
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
        vectors: Tensor | None = None,
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
        if vectors is not None and vectors.shape != (tables.trie.states, encoder_dimension):
            raise BenchError(
                f"output vectors of shape {list(vectors.shape)} cannot start a head that needs "
                f"[{tables.trie.states}, {encoder_dimension}]; take the encoder's own vectors"
            )
        self.tables = tables
        vocabularies = tables.vocabularies[:1] if one_vocabulary else tables.vocabularies
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.start = nn.Parameter(torch.randn(options.dimension) * 0.02)
            self.project_mean = nn.Linear(encoder_dimension, options.dimension)
            self.positions = nn.Embedding(tables.levels, options.dimension)
            self.layers: Any = nn.ModuleList(_Layer(options, encoder_dimension) for _ in range(options.layers))
            self.norm = nn.LayerNorm(options.dimension)
            self.dropout = nn.Dropout(options.dropout)
            self.head: SharedHead | PrefixHead = (
                PrefixHead(options.dimension, tables, vectors)
                if options.head == "prefix"
                else SharedHead(options.dimension, vocabularies)
            )

    def forward(self, encoded: Encoded, sequences: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """Cross-entropy of each token given those before it, of shape [queries, levels]; 0 after the end.

        `sequences`, int64 of shape [queries, levels], has -1 after the end; without smoothing the sum of a row is
        minus the log-probability of its identifier. Label smoothing (Szegedy et al. 2016, section 7) spreads a part
        of the target over all tokens that the head can give.
        """
        states = self.tables.paths(sequences)
        tokens = sequences.clamp(min=0).unbind(1)
        inputs = [
            self.first_input(encoded),
            *(self.input_of(tokens[level], level, states[:, level + 1]) for level in range(len(tokens) - 1)),
        ]
        memory = self.look_at(encoded)
        hidden, _ = self.run(torch.stack(inputs, dim=1)[:, None], memory)
        losses = torch.zeros(sequences.shape, device=hidden.device)
        for level, targets in enumerate(sequences.unbind(1)):
            rows = (targets >= 0).nonzero()[:, 0]
            logits = self.head(hidden[rows, 0, level], memory.directions[rows], level, states[rows, level])
            losses[rows, level] = cross_entropy(logits.float(), targets[rows], label_smoothing)
        return losses

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
        directions = functional.normalize(encoded.means(), dim=-1)
        return Memory([layer.to_encoder.look_at(encoded.states) for layer in self.layers], mask, directions)

    def first_input(self, encoded: Encoded) -> Tensor:
        """Shape [queries, dimension]: from which the first token is predicted."""
        return self.start + self.project_mean(encoded.means())

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
        inputs = self._decoder.first_input(self._encoded)[:, None]
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
        return self._decoder.head(hidden[:, :, 0], self._memory.directions[:, None], self._level, self._states)


def cross_entropy(logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """Shape [rows], from logits of shape [rows, vocabulary]; the smoothing spares tokens whose logit is -inf."""
    log_probs = logits.log_softmax(dim=-1)
    losses = -log_probs.gather(-1, targets[:, None])[:, 0]
    if not smoothing:
        return losses
    possible = logits > -torch.inf
    uniform = -log_probs.masked_fill(~possible, 0.0).sum(dim=-1) / possible.sum(dim=-1)
    return torch.lerp(losses, uniform, smoothing)
