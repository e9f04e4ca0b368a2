"""An encoder and a decoder of identifiers, as one model that is trained."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from bench.errors import BenchError
from retrievers.generative.beam import Beams, Guide, Kept, path_scores, search
from retrievers.generative.decoder import Decoder, Encoded
from retrievers.generative.encoders import TextEncoder
from retrievers.generative.heads import Codebooks, Start
from retrievers.generative.huggingface import HuggingFaceDecoder
from retrievers.generative.losses import SoftTargets, prefix_margin_losses
from retrievers.generative.options import BeamOptions, DecoderOptions, Normalise
from retrievers.generative.trie import TrieTables
from retrievers.learning.trainer import Learner


class IdentifierModel(Learner):
    """Texts in, identifiers out.

    encoder: of an encoder-decoder its own decoder is used, of an encoder alone a new one
    tables: of the identifiers
    tuned: whether the encoder learns too
    start: what output vectors start as, of the encoder's dimension
    words: the encoder's tokens that the identifiers are made of, where they are text
    """

    def __init__(
        self,
        encoder: TextEncoder,
        tables: TrieTables,
        options: DecoderOptions,
        *,
        tuned: bool,
        start: Start | Codebooks | None = None,
        words: Sequence[int] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.tables = tables
        self.tuned = tuned
        self._end = None if words is None else 0  # identifiers of text end with token 0
        if encoder.generates:
            self.decoder: Decoder | HuggingFaceDecoder = HuggingFaceDecoder(
                encoder.model, encoder.vocabulary, tables, words, seed
            )
        else:
            self.decoder = Decoder(
                options, tables, encoder.dimension, start=start, one_vocabulary=words is not None, seed=seed
            ).to(encoder.device)
        self.encoder = encoder.requires_grad_(tuned)

    def loss(
        self, encoded: Encoded, targets: Tensor, label_smoothing: float = 0.0, soft: SoftTargets | None = None
    ) -> Tensor:
        """The mean over all tokens of the targets, of shape [texts, levels]."""
        return self.decoder(encoded, targets, label_smoothing, soft).sum() / (targets >= 0).sum()

    def margin_loss(self, encoded: Encoded, identifiers: Tensor, margins: Tensor) -> Tensor:
        """How far margins between prefixes are from a teacher's, as `prefix_margin_losses`.

        identifiers: int64 of shape [texts, 1 + negatives, levels], that of the text's own document first
        """
        return prefix_margin_losses(self._own().scores(encoded, identifiers), margins).mean()

    @torch.no_grad()
    def scores(self, encoded: Encoded, identifiers: Tensor, normalise: Normalise) -> Tensor:
        """What each token of identifiers, int64 of shape [documents, levels], adds to their scores for one query.

        Log-probabilities over the vocabulary or the tokens that the trie allows, or logits where these are not
        normalised.
        """
        if normalise == "none":
            return self._own().scores(encoded, identifiers[None])[0]
        repeated = encoded.repeated(len(identifiers))
        if normalise == "children":
            return path_scores(self.decoder.stepper(repeated), self.tables, identifiers, normalise)
        return -self.decoder(repeated, identifiers)

    @property
    def columns(self) -> list[Tensor]:
        """For each level the tokens of an encoder-decoder that its tokens are; none for a decoder made here."""
        return self.decoder.columns if isinstance(self.decoder, HuggingFaceDecoder) else []

    def _own(self) -> Decoder:
        """The decoder that was made here. Raises BenchError for an encoder-decoder."""
        if isinstance(self.decoder, HuggingFaceDecoder):
            raise BenchError(
                "margins of logits are learned by a decoder that is made here; choose an encoder as model"
            )
        return self.decoder

    @torch.inference_mode()
    def answer(
        self, encoded: Encoded, options: BeamOptions, *, guide: Guide | None = None, kept: list[Kept] | None = None
    ) -> Beams:
        """The most probable identifiers, as `search` finds them. Call `eval()` first."""
        stepper = self.decoder.stepper(encoded)
        return search(stepper, self.tables, options, end_token=self._end, guide=guide, kept=kept)

    def train(self, mode: bool = True) -> "IdentifierModel":
        """A frozen encoder stays as it is: without dropout."""
        super().train(mode)
        if not self.tuned:
            self.encoder.eval()
        return self


def is_tuned(encoder: TextEncoder, wanted: Literal["auto", "frozen", "tuned"]) -> bool:
    """Whether the encoder learns too. Raises BenchError for an encoder-decoder that should be frozen."""
    if encoder.generates:
        if wanted == "frozen":
            raise BenchError("an encoder-decoder is trained as a whole; leave encoder_weights at auto")
        return True
    return wanted == "tuned"
