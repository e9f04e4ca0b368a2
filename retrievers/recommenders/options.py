"""Options of recommenders that learn by gradients."""

from typing import Literal

from pydantic import Field

from bench.options import Options

BlockKind = Literal["transformer", "ligr"]


class NextItemTrainingOptions(Options):
    """How a network that reads a sequence is trained to expect the next item."""

    epochs: int = Field(200, ge=1, description="passes over the training sequences, at most")
    learning_rate: float = Field(1e-3, gt=0, description="of Adam")
    training_batch: int = Field(128, ge=1, description="sequences in a training step")
    patience: int = Field(20, ge=1, description="epochs without a better validation figure, after which it stops")
    decided_by: Literal["nDCG@10", "Recall@10"] = Field(
        "nDCG@10", description="the figure on the split `valid` by which the epoch is chosen"
    )
    valid_users: int = Field(5000, ge=1, description="users of that split whom it is measured on, at most")


class PairwiseTrainingOptions(NextItemTrainingOptions):
    """How vectors of users and items are trained on pairs of items, one that a user has and one that not."""

    training_batch: int = Field(2048, ge=1, description="interactions in a training step")
    regularisation: float = Field(1e-4, ge=0, description="of the vectors that a step starts from, half their square")
