"""Options of recommenders that attend to a history."""

from pydantic import Field

from bench.options import Options


class AttentionTrainingOptions(Options):
    """How SASRec is trained."""

    epochs: int = Field(100, ge=1, description="passes over the training sequences, at most")
    learning_rate: float = Field(2e-3, gt=0, description="of Adam")
    training_batch: int = Field(64, ge=1, description="sequences in a training step")
    patience: int = Field(
        5, ge=1, description="epochs without a better validation nDCG@10 after which training stops"
    )
