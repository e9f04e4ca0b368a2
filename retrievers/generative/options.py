"""Options that the generative retrievers share."""

from typing import Literal

from pydantic import Field

from bench.options import Options

Head = Literal["shared", "prefix"]
Normalise = Literal["vocabulary", "children"]


class DecoderOptions(Options):
    """A decoder that is trained from the start."""

    head: Head = Field("prefix", description="output vectors: one per token of a level, or one per prefix")
    dimension: int = Field(256, ge=1, description="of the decoder's states")
    layers: int = Field(1, ge=0, description="of the decoder; 0: a linear map of the mean state, for atomic ids")
    heads: int = Field(4, ge=1, description="of the decoder's attention; they divide the dimension")
    feed_forward: int = Field(512, ge=1, description="hidden units of a layer's feed-forward part")
    dropout: float = Field(0.1, ge=0, lt=1, description="in the decoder, while it is trained")


class BeamOptions(Options):
    """How identifiers are searched for."""

    beams: int = Field(20, ge=1, description="prefixes kept at each step; also the most identifiers returned")
    decoding: Literal["constrained", "free", "exact"] = Field(
        "constrained", description="beams in the trie, beams outside it too, or every identifier scored"
    )
    normalise: Normalise = Field(
        "vocabulary", description="probabilities over a level's vocabulary, or over the tokens that the trie allows"
    )


class CourseOptions(Options):
    """How a model is trained."""

    epochs: int = Field(4, ge=0, le=10_000, description="passes over what is learned; 0: as it starts")
    learning_rate: float = Field(3e-4, gt=0, le=1, description="highest; it rises at first, then falls to nothing")
    vector_rate: float = Field(0.1, ge=0, description="head=prefix: of the output vectors, times the learning rate")
    warm_up: float = Field(0.1, ge=0, lt=1, description="part of the training in which the learning rate rises")
    weight_decay: float = Field(0.01, ge=0, description="AdamW's; not of output vectors")
    training_batch: int = Field(64, ge=1, description="examples that the model learns from at once")
    label_smoothing: float = Field(0, ge=0, lt=1, description="part of each target spread over all tokens")


class TrainingOptions(CourseOptions):
    """How a generative retriever of documents is trained."""

    held_out: float = Field(
        0.1, ge=0, lt=1, description="share of the training queries kept to choose the checkpoint by; 0: the last one"
    )
    training_split: str = Field("train", description="the split whose queries are learned")
