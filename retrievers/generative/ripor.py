"""Relevance-based identifiers for passage-oriented retrieval: RIPOR (Zeng et al. 2024, arXiv 2311.09134)."""

from typing import Literal

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection
from retrievers.generative.docids import Identifiers
from retrievers.generative.naming import Named
from retrievers.generative.options import BeamOptions, DecoderOptions, DocumentHead, Normalise
from retrievers.generative.retriever import GenerativeRetriever
from retrievers.generative.teacher import TeacherOptions
from retrievers.residual import quantise, residual_k_means


class AdditiveOptions(DecoderOptions):
    """A decoder whose tokens' scores add up to a document's."""

    head: DocumentHead = Field("additive", description=DecoderOptions.model_fields["head"].description)


class SumOptions(BeamOptions):
    """How identifiers of the highest sums are searched for."""

    normalise: Normalise = Field("none", description=BeamOptions.model_fields["normalise"].description)


class MarginOptions(TeacherOptions):
    """A teacher whose margins between documents are learned at several prefixes."""

    distil: float = Field(1, ge=0, le=1, description=TeacherOptions.model_fields["distil"].description)
    distil_by: Literal["probabilities", "margins"] = Field(
        "margins", description=TeacherOptions.model_fields["distil_by"].description
    )
    distil_depth: int = Field(100, ge=1, description=TeacherOptions.model_fields["distil_depth"].description)


class RIPOR(GenerativeRetriever):
    """Documents are named by residual quantisation of their vectors, and scored by sums of products with the codes.

    Before it is trained it searches for the documents by what quantisation has left of their vectors. It learns a
    teacher's margins between documents, at prefixes of several lengths, so that the beams keep those of relevant
    documents. The paper quantises the vectors of a dense model that it has trained first, and takes its negatives
    from beams too; here the vectors are those of an encoder that stays as it is, after a linear map that the training
    queries teach. The same is the teacher, and negatives are among its answers. Documents with the same codes share
    an identifier.
    """

    levels: int = Field(8, ge=1, le=64, description="tokens of an identifier")
    codes: int = Field(256, ge=2, le=65_536, description="of a level")
    start_vectors: Literal["encoder", "projection"] = Field(
        "projection", description=GenerativeRetriever.model_fields["start_vectors"].description
    )
    decoder: AdditiveOptions = Field(default_factory=AdditiveOptions, description="what writes the identifiers")
    beams: SumOptions = Field(default_factory=SumOptions, description="how identifiers are searched for")
    teacher: MarginOptions = Field(default_factory=MarginOptions, description="a system that is learned from")

    def name_documents(self, collection: Collection, vectors: np.ndarray) -> Named:  # noqa: ARG002
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        books = residual_k_means(vectors, self.levels, self.codes, self.seed)
        return Named(Identifiers.of(quantise(vectors, books)[0]))
