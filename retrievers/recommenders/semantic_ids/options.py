"""Options of the item tokenizers."""

from typing import Literal

from pydantic import Field, model_validator

from bench.options import Options

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
]
UNIQUE: tuple[Tokenizer, ...] = ("hierarchical", "random", "sequential", "collaborative")
"""The tokenizers that give each item an identifier of its own."""

_BEHAVIOURAL: tuple[Tokenizer, ...] = ("random", "sequential", "collaborative")
_RESIDUAL: tuple[Tokenizer, ...] = ("residual-k-means", "residual-vq", "rq-vae")
_UNSCALED: tuple[Tokenizer, ...] = ("residual-k-means", "residual-vq")


class TokenizerOptions(Options):
    """How items become sequences of codes."""

    tokenizer: Tokenizer = Field("residual-k-means", description="what makes the codes")
    levels: int = Field(3, ge=1, le=8, description="codes of an identifier, at most")
    codes: int = Field(256, ge=2, le=65_536, description="different codes of a level, at most")
    normalise_residuals: bool = Field(
        False, description="residual-k-means, residual-vq: scale what is left to length 1 before the next level"
    )
    uniform_last: bool = Field(
        False, description="residual-k-means, residual-vq, rq-vae: spread colliding items over the last level's codes"
    )
    latent: int = Field(32, ge=1, le=4096, description="vq-vae, rq-vae: dimension of what is coded")
    tokenizer_steps: int = Field(
        300, ge=0, le=1_000_000, description="residual-vq, vq-vae, rq-vae, fsq: training steps; 0: as it starts"
    )
    tokenizer_rate: float = Field(
        3e-3, gt=0, le=1, description="residual-vq, vq-vae, rq-vae, fsq: AdamW's learning rate"
    )
    commitment: float = Field(
        0.25, ge=0, description="residual-vq, vq-vae, rq-vae: weight of what draws vectors to their codes"
    )
    revive_codes: bool = Field(
        True, description="residual-vq, vq-vae, rq-vae: move codes that no item has to where items are"
    )

    @model_validator(mode="after")
    def _options_suit_the_tokenizer(self) -> "TokenizerOptions":
        for name, suited in (("uniform_last", _RESIDUAL), ("normalise_residuals", _UNSCALED)):
            if getattr(self, name) and self.tokenizer not in suited:
                raise ValueError(f"{name} is for the tokenizers {', '.join(suited)}, not {self.tokenizer}")
        return self

    @property
    def reads_text(self) -> bool:
        """Whether the codes come from the items' vectors."""
        return self.tokenizer not in _BEHAVIOURAL
