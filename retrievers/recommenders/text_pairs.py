"""The network of RecoBERT (Malkiel et al. 2020): the last layers of a BERT, which read titles and descriptions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.errors import BenchError
from bench.models import ModelOptions, find_weights, tensors_in
from bench.token_states import read_in_batches
from retrievers.generative.encoders import TextEncoder, padded
from retrievers.learning.trainer import Batch, Learner, Plan
from retrievers.recommenders.catalogue_texts import CatalogueTexts, Text
from retrievers.recommenders.masking import NOT_ASKED
from retrievers.recommenders.options import NextItemTrainingOptions
from retrievers.recommenders.plans import Validate, validated_plan

_HEAD = "cls.predictions."


class Parted(NamedTuple):
    """A BERT in two parts.

    lower: reads tokens, and stays as it is
    upper: the last layers, which take the lower part's states
    head: from states to scores of all tokens, by the vectors that tokens are read as
    has_head: whether the model came with its head, which else starts at random
    """

    lower: TextEncoder
    upper: nn.Module
    head: nn.Module
    has_head: bool


def part_bert(name: str, learned: int, options: ModelOptions) -> Parted:
    """The model of that name or folder, whose last `learned` layers are its upper part.

    Raises BenchError for a model that is no BERT, or has fewer layers.
    """
    from transformers.models.bert.modeling_bert import BertEncoder

    lower = TextEncoder.open(name, options)
    bert: Any = lower.model
    if bert.config.model_type != "bert":
        raise BenchError(f"'{name}' is a {bert.config.model_type}; recobert parts a BERT, such as MiniLM")
    layers = bert.encoder.layer
    if learned > len(layers):
        raise BenchError(f"'{name}' has {len(layers)} layers; lower learned_layers ({learned})")
    upper = BertEncoder(bert.config)
    upper.layer, bert.encoder.layer = layers[-learned:], layers[:-learned]
    lower.weights += f" without {learned} layers"
    head, has_head = _head(find_weights(name).folder, bert)
    return Parted(lower.requires_grad_(False), upper, head, has_head)


def _head(folder: Path, bert: Any) -> tuple[nn.Module, bool]:
    """What guesses tokens, as the folder has it, or drawn."""
    from transformers.models.bert.modeling_bert import BertLMPredictionHead

    head = BertLMPredictionHead(bert.config)
    head.decoder.bias = head.bias
    kept = tensors_in(folder, lambda name: name.startswith(_HEAD) and ".decoder." not in name)
    head.load_state_dict({name.removeprefix(_HEAD): weight for name, weight in kept.items()}, strict=False)
    head.decoder.weight = bert.embeddings.word_embeddings.weight
    return head, bool(kept)


class TextPairs(Learner):
    """Gives titles and descriptions vectors: the mean states of their tokens, marks included, in the upper part.

    together: a title and a description are read as one; else each is read alone
    """

    upper: Any
    head: Any

    def __init__(self, parted: Parted, together: bool) -> None:
        super().__init__()
        self.upper, self.head, self.together = parted.upper, parted.head, together

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def read(self, texts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """The states of texts, of shape [texts, length, dimension], and a mask of their tokens."""
        from transformers.masking_utils import create_bidirectional_mask

        states, mask = padded(texts, self.device)
        attended = create_bidirectional_mask(config=self.upper.config, inputs_embeds=states, attention_mask=mask)
        return self.upper(states, attention_mask=attended).last_hidden_state, mask

    def pairs(self, titles: Sequence[Tensor], descriptions: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """The vectors of length 1 of titles and of descriptions, and the states of all their tokens.

        Vectors have the shape [pairs, dimension]. States have [tokens, dimension]: those of the first title, then the
        first description, and so on; when read apart, of all titles and then of all descriptions.
        """
        if not self.together:
            (title, first), (description, second) = self.read(titles), self.read(descriptions)
            return _means(title, first), _means(description, second), torch.cat([title[first], description[second]])
        states, mask = self.read([torch.cat(pair) for pair in zip(titles, descriptions, strict=True)])
        lengths = torch.tensor([len(title) for title in titles], device=self.device)
        of_title = mask & (torch.arange(mask.shape[1], device=self.device) < lengths[:, None])
        return _means(states, of_title), _means(states, mask & ~of_title), states[mask]

    def guessed_together(self, titles: Sequence[np.ndarray], descriptions: Sequence[np.ndarray]) -> np.ndarray:
        """What is to be guessed, in the order of the states that `pairs` gives."""
        if not self.together:
            return np.concatenate([*titles, *descriptions])
        return np.concatenate([part for pair in zip(titles, descriptions, strict=True) for part in pair])

    def loss(
        self, titles: Sequence[Text], descriptions: Sequence[Text], same: Tensor, masked_weight: float
    ) -> Tensor:
        """Of real pairs, of each title with the description of the pair before, and of hidden tokens.

        same: mask of shape [pairs], where the two descriptions are equal, so that this pair is real too

        -log C of real pairs and -log(1 - C) of others, for C = (1 + cos) / 2, half of each, and the cross-entropy of
        the tokens.
        """
        states = [text.states for text in titles], [text.states for text in descriptions]
        title, description, tokens = self.pairs(*states)
        other_title, other = title, description.roll(1, 0)
        if self.together:
            other_title, other, _ = self.pairs(states[0], [states[1][-1], *states[1][:-1]])
        real, shuffled = _matching(title, description), _matching(other_title, other)
        matched = -torch.cat([real.log(), torch.where(same, shuffled, 1 - shuffled).log()]).mean()
        asked = self.guessed_together([text.guessed for text in titles], [text.guessed for text in descriptions])
        places = torch.from_numpy(np.flatnonzero(asked != NOT_ASKED)).to(self.device)
        if not masked_weight or not len(places):
            return matched
        targets = torch.from_numpy(asked).to(self.device)[places]
        return matched + masked_weight * functional.cross_entropy(self.head(tokens[places]), targets)

    def vectors(self, titles: Sequence[Tensor], descriptions: Sequence[Tensor]) -> tuple[np.ndarray, np.ndarray]:
        """The vectors of many pairs, float32 of shape [pairs, dimension] each."""
        lengths = np.array([len(one) + len(other) for one, other in zip(titles, descriptions, strict=True)])
        order = np.argsort(-lengths, kind="stable")
        found = np.zeros((2, len(titles), self.upper.config.hidden_size), dtype=np.float32)

        def read(span: slice) -> tuple[Tensor, Tensor, Tensor]:
            places = order[span]
            return self.pairs([titles[place] for place in places], [descriptions[place] for place in places])

        for span, (title, description, _) in read_in_batches(lengths[order].tolist(), read, self.device.type):
            found[0, order[span]], found[1, order[span]] = title.cpu().numpy(), description.cpu().numpy()
        return found[0], found[1]


def _means(states: Tensor, mask: Tensor) -> Tensor:
    sums = (states * mask[:, :, None]).sum(dim=1)
    return functional.normalize(sums / mask.sum(dim=1, keepdim=True), dim=1)


def _matching(titles: Tensor, descriptions: Tensor) -> Tensor:
    """C of each pair; its logarithm and that of 1 - C are finite."""
    return ((1 + (titles * descriptions).sum(dim=1)) / 2).clamp(1e-6, 1 - 1e-6)


def text_pairs_plan(
    model: TextPairs,
    texts: CatalogueTexts,
    options: NextItemTrainingOptions,
    masked_weight: float,
    validate: Validate,
    seed: int,
) -> Plan:
    """How the upper part is learned, in each epoch from one of the masked copies of every real pair."""
    size, copies, pairs = options.training_batch, texts.masked.shape[1], len(texts.pairs)
    described = texts.plain[1, texts.pairs]

    def batches(generator: np.random.Generator) -> list[Batch]:
        order, drawn = generator.permutation(pairs), generator.integers(copies, size=pairs)
        return [(drawn[places], places) for places in np.split(order, range(size, pairs, size))]

    def loss(batch: Batch) -> Tensor:
        read = [texts.masked_pair(int(copy), int(pair)) for copy, pair in zip(*batch, strict=True)]
        titles, descriptions = zip(*read, strict=True)
        own = described[batch[1]]
        same = torch.from_numpy(own == np.roll(own, 1)).to(model.device)
        return model.loss(titles, descriptions, same, masked_weight)

    return validated_plan(model, options, seed, validate, examples=pairs, batches=batches, loss=loss)
