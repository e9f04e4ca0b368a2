"""Options of training that several systems share."""

from typing import Literal

from pydantic import Field

from bench.options import Options


class TrainingOptions(Options):
    """How a model that generates identifiers is trained."""

    epochs: int = Field(4, ge=0, le=10_000, description="passes over what is learned; 0: as it starts")
    learning_rate: float = Field(3e-4, gt=0, le=1, description="highest; it rises at first, then falls to nothing")
    vector_rate: float = Field(0.1, ge=0, description="head=prefix: of the output vectors, times the learning rate")
    warm_up: float = Field(0.1, ge=0, lt=1, description="part of the training in which the learning rate rises")
    weight_decay: float = Field(0.01, ge=0, description="AdamW's; not of output vectors")
    training_batch: int = Field(64, ge=1, description="examples that the model learns from at once")
    label_smoothing: float = Field(0, ge=0, lt=1, description="part of each target spread over all tokens")
    patience: int = Field(
        0, ge=0, description="epochs without a better held-out MRR@10 after which training stops; 0: it does not"
    )


class FineTuningOptions(Options):
    """How an encoder is trained on the training queries before it encodes the documents."""

    method: Literal["none", "in-batch", "hard-negatives", "pairwise"] = Field(
        "none", description="against the batch's other documents, mined ones too, or only one mined each"
    )
    weights: Literal["all", "projection"] = Field(
        "all", description="all of them, or a linear map of the token states of an encoder that stays as it is"
    )
    split: str = Field("train", description="the split whose queries are learned from")
    epochs: int = Field(3, ge=1, description="times that each training query is seen")
    learning_rate: float = Field(5e-5, gt=0, description="highest, from which it falls to 0")
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps in which the rate rises")
    training_batch: int = Field(32, ge=2, description="queries that are learned from at once")
    max_tokens: int = Field(64, ge=8, description="documents are cut after this many tokens")
    scale: float = Field(0, ge=0, description="of the scores in the loss; 0: what is usual for the similarity")
    positives: int = Field(4, ge=1, description="relevant documents of a query that are learned")
    negatives: int = Field(1, ge=1, description="mined negatives of each relevant document")
    depth: int = Field(30, ge=1, description="negatives are drawn from BM25's first so many")
    held_out: float = Field(
        0.1, gt=0, le=0.5, description="share of the training queries, at most 500, that choose the epoch"
    )
    pool: int = Field(500, ge=1, description="documents that these are ranked among")
