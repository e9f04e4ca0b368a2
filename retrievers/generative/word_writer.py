"""A model that writes n-grams and queries: a decoder of word-pieces over the states of a frozen encoder."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.errors import BenchError
from retrievers.generative.decoder import Encoded, KeysValues, Layer
from retrievers.generative.encoders import TextEncoder, padded
from retrievers.generative.examples import Tokens
from retrievers.generative.fitting import without_some
from retrievers.generative.options import DecoderOptions, WordDecoderOptions
from retrievers.generative.words import Words
from retrievers.learning.trainer import Learner

_NEVER = -1e4
"""A logit of what cannot be."""
_LEAST = 1e-30
"""A probability whose logarithm is a number still."""


class Question(NamedTuple):
    """What is known of some texts.

    states: shape [texts, length, dimension], of the encoder
    mask: shape [texts, length], bool; False for padding
    words: shape [texts, length]: numbers of the words; -1 for padding and for words that no document has
    """

    states: Tensor
    mask: Tensor
    words: Tensor


def asked(
    states: Sequence[Tensor], tokens: Sequence[Tokens], words: Words, device: torch.device, dropped: float = 0.0
) -> Question:
    """Texts as the writer takes them, from their states without marks; a share of these may be dropped at random."""
    encoded = without_some(padded(states, device), dropped)
    numbers = torch.full(encoded.mask.shape, -1, dtype=torch.long)
    for line, text in zip(numbers, tokens, strict=True):
        line[: len(text)] = torch.tensor(words.numbers(text))
    return Question(encoded.states, encoded.mask, numbers.to(device).masked_fill(~encoded.mask, -1))


def read(encoder: TextEncoder, tokens: Sequence[Tokens]) -> list[Tensor]:
    """The states of texts that are no longer than the encoder takes, without the marks around them."""
    with torch.no_grad():
        encoded = encoder(tokens)
    return [encoder.without_marks(states[mask]) for states, mask in zip(encoded.states, encoded.mask, strict=True)]


class Reading(NamedTuple):
    """A question as the decoder sees it, once for all n-grams of it."""

    layers: list[KeysValues]
    mask: Tensor
    mean: Tensor
    pointers: Tensor
    words: Tensor


class WordWriter(Learner):
    """Gives the probability of words in a row (an n-gram, a query), given a text, token by token.

    Words have the encoder's own input vectors, which stay as they are, so that a word of which nothing was learned
    is like its neighbours, and one that a new document brings has a vector. A pointer to the words of the text mixes
    with the distribution over all words (See et al. 2017, section 2.2), because a decoder that starts at random would
    have to learn to repeat each word by itself; SEAL starts from BART, which can.

    vectors: shape [words, dimension], of the encoder
    frequencies: shape [words]: how often the collection has each word, with which the output begins
    views: kinds of n-grams, each of which begins with a vector of its own
    longest: tokens of an n-gram

    Raises BenchError if the options do not fit each other.
    """

    vectors: Tensor
    priors: Tensor

    def __init__(
        self,
        vectors: Tensor,
        frequencies: Tensor,
        options: WordDecoderOptions,
        views: int,
        longest: int,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if options.dimension % options.heads:
            raise BenchError(
                f"heads={options.heads} does not divide dimension={options.dimension}; take one that does"
            )
        encoder, dimension = vectors.shape[1], options.dimension
        shape = DecoderOptions(**options.model_dump(exclude={"copies"}))
        self.copies = options.copies
        self.register_buffer("vectors", functional.layer_norm(vectors, vectors.shape[1:]))
        self.register_buffer("priors", ((frequencies + 1) / (frequencies + 1).sum()).log())
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.start = nn.Parameter(torch.randn(views, dimension) * 0.02)
            self.positions = nn.Embedding(longest, dimension)
            self.read_mean = nn.Linear(2 * encoder, dimension)
            self.read_word = nn.Linear(encoder, dimension)
            self.layers: Any = nn.ModuleList(Layer(shape, 2 * encoder) for _ in range(options.layers))
            self.norm = nn.LayerNorm(dimension)
            self.dropout = nn.Dropout(options.dropout)
            self.output = nn.Linear(dimension, encoder)
            self.point_to = nn.Linear(2 * encoder, dimension)
            self.point_from = nn.Linear(dimension, dimension)
            self.gate = nn.Linear(dimension, 1)
        nn.init.zeros_(self.output.weight)

    def forward(self, question: Question, views: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """As `losses` of what is read of the question."""
        return self.losses(self.look_at(question), views, targets, label_smoothing)

    def losses(self, read: Reading, views: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """Minus the log-probability of each token of n-grams, shape [texts, n-grams, tokens]; 0 after the end.

        views: shape [texts]; targets: int64, shape [texts, n-grams, tokens], -1 after the end
        label_smoothing: part of each target that is spread over all words, where they are not pointed at
        """
        first = self.first_input(read, views)[:, None, None].expand(-1, targets.shape[1], -1, -1)
        inputs = torch.cat([first, self.next_input(targets[..., :-1].clamp(min=0), 1)], dim=2)
        hidden = self.run(inputs, read)[0].flatten(1, 2)
        flat = targets.flatten(1, 2)
        there, wanted = flat >= 0, flat.clamp(min=0)
        losses = torch.zeros(flat.shape, device=hidden.device)
        generated = self._generated(hidden[there])
        found = generated.gather(-1, wanted[there][:, None])[:, 0]
        if self.copies:
            gate, attention = self._copied(hidden, read)
            copied = (attention * (read.words[:, None] == wanted[..., None])).sum(dim=-1).clamp(min=_LEAST)
            found = torch.logaddexp(
                functional.logsigmoid(-gate[there]) + found, functional.logsigmoid(gate[there]) + copied[there].log()
            )
        losses[there] = -(1 - label_smoothing) * found - label_smoothing * generated.mean(dim=-1)
        return losses.view(targets.shape)

    def first_log_probs(self, read: Reading, views: Tensor) -> Tensor:
        """Of the first token, shape [texts, words]; views: shape [texts]."""
        hidden, _ = self.run(self.first_input(read, views)[:, None, None], read)
        return self.log_probs(hidden[:, :, 0], read)[:, 0]

    def look_at(self, question: Question) -> Reading:
        """What is computed from the question alone, which has a word at least."""
        known = self.vectors[question.words.clamp(min=0)] * (question.words >= 0)[..., None]
        memory = torch.cat([question.states, known], dim=-1)
        mean = Encoded(memory, question.mask).means()
        layers = [layer.to_encoder.look_at(memory) for layer in self.layers]
        return Reading(layers, question.mask[:, None, None], mean, self.point_to(memory), question.words)

    def first_input(self, read: Reading, views: Tensor) -> Tensor:
        """Shape [texts, dimension]: from which the first token is predicted."""
        return self.start[views] + self.read_mean(read.mean)

    def next_input(self, words: Tensor, position: int) -> Tensor:
        """Shape [..., dimension]: from which the next tokens are predicted; `words` has positions last."""
        places = torch.arange(position, position + words.shape[-1], device=words.device)
        return self.read_word(self.vectors[words]) + self.positions(places)

    def run(
        self, inputs: Tensor, read: Reading, past: Sequence[KeysValues] | None = None
    ) -> tuple[Tensor, list[KeysValues]]:
        """Hidden states for inputs of shape [texts, n-grams, tokens, dimension], and what later tokens may see."""
        x, seen = self.dropout(inputs), []
        for position, layer in enumerate(self.layers):
            x, layer_seen = layer(x, read.layers[position], read.mask, past[position] if past else None)
            seen.append(layer_seen)
        return self.norm(x), seen

    def log_probs(self, hidden: Tensor, read: Reading) -> Tensor:
        """Of the next token, shape [texts, n-grams, words], from hidden states of [texts, n-grams, dimension]."""
        found = self._generated(hidden)
        if not self.copies:
            return found
        gate, attention = self._copied(hidden, read)
        share = gate.sigmoid()[..., None]
        places = read.words.clamp(min=0)[:, None].expand_as(attention)
        mixed = ((1 - share) * found.exp()).scatter_add(-1, places, share * attention)
        return mixed.clamp(min=_LEAST).log()

    def log_probs_of(self, hidden: Tensor, read: Reading, rows: Tensor, words: Tensor) -> Tensor:
        """Those of `log_probs` for single n-grams and words, shape [pairs], in a third of the time of all.

        rows: shape [pairs]: places among the n-grams of all texts, text by text
        words: shape [pairs]
        """
        logits = self._logits(hidden).flatten(0, 1)
        found = logits[rows, words] - logits.logsumexp(dim=-1)[rows]
        if not self.copies:
            return found
        gate, attention = (one.flatten(0, 1) for one in self._copied(hidden, read))
        places = read.words.clamp(min=0).repeat_interleave(hidden.shape[1], dim=0)
        copied = torch.zeros_like(logits).scatter_add_(-1, places, attention)[rows, words]
        share = gate.sigmoid()[rows]
        return ((1 - share) * found.exp() + share * copied).clamp(min=_LEAST).log()

    def _generated(self, hidden: Tensor) -> Tensor:
        return self._logits(hidden).log_softmax(dim=-1)

    def _logits(self, hidden: Tensor) -> Tensor:
        aimed = self.output(hidden) * self.vectors.shape[1] ** -0.5
        return functional.linear(aimed, self.vectors, self.priors).float()

    def _copied(self, hidden: Tensor, read: Reading) -> tuple[Tensor, Tensor]:
        """The logit of pointing at a word, and how likely each is the one that is meant."""
        lost = (read.words < 0)[:, None]
        scores = self.point_from(hidden) @ read.pointers.transpose(1, 2) * hidden.shape[-1] ** -0.5
        attention = scores.float().masked_fill(lost, _NEVER).softmax(dim=-1)
        return self.gate(hidden)[..., 0].float().masked_fill(lost.all(dim=-1), _NEVER), attention


class Stepper:
    """A writer in the middle of a search; it remembers the keys and values of each n-gram's own tokens only."""

    def __init__(self, writer: WordWriter, question: Question, view: int) -> None:
        self._writer = writer
        self._read = writer.look_at(question)
        self._view = view
        self._position = 0
        self._seen: list[KeysValues] = []

    def start(self) -> Tensor:
        """Log-probabilities of the first token, shape [texts, 1, words]."""
        views = torch.full((len(self._read.words),), self._view, device=self._read.words.device)
        hidden = self._hidden(self._writer.first_input(self._read, views)[:, None])
        return self._writer.log_probs(hidden, self._read)

    def step(self, words: Tensor, parents: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        """Go on to `words`, which follow the n-grams `parents`; both of shape [texts, n-grams].

        Returns what gives log-probabilities of the token after them, as the writer's `log_probs_of` does.
        """
        return partial(self._writer.log_probs_of, self._moved(words, parents), self._read)

    def whole_step(self, words: Tensor, parents: Tensor) -> Tensor:
        """As `step`, with the log-probabilities of all words, shape [texts, n-grams, words]."""
        return self._writer.log_probs(self._moved(words, parents), self._read)

    def _moved(self, words: Tensor, parents: Tensor) -> Tensor:
        """Hidden states behind `words`."""
        before = self._seen[0].keys.shape[0] // len(words)
        rows = (torch.arange(len(words), device=words.device)[:, None] * before + parents).flatten()
        self._seen = [KeysValues(seen.keys[rows], seen.values[rows]) for seen in self._seen]
        self._position += 1
        return self._hidden(self._writer.next_input(words[..., None], self._position)[:, :, 0])

    def _hidden(self, inputs: Tensor) -> Tensor:
        hidden, self._seen = self._writer.run(inputs[:, :, None], self._read, self._seen or None)
        return hidden[:, :, 0]
