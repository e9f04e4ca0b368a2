"""An encoder of the history and a decoder of identifiers (Rajput et al. 2023, TIGER, arXiv 2305.05065)."""

from typing import Literal

import torch
from torch import Tensor, nn

from retrievers.generative.beam import Stepper
from retrievers.generative.decoder import Decoder, Encoded
from retrievers.recommenders.semantic_ids.sequence_model import INITIAL, History, SequenceModel, Shape

Reading = Literal["codes", "items"]


class EncoderDecoder(SequenceModel):
    """A bidirectional encoder of the history, and the decoder that writes documents' identifiers too.

    reading: each code of an item is a position of its own, as TIGER's, or their sum is one
    """

    def __init__(self, shape: Shape, *, encoder_layers: int, reading: Reading, seed: int) -> None:
        options = shape.options
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            super().__init__(shape)
            layer = nn.TransformerEncoderLayer(
                options.dimension,
                options.heads,
                options.feed_forward,
                options.dropout,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            self.ages = nn.Embedding(shape.longest, options.dimension)
            nn.init.normal_(self.ages.weight, std=INITIAL)
            norm = nn.LayerNorm(options.dimension)
            self.encoder = nn.TransformerEncoder(layer, encoder_layers, norm, enable_nested_tensor=False)
        self.dropout = nn.Dropout(options.dropout)
        self.decoder = Decoder(options, shape.tables, options.dimension, seed=seed)
        self._reading = reading

    def loss(self, history: History, label_smoothing: float) -> Tensor:
        lengths = (history.rows >= 0).sum(dim=1)
        last = history.rows.gather(1, lengths[:, None] - 1)
        before = history.rows.scatter(1, lengths[:, None] - 1, -1)[:, :-1]
        targets = torch.where(self.there, self.codes, -1)[last[:, 0]]
        losses = self.decoder(self.encode(History(before, history.users)), targets, label_smoothing)
        return losses.sum() / (targets >= 0).sum()

    def encode(self, history: History) -> Encoded:
        """The states of a user's vector and of what is read of each item; the latest item is number 0."""
        vectors, there = self.embedded(self.decoder.head, history.rows)
        lengths = (history.rows >= 0).sum(dim=1, keepdim=True)
        ages = (lengths - 1 - torch.arange(history.rows.shape[1], device=lengths.device)).clamp(0, self.longest - 1)
        vectors = vectors + self.ages(ages)[:, :, None]
        if self._reading == "items":
            vectors, there = vectors.sum(dim=2, keepdim=True), there.any(dim=2, keepdim=True)
        user = self.users(history.users)[:, None]
        states = self.dropout(torch.cat([user, vectors.flatten(1, 2)], dim=1))
        mask = torch.cat([torch.ones_like(there[:, 0, :1]), there.flatten(1, 2)], dim=1)
        return Encoded(self.encoder(states, src_key_padding_mask=~mask), mask)

    def stepper(self, history: History) -> Stepper:
        return self.decoder.stepper(self.encode(history))
