"""Options of the semantic-ID recommender: its tokenizer, its model, its beams and its training."""

from typing import Literal

from pydantic import Field, model_validator

from bench.options import Options, PathText
from retrievers.generative.options import BeamOptions, DecoderOptions, Head
from retrievers.learning.options import TrainingOptions

Tokenizer = Literal[
    "residual-k-means",
    "residual-vq",
    "vq-vae",
    "rq-vae",
    "fsq",
    "hierarchical",
    "random",
    "sequential",
    "collaborative",
    "mapping",
]
UNIQUE: tuple[Tokenizer, ...] = ("hierarchical", "random", "sequential", "collaborative")
"""The tokenizers that give each item an identifier of its own."""

_TEXTLESS: tuple[Tokenizer, ...] = ("random", "sequential", "collaborative", "mapping")
RESIDUAL: tuple[Tokenizer, ...] = ("residual-k-means", "residual-vq", "rq-vae")
"""Those whose levels code what the levels before them left."""

MOST_LEVELS, MOST_CODES = 8, 65_536
"""Of identifiers that are learned or given."""

_UNSCALED: tuple[Tokenizer, ...] = ("residual-k-means", "residual-vq")


class TokenizerOptions(Options):
    """How items become sequences of codes; in short the kind alone, or `mapping:FILE`."""

    kind: Tokenizer = Field("residual-k-means", description="what makes the codes")
    mapping: PathText = Field(
        "", description="mapping: file of the codes of each item, .jsonl, .npy or .json, see `bench show ids --to`"
    )
    levels: int = Field(
        3, ge=1, le=MOST_LEVELS, description="codes of an identifier, at most; mapping: as many as the file has"
    )
    codes: int = Field(
        256,
        ge=2,
        le=MOST_CODES,
        description="different codes of a level, at most; mapping: or as many as the file has",
    )
    normalise_residuals: bool = Field(
        False, description="residual-k-means, residual-vq: scale what is left to length 1 before the next level"
    )
    uniform_last: bool = Field(
        False, description="residual-k-means, residual-vq, rq-vae: spread colliding items over the last level's codes"
    )
    latent: int = Field(32, ge=1, le=4096, description="vq-vae, rq-vae: dimension of what is coded")
    steps: int = Field(
        300, ge=0, le=1_000_000, description="residual-vq, vq-vae, rq-vae, fsq: training steps; 0: as it starts"
    )
    learning_rate: float = Field(
        3e-3, gt=0, le=1, description="residual-vq, vq-vae, rq-vae, fsq: AdamW's learning rate"
    )
    commitment: float = Field(
        0.25, ge=0, description="residual-vq, vq-vae, rq-vae: weight of what draws vectors to their codes"
    )
    revive_codes: bool = Field(
        True, description="residual-vq, vq-vae, rq-vae: move codes that no item has to where items are"
    )

    @classmethod
    def in_short(cls, text: str) -> dict[str, str]:
        kind, colon, file = text.partition(":")
        return {"kind": kind, "mapping": file} if colon else {"kind": kind}

    @model_validator(mode="after")
    def _options_suit_the_tokenizer(self) -> "TokenizerOptions":
        chosen = (
            ("uniform_last", self.uniform_last, RESIDUAL),
            ("normalise_residuals", self.normalise_residuals, _UNSCALED),
        )
        for name, wanted, suited in chosen:
            if wanted and self.kind not in suited:
                raise ValueError(f"{name} is for the tokenizers {', '.join(suited)}, not {self.kind}")
        if bool(self.mapping) != (self.kind == "mapping"):
            raise ValueError("the tokenizer `mapping` and the option mapping=FILE go together, as mapping:FILE")
        return self

    @property
    def reads_text(self) -> bool:
        """Whether the codes come from the items' vectors."""
        return self.kind not in _TEXTLESS


class SequenceDecoderOptions(DecoderOptions):
    """What writes the identifier of the next item."""

    head: Head = Field("shared", description="output vectors: one per token of a level, or one per prefix")
    dimension: int = Field(64, ge=1, description="of the model's states")
    feed_forward: int = Field(256, ge=1, description="hidden units of a layer's feed-forward part")
    layers: int = Field(2, ge=1, description="of the decoder")

    @model_validator(mode="after")
    def _heads_share_the_dimension(self) -> "SequenceDecoderOptions":
        if self.dimension % self.heads:
            raise ValueError(f"dimension {self.dimension} is no multiple of heads {self.heads}")
        return self


class ItemBeamOptions(BeamOptions):
    """How identifiers of items are searched for."""

    width: int = Field(50, ge=1, description="prefixes kept at each step; also the most identifiers returned")


class SequenceTrainingOptions(TrainingOptions):
    """How a model learns what comes next."""

    epochs: int = Field(20, ge=0, le=10_000, description="passes over the training windows; 0: as it starts")
    updates: int = Field(
        0,
        ge=0,
        description="in place of `epochs`: as many passes as make so many training steps; 0: none",
    )
    learning_rate: float = Field(3e-3, gt=0, le=1, description="highest; it rises at first, then falls to nothing")
    vector_rate: float = Field(1.0, ge=0, description="head=prefix: of the output vectors, times the learning rate")
    valid_users: int = Field(500, ge=1, description="users of the split `valid` by whom the epoch is chosen")

    def passes(self, windows: int) -> int:
        """How often so many windows are learned from."""
        steps = -(-windows // self.training_batch)
        return -(-self.updates // max(1, steps)) if self.updates else self.epochs
