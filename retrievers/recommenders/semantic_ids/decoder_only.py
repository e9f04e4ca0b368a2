"""One causal transformer over the history and what is written (Ju et al. 2025, GRID, arXiv 2507.22224)."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from retrievers.generative.beam import Stepper
from retrievers.generative.heads import PrefixHead, SharedHead
from retrievers.generative.losses import token_losses
from retrievers.generative.options import DecoderOptions
from retrievers.recommenders.semantic_ids.sequence_model import History, SequenceModel, Shape


class _Seen(NamedTuple):
    """Keys and values of the positions so far, of shape [..., heads, positions, dimension of a head]."""

    keys: Tensor
    values: Tensor


class _Layer(nn.Module):
    """Self-attention and feed-forward, normalised before each (Xiong et al. 2020)."""

    def __init__(self, options: DecoderOptions) -> None:
        super().__init__()
        self.heads = options.heads
        self.norms = nn.ModuleList(nn.LayerNorm(options.dimension) for _ in range(2))
        self.project = nn.Linear(options.dimension, 3 * options.dimension)
        self.output = nn.Linear(options.dimension, options.dimension)
        self.feed_forward = nn.Sequential(
            nn.Linear(options.dimension, options.feed_forward),
            nn.GELU(),
            nn.Linear(options.feed_forward, options.dimension),
        )
        self.dropout = nn.Dropout(options.dropout)

    def split(self, x: Tensor) -> tuple[Tensor, _Seen]:
        """Queries, keys and values of shape [..., heads, positions, dimension of a head]."""
        parts = self.project(self.norms[0](x)).unflatten(-1, (3, self.heads, -1)).transpose(-2, -4)
        queries, keys, values = parts.unbind(-3)
        return queries, _Seen(keys, values)

    def finish(self, x: Tensor, found: Tensor) -> Tensor:
        """Join what attention found, of the queries' shape, to x."""
        x = x + self.dropout(self.output(found.transpose(-2, -3).flatten(-2)))
        return x + self.dropout(self.feed_forward(self.norms[1](x)))


