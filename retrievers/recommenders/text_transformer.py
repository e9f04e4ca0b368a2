"""Networks that read items as text, one in small, and how they are trained (Li et al. 2023, arXiv 2305.13731)."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from retrievers.learning.trainer import Batch, Learner, Plan
from retrievers.recommenders.item_tokens import MASK, PADDING, VALUE, Flat, ItemTokens
from retrievers.recommenders.masking import NOT_ASKED, mask_tokens
from retrievers.recommenders.options import NextItemTrainingOptions, Pooling
from retrievers.recommenders.plans import Validate, of_like_length, validated_plan

_AT_ONCE = 64
_DEVIATION = 0.02
"""Of vectors at the start, as in BERT."""

_OF_WORDS = 0.1
"""The same of word pieces, which at first say more than where they stand."""


class TextShape(NamedTuple):
    """Sizes of the network; `items` and `tokens` of a sequence at most, `window` tokens that one sees around it."""

    vocabulary: int
    dimension: int
    layers: int
    heads: int
    items: int
    tokens: int
    window: int
    dropout: float
    pooling: Pooling = "mean"


class TextNetwork(Learner):
    """Reads a sequence of items as one text; the mean of its states, or the first, stands for the sequence or item.

    A token is read as the sum of vectors of the word piece, its position, its type, and its item's place. It sees
    tokens around it, and the first one, which sees all.

    guess: from states to what is multiplied with the word pieces' vectors to guess hidden ones
    bias: shape [vocabulary], of these guesses
    items: shape [items, dimension], vectors of length 1 that sequences are compared with, as they were last encoded
    """

    guess: nn.Module
    bias: nn.Parameter
    items: Tensor

    def __init__(self, shape: TextShape, catalogue: ItemTokens, temperature: float) -> None:
        super().__init__()
        self.shape, self.catalogue, self.temperature = shape, catalogue, temperature
        self.register_buffer("items", torch.zeros(len(catalogue.told), shape.dimension), persistent=False)

    @property
    @abstractmethod
    def pieces(self) -> Tensor:
        """The vectors of the catalogue's word pieces, shape [vocabulary, dimension]."""

    @abstractmethod
    def forward(self, flat: Flat) -> Tensor:
        """States of all tokens, shape [sequences, length, dimension]."""

    def sequences(self, flat: Flat) -> Tensor:
        """Vectors of length 1, shape [sequences, dimension]."""
        return self.pooled(self(flat), flat)

    def pooled(self, states: Tensor, flat: Flat) -> Tensor:
        """The same of the states of all tokens."""
        if self.shape.pooling == "first":
            return functional.normalize(states[:, 0], dim=1)
        of_text = torch.from_numpy(flat.types != PADDING).to(states.device)
        return functional.normalize((states * of_text[:, :, None]).sum(dim=1), dim=1)

    def read(self, sequences: Sequence[np.ndarray]) -> Tensor:
        """The same of rows of items, oldest first, without gradients and dropout."""
        items, training = self.shape.items, self.training
        order = np.argsort(self.catalogue.lengths(sequences, items), kind="stable")
        found = self.items.new_zeros(len(sequences), self.shape.dimension)
        self.eval()
        with torch.no_grad():
            for start in range(0, len(order), _AT_ONCE):
                part = order[start : start + _AT_ONCE]
                found[torch.from_numpy(part)] = self.sequences(
                    self.catalogue.flat([sequences[place] for place in part], items)
                )
        self.train(training)
        return found

    def encode_items(self) -> None:
        """Make `items` anew; zeros for an item without text."""
        told = np.flatnonzero(self.catalogue.told)
        self.items[torch.from_numpy(told)] = self.read([np.array([row]) for row in told])

    def pretraining_loss(self, flat: Flat, guessed: np.ndarray, targets: np.ndarray, masked_weight: float) -> Tensor:
        """Of the next item among those of the batch, and of hidden tokens.

        flat: sequences with hidden tokens; guessed: these, of shape [sequences, length]; targets: rows of next items
        """
        states, rows = self(flat), torch.from_numpy(targets).to(self.items.device)
        users = self.pooled(states, flat)
        items = self.sequences(self.catalogue.flat([np.array([row]) for row in targets], 1))
        again = (rows[:, None] == rows).fill_diagonal_(False)
        cosines = (users @ items.T / self.temperature).masked_fill(again, -torch.inf)
        contrasted = functional.cross_entropy(cosines, torch.arange(len(rows), device=rows.device))
        asked = torch.from_numpy(guessed).to(rows.device)
        hidden = asked != NOT_ASKED
        if not masked_weight or not hidden.any():
            return contrasted
        logits = self.guess(states[hidden]) @ self.pieces.T + self.bias
        return contrasted + masked_weight * functional.cross_entropy(logits, asked[hidden])

    def finetuning_loss(self, flat: Flat, targets: np.ndarray, seen: Tensor) -> Tensor:
        """Of the next item among those `seen` in training, whose vectors stay as they are."""
        place = torch.zeros(len(self.items), dtype=torch.int64, device=self.items.device)
        place[seen] = torch.arange(len(seen), device=seen.device)
        wanted = place[torch.from_numpy(targets).to(seen.device)]
        return functional.cross_entropy(self.sequences(flat) @ self.items[seen].T / self.temperature, wanted)


