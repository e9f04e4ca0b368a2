"""Options of recommenders that learn by gradients."""

from typing import Literal

from pydantic import Field

from bench.options import Options

BlockKind = Literal["transformer", "ligr"]
Pooling = Literal["mean", "first"]


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


class InteractionTrainingOptions(NextItemTrainingOptions):
    """How a network is trained on who has what."""

    training_batch: int = Field(2048, ge=1, description="interactions in a training step")


class PairwiseTrainingOptions(InteractionTrainingOptions):
    """How vectors of users and items are trained on pairs of items, one that a user has and one that not."""

    regularisation: float = Field(1e-4, ge=0, description="of the vectors that a step starts from, half their square")


class SkipGramTrainingOptions(NextItemTrainingOptions):
    """How vectors are trained on pairs of items that stand in one sequence."""

    training_batch: int = Field(1024, ge=1, description="pairs in a training step")
    learning_rate: float = Field(1e-2, gt=0, description="of Adam")
    pairs: int = Field(4, ge=1, description="others of its window that each item is learned with in an epoch")
    negatives: int = Field(10, ge=1, description="items that each pair stands against")
    negative_power: float = Field(
        0.0, ge=-2, le=2, description="they are drawn by their counts to this power; word2vec: 0.75, 0: all alike"
    )
    subsampling: float = Field(
        0.0, ge=0, le=1, description="share of all places from which on an item is passed over at times; 0: never"
    )


class SyntheticOptions(Options):
    """How items get pairs that training seldom or never has."""

    below: int = Field(
        0, ge=0, description="items with fewer places in training get those of items with like texts too; 0: none"
    )
    neighbours: int = Field(5, ge=1, description="items of the most alike texts whose pairs these are drawn from")
