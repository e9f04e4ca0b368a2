"""Options of the n-gram system, in groups."""

from typing import Literal

from pydantic import Field

from bench.options import Options
from retrievers.generative.examples import Part, ReadingOptions
from retrievers.generative.ngram.suffix_array import LONGEST
from retrievers.generative.options import DocumentTrainingOptions

View = Literal["span", "title", "pseudo-query"]


class NgramBeamOptions(Options):
    """How n-grams are searched for."""

    width: int = Field(15, ge=1, description="n-grams that are kept at each step, of each view")
    longest: int = Field(10, ge=1, le=LONGEST - 1, description="tokens of an n-gram, at most")


class ScoringOptions(Options):
    """How documents are scored by n-grams; the defaults are SEAL's, whose documents are single passages."""

    alpha: float = Field(2, gt=0, description="power of an n-gram's weight")
    beta: float = Field(
        0.8, ge=0, le=1, description="share of an n-gram's weight that depends on how many of its tokens are new"
    )
    smoothing: float = Field(5, gt=0, description="added to counts in an n-gram's prior probability")
    unigrams: int = Field(1000, ge=0, description="likeliest tokens of the first step that count too; 0: none")
    frequent: int = Field(1500, ge=1, description="n-grams that occur more often choose no documents")
    passage_mean: float = Field(
        1, ge=0, description="times the mean score of a document's passages that is added to the best one's"
    )
    rescored: int = Field(500, ge=1, description="documents that are scored in full; as many as asked for, at least")


class NgramReadingOptions(ReadingOptions):
    """What the model reads of a document while it is trained."""

    parts: tuple[Part, ...] = Field(("spans",), description=ReadingOptions.model_fields["parts"].description)


class NgramTrainingOptions(DocumentTrainingOptions):
    """How the model learns to write n-grams of the document that a text is of, or that answers a query."""

    epochs: int = Field(8, ge=0, le=10_000, description=DocumentTrainingOptions.model_fields["epochs"].description)
    learning_rate: float = Field(
        1e-3, gt=0, le=1, description=DocumentTrainingOptions.model_fields["learning_rate"].description
    )
    spans_of_a_query: int = Field(
        3, ge=1, description="times in an epoch that a query is read, each with a span of its own"
    )
    sharpness: float = Field(
        1, ge=0, description="how much likelier a span is that shares rare words with the text; 0: all are alike"
    )


class RankingOptions(Options):
    """How it learns, once it writes n-grams, which documents they are to bring: LTRGR (Li et al. 2023)."""

    epochs: int = Field(0, ge=0, le=10_000, description="times that each training query ranks its documents; 0: none")
    learning_rate: float = Field(1e-4, gt=0, le=1, description="highest learning rate")
    training_batch: int = Field(16, ge=1, description="queries of a step")
    depth: int = Field(100, ge=1, description="answers of the system itself that the other documents are drawn from")
    hardest_margin: float = Field(
        0.1, ge=0, description="share of the best answer's score that the best of the others has to be behind"
    )
    random_margin: float = Field(0.15, ge=0, description="the same of another one, drawn at random")
    writing: float = Field(0.3, ge=0, description="weight of writing an n-gram of the document, beside ranking it")
    patience: int = Field(
        0, ge=0, description="passes without a better figure on held-out queries after which it stops; 0: none"
    )