class TextTransformer(TextNetwork):
    """A small one, from a random start."""

    def __init__(self, shape: TextShape, catalogue: ItemTokens, temperature: float) -> None:
        super().__init__(shape, catalogue, temperature)
        dimension = shape.dimension
        self.words = nn.Embedding(shape.vocabulary, dimension)
        self.positions = nn.Embedding(shape.tokens, dimension)
        self.types = nn.Embedding(PADDING + 1, dimension)
        self.places = nn.Embedding(shape.items + 1, dimension)
        self.norm, self.dropout = nn.LayerNorm(dimension), nn.Dropout(shape.dropout)
        block = nn.TransformerEncoderLayer(
            dimension, shape.heads, 4 * dimension, shape.dropout, functional.gelu, batch_first=True
        )
        self.blocks = nn.TransformerEncoder(block, shape.layers, enable_nested_tensor=False)
        self.guess = guessing(dimension)
        self.bias = nn.Parameter(torch.zeros(shape.vocabulary))
        nn.init.normal_(self.words.weight, std=_OF_WORDS)
        for table in (self.positions, self.types, self.places):
            nn.init.normal_(table.weight, std=_DEVIATION)

    @property
    def pieces(self) -> Tensor:
        return self.words.weight

    def forward(self, flat: Flat) -> Tensor:
        tokens, types, places = (torch.from_numpy(part).to(self.items.device) for part in flat)
        along = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.words(tokens) + self.positions(along) + self.types(types) + self.places(places)
        far = (along[:, None] - along).abs() > self.shape.window // 2
        far[0], far[:, 0] = False, False
        return self.blocks(self.dropout(self.norm(x)), mask=far, src_key_padding_mask=types == PADDING)


def guessing(dimension: int) -> nn.Sequential:
    """From states to guesses of hidden word pieces, from a random start."""
    return nn.Sequential(nn.Linear(dimension, dimension), nn.GELU(), nn.LayerNorm(dimension))


Loss = Callable[[Sequence[np.ndarray], np.ndarray, np.random.Generator], Tensor]
"""Of histories and their next items, shape [histories]; what it draws comes from the generator."""


def text_plan(
    model: TextNetwork,
    sequences: Sequence[np.ndarray],
    loss: Loss,
    options: NextItemTrainingOptions,
    validate: Validate,
    seed: int,
    before_epoch: Callable[[], None] = lambda: None,
) -> Plan:
    """How a stage is learned, from one place of each sequence of two items or more, drawn anew in each epoch."""
    lengths = np.array([len(sequence) for sequence in sequences])

    def batches(generator: np.random.Generator) -> list[Batch]:
        before_epoch()
        cuts = generator.integers(1, lengths)
        histories = [sequence[:cut] for sequence, cut in zip(sequences, cuts, strict=True)]
        sizes = model.catalogue.lengths(histories, model.shape.items)
        seeds = generator.integers(2**32, size=len(sequences))
        some = of_like_length(sizes, options.training_batch, generator)
        return [(places, cuts[places], seeds[places]) for places in some]

    def of_batch(batch: Batch) -> Tensor:
        places, cuts, seeds = batch
        pairs = [(sequences[place], cut) for place, cut in zip(places, cuts, strict=True)]
        histories, targets = [one[:cut] for one, cut in pairs], np.array([one[cut] for one, cut in pairs])
        return loss(histories, targets, np.random.default_rng(seeds[0]))

    return validated_plan(model, options, seed, validate, examples=len(sequences), batches=batches, loss=of_batch)


def pretraining_loss_of(model: TextNetwork, masked_weight: float) -> Loss:
    """The loss of the first stage."""
    others = np.arange(MASK + 1, model.shape.vocabulary)

    def loss(histories: Sequence[np.ndarray], targets: np.ndarray, generator: np.random.Generator) -> Tensor:
        flat = model.catalogue.flat(histories, model.shape.items)
        masked = mask_tokens(flat.tokens, flat.types == VALUE, MASK, others, generator)
        return model.pretraining_loss(flat._replace(tokens=masked.read), masked.guessed, targets, masked_weight)

    return loss


def finetuning_loss_of(model: TextNetwork, seen: np.ndarray) -> Loss:
    """The loss of the other stages."""
    rows = torch.from_numpy(seen).to(model.items.device)
    return lambda histories, targets, _: model.finetuning_loss(
        model.catalogue.flat(histories, model.shape.items), targets, rows
    )


def principal_words(vectors: np.ndarray, dimension: int) -> np.ndarray:
    """The vectors by their principal components, as far spread as those that are drawn; float32.

    vectors: float32 of shape [tokens, width]; where there are fewer components, zeros stand behind them
    """
    centred = vectors - vectors.mean(axis=0)
    left, strengths, _ = np.linalg.svd(centred, full_matrices=False)
    found = (left * strengths)[:, :dimension]
    return np.pad(found * (_OF_WORDS / found.std()), ((0, 0), (0, dimension - found.shape[1]))).astype(np.float32)
