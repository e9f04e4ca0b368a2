"""Recformer's network at its own size: a Longformer that knows types and places (Li et al. 2023, section 2.2)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.models import tensors_in
from retrievers.recommenders.item_tokens import NO_TOKEN, PADDING, Flat, ItemTokens
from retrievers.recommenders.options import Pooling
from retrievers.recommenders.text_transformer import TextNetwork, TextShape, guessing

_PLACES = "item_position_embeddings.weight"
"""How the released weights of Recformer call the vectors of an item's place."""

_DEVIATION = 0.02


class LongformerText(TextNetwork):
    """A Longformer whose word pieces are those of the catalogue alone.

    config: of the model, by name, as transformers writes it
    """

    def __init__(self, shape: TextShape, catalogue: ItemTokens, temperature: float, config: dict[str, Any]) -> None:
        from transformers import LongformerConfig, LongformerModel

        super().__init__(shape, catalogue, temperature)
        self.config = config
        own = LongformerConfig(
            **{**config, "vocab_size": shape.vocabulary, "type_vocab_size": PADDING + 1, "pad_token_id": NO_TOKEN}
        )
        self.longformer: Any = LongformerModel(own, add_pooling_layer=False)
        self.places = nn.Embedding(shape.items + 1, shape.dimension)
        nn.init.normal_(self.places.weight, std=_DEVIATION)
        self.guess = guessing(shape.dimension)
        self.bias = nn.Parameter(torch.zeros(shape.vocabulary))

    @property
    def pieces(self) -> Tensor:
        vectors: Tensor = self.longformer.get_input_embeddings().weight
        return vectors

    def forward(self, flat: Flat) -> Tensor:
        tokens, types, places = (torch.from_numpy(part).to(self.items.device) for part in flat)
        read = types != PADDING
        along = torch.arange(tokens.shape[1], device=tokens.device) + self.config["pad_token_id"] + 1
        states: Tensor = self.longformer(
            inputs_embeds=self.longformer.get_input_embeddings()(tokens) + self.places(places),
            attention_mask=read.long(),
            global_attention_mask=(torch.arange(tokens.shape[1], device=tokens.device) == 0).expand_as(tokens).long(),
            token_type_ids=types,
            position_ids=along.expand_as(tokens),
        ).last_hidden_state
        return states

    def take(self, model: Any, numbers: Sequence[int], places: Tensor | None) -> None:
        """The weights of a Longformer.

        numbers: the model's own numbers of the catalogue's word pieces
        places: vectors of items' places, from that of no item on, where the model has some
        """
        weights = dict(model.state_dict())
        own = self.longformer.state_dict()
        words, types = "embeddings.word_embeddings.weight", "embeddings.token_type_embeddings.weight"
        weights[words] = weights[words][list(numbers)]
        known = torch.arange(len(own[types])).clamp(max=len(weights[types]) - 1)  # a type that it lacks as the last
        weights[types] = weights[types][known]
        self.longformer.load_state_dict({name: weights[name] for name in own})
        if places is not None:
            with torch.no_grad():
                self.places.weight[: len(places)] = places[: len(self.places.weight)]


def longformer_shape(
    name: str, config: dict[str, Any], catalogue: ItemTokens, items: int, pooling: Pooling
) -> TextShape:
    """The sizes of a network of that model, which reads so many items of the catalogue.

    Raises BenchError for a model that is no Longformer, or has fewer positions than so many items have tokens.
    """
    if config.get("model_type") != "longformer":
        raise BenchError(f"model '{name}' is a {config.get('model_type')}; start=model takes a Longformer")
    longest, most = catalogue.longest(items), config["max_position_embeddings"] - config["pad_token_id"] - 1
    if longest > most:
        raise BenchError(
            f"model '{name}' reads {most} tokens, {items} items have {longest}; lower longest or value_tokens"
        )
    return TextShape(
        catalogue.vocabulary,
        config["hidden_size"],
        config["num_hidden_layers"],
        config["num_attention_heads"],
        items,
        longest,
        max(config["attention_window"])
        if isinstance(config["attention_window"], list)
        else config["attention_window"],
        config["hidden_dropout_prob"],
        pooling,
    )


def places_of(folder: Path) -> Tensor | None:
    """The vectors of items' places in a folder of weights, shape [places, dimension], if it has any."""
    return next(iter(tensors_in(folder, lambda name: name.endswith(_PLACES)).values()), None)