class DecoderOnly(SequenceModel):
    """One causal transformer over the user's vector, the codes of the history, and those that are written.

    Every code of a window is learned from those before it, in one pass; with `last_only` those of its last item.
    Attention knows how many items lie between two codes (Raffel et al. 2020, section 2.1), not where a window begins,
    so that a history may be longer than any that was learned.
    """

    def __init__(self, shape: Shape, *, last_only: bool, seed: int) -> None:
        options = shape.options
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            super().__init__(shape)
            self.head: SharedHead | PrefixHead = (
                PrefixHead(options.dimension, shape.tables, None)
                if options.head == "prefix"
                else SharedHead(options.dimension, shape.tables.vocabularies)
            )
            self.layers: Any = nn.ModuleList(_Layer(options) for _ in range(options.layers))
            self.norm = nn.LayerNorm(options.dimension)
            self.distances = nn.Embedding(shape.longest + 2, options.heads)
            nn.init.zeros_(self.distances.weight)
        self.dropout = nn.Dropout(options.dropout)
        self._last_only = last_only

    def loss(self, history: History, label_smoothing: float) -> Tensor:
        hidden, _, _ = self.run(history)
        users, items = self.learned_places(history.rows)
        return self.code_loss(hidden, history.rows, (users, items), label_smoothing)

    def learned_places(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The user and the place of each item that is learned from those before it."""
        learned = rows >= 0
        lengths = learned.sum(dim=1, keepdim=True)
        learned &= torch.arange(rows.shape[1], device=rows.device) >= (lengths - 1 if self._last_only else 1)
        users, items = learned.nonzero(as_tuple=True)
        return users, items

    def code_loss(
        self, hidden: Tensor, rows: Tensor, places: tuple[Tensor, Tensor], label_smoothing: float
    ) -> Tensor:
        """The mean cross-entropy of the codes of the items at some places."""
        (users, items), levels = places, self.codes.shape[1]
        wanted = rows[users, items]
        total = hidden.new_zeros(())
        for level in range(levels):
            there = self.there[wanted, level]
            before = self.last_before(rows, users, items) if not level else 1 + items * levels + level - 1
            state = self.states[wanted, level - 1] if level else torch.zeros_like(wanted)
            logits = self.head(hidden[users, before][there], None, level, state[there])
            total = total + token_losses(logits.float(), self.codes[wanted, level][there], label_smoothing).sum()
        return total / self.there[wanted].sum()

    def last_before(self, rows: Tensor, users: Tensor, items: Tensor) -> Tensor:
        """The position of the last code before each item; before the first one it is the vector at position 0."""
        return self.last_positions(rows)[users, items - 1].masked_fill(items == 0, 0)

    def last_positions(self, rows: Tensor) -> Tensor:
        """Shape [users, items]: the position of each item's last code; what `first` gives is position 0."""
        ends = self.there[rows.clamp(min=0)].sum(dim=-1)
        return torch.arange(rows.shape[1], device=rows.device) * self.codes.shape[1] + ends

    def run(self, history: History) -> tuple[Tensor, list[_Seen], Tensor]:
        """Hidden states [users, positions, dimension], what later positions may see of each layer, and the mask."""
        vectors, there = self.embedded(self.head, history.rows)
        x = self.dropout(torch.cat([self.first(history)[:, None], vectors.flatten(1, 2)], dim=1))
        mask = torch.cat([torch.ones_like(there[:, 0, :1]), there.flatten(1, 2)], dim=1)
        items = self.items_of(mask.shape[1])
        bias = self.bias(items[:, None] - items).movedim(-1, 0)
        causal = torch.ones(bias.shape[1:], dtype=torch.bool, device=x.device).tril()
        allowed = bias.masked_fill(~(causal & mask[:, None, None]), -torch.inf)
        seen = []
        for layer in self.layers:
            queries, own = layer.split(x)
            x = layer.finish(
                x, functional.scaled_dot_product_attention(queries, own.keys, own.values, attn_mask=allowed)
            )
            seen.append(own)
        return self.norm(x), seen, mask

    def first(self, history: History) -> Tensor:
        """What stands before all items: the user's vector, of shape [users, dimension]."""
        users: Tensor = self.users(history.users)
        return users

    def items_of(self, positions: int) -> Tensor:
        """Shape [positions]: the number of the item that each is of; the user's vector is far before all."""
        items = (torch.arange(positions, device=self.codes.device) - 1) // self.codes.shape[1]
        return items.masked_fill(items < 0, -2 * self.longest)

    def bias(self, distances: Tensor) -> Tensor:
        """Shape [..., heads]: what attention adds for so many items between; beyond the longest is the user."""
        return self.distances(distances.clamp(0, self.longest + 1))

    def stepper(self, history: History) -> Stepper:
        return DecoderOnlyStepper(self, history)


class DecoderOnlyStepper:
    """A decoder-only model in the middle of a beam search: a query's beams look at one copy of its history."""

    def __init__(self, model: DecoderOnly, history: History) -> None:
        self._model = model
        self._history = history

    def start(self) -> Tensor:
        model, rows = self._model, self._history.rows
        hidden, self._past, mask = model.run(self._history)
        lengths = (rows >= 0).sum(dim=1)
        users = torch.arange(len(rows), device=rows.device)
        last = model.last_before(rows, users, lengths)
        away = lengths[:, None] - model.items_of(hidden.shape[1])
        self._bias = model.bias(away).movedim(-1, 1).masked_fill(~mask[:, None], -torch.inf)
        self._own: list[_Seen] | None = None
        self._level = 0
        self._states = torch.zeros(len(rows), 1, dtype=torch.long, device=rows.device)
        return model.head(hidden[users, last], None, 0, self._states[:, 0])

    def step(self, tokens: Tensor, parents: Tensor) -> Tensor:
        model = self._model
        self._states = model.tables.advance(self._states.gather(1, parents), tokens)
        x = model.head.embed(tokens, self._level, self._states.clamp(min=0))
        kept = []
        for number, layer in enumerate(model.layers):
            queries, new = layer.split(x[:, :, None])
            if self._own is not None:
                before = (self._chosen(part, parents) for part in self._own[number])
                new = _Seen(*(torch.cat(pair, dim=3) for pair in zip(before, new, strict=True)))
            kept.append(new)
            found = _attend(queries[..., 0, :], self._past[number], self._bias, new, model.distances.weight[0])
            x = layer.finish(x[:, :, None], found[..., None, :])[:, :, 0]
        self._own = kept
        self._level += 1
        return model.head(model.norm(x), None, self._level, self._states)

    @staticmethod
    def _chosen(part: Tensor, parents: Tensor) -> Tensor:
        return part.gather(1, parents[(..., *[None] * (part.dim() - 2))].expand(-1, -1, *part.shape[2:]))


def _attend(queries: Tensor, past: _Seen, past_bias: Tensor, own: _Seen, own_bias: Tensor) -> Tensor:
    """What each beam finds in its query's history and its own codes, of the shape of `queries`.

    queries: shape [users, beams, heads, dimension of a head]
    past: of shape [users, heads, positions, ...], with a bias of shape [users, heads, positions]
    own: of shape [users, beams, heads, codes so far, ...], with a bias of shape [heads]
    """
    queries = queries * queries.shape[-1] ** -0.5
    of_past = torch.einsum("ubhd,uhpd->ubhp", queries, past.keys) + past_bias[:, None]
    of_own = torch.einsum("ubhd,ubhcd->ubhc", queries, own.keys) + own_bias[:, None]
    weights = torch.cat([of_past, of_own], dim=-1).softmax(dim=-1)
    in_past, in_own = weights.split([of_past.shape[-1], of_own.shape[-1]], dim=-1)
    found = torch.einsum("ubhp,uhpd->ubhd", in_past, past.values)
    return found + torch.einsum("ubhc,ubhcd->ubhd", in_own, own.values)
