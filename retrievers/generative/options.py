"""Options that the generative retrievers share."""

from typing import Literal

from pydantic import Field

from bench.options import Options
from retrievers.learning.options import TrainingOptions

Head = Literal["shared", "prefix"]
DocumentHead = Literal["shared", "prefix", "prefix-adaptive", "additive"]
Normalise = Literal["vocabulary", "children", "none"]


class DecoderOptions(Options):
    """A decoder that is trained from the start."""

    head: DocumentHead = Field(
        "prefix",
        description="output vectors: one per token of a level (shared), changed by what came before (prefix-"
        "adaptive, NCI), or whose scores add up to a document's (additive, RIPOR); or one per prefix",
    )
    dimension: int = Field(256, ge=1, description="of the decoder's states")
    layers: int = Field(1, ge=0, description="of the decoder; 0: a linear map of the mean state, for atomic ids")
    heads: int = Field(4, ge=1, description="of the decoder's attention; they divide the dimension")
    feed_forward: int = Field(512, ge=1, description="hidden units of a layer's feed-forward part")
    dropout: float = Field(0.1, ge=0, lt=1, description="in the decoder, while it is trained")


class BeamOptions(Options):
    """How identifiers are searched for."""

    width: int = Field(20, ge=1, description="prefixes kept at each step; as many as documents asked for, at least")
    decoding: Literal["constrained", "free", "exact"] = Field(
        "constrained", description="beams in the trie, beams outside it too, or every identifier scored"
    )
    normalise: Normalise = Field(
        "vocabulary",
        description="probabilities over a level's vocabulary, or over the tokens that the trie allows; none: scores "
        "are sums of logits",
    )


class DocumentTrainingOptions(TrainingOptions):
    """How a generative retriever of documents is trained."""

    split: str = Field("train", description="the split whose queries are learned")
    selection: str = Field("dev", description="the split whose queries choose the epoch, if the collection has it")
    held_out: float = Field(
        0.1, ge=0, lt=1, description="else: share of the training queries kept to choose by; 0: the last epoch"
    )
    positives: int = Field(4, ge=0, description="relevant documents of a query that are learned; 0: every one")
    token_dropout: float = Field(0, ge=0, lt=1, description="share of a text's states that are left out, drawn anew")
    uphill: float = Field(
        0,
        ge=0,
        description="sharpness-aware minimisation (DSI++): length of a step along the gradient, at whose end the "
        "gradient is taken again, so that each update costs two; 0: none",
    )


class GrowthOptions(Options):
    """What a fitted model learns of documents that are added (Mehta et al. 2023, DSI++)."""

    epochs: int = Field(
        0,
        ge=0,
        le=10_000,
        description="passes over what is read of added documents; 0: they are only named",
    )
    learning_rate: float = Field(1e-4, gt=0, le=1, description="highest, as in training")
    replayed: float = Field(
        0.5, ge=0, lt=1, description="share of what is then read that is of earlier documents and their queries"
    )


class WordDecoderOptions(Options):
    """A decoder that writes words over the states of a text."""

    dimension: int = Field(256, ge=1, description="of the decoder's states")
    layers: int = Field(2, ge=1, description="of the decoder")
    heads: int = Field(4, ge=1, description="of the decoder's attention; they divide the dimension")
    feed_forward: int = Field(512, ge=1, description="hidden units of a layer's feed-forward part")
    dropout: float = Field(0.1, ge=0, lt=1, description="in the decoder, while it is trained")
    copies: bool = Field(True, description="it may also point at a token of the question (See et al. 2017)")
