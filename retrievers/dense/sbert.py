"""Dense retrieval with a sentence encoder (Reimers and Gurevych 2019)."""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from pydantic import Field, field_validator

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.models import MINILM, find_weights, open_model
from bench.rankings import Rankings
from retrievers.dense import ann
from retrievers.dense.ann import IndexOptions
from retrievers.dense.pooling import Pooling, Similarity, missing_prompts, set_pooling
from retrievers.encoding import (
    DistinctTexts,
    FullWindows,
    Holders,
    check_length,
    none_or_at_least,
    open_array,
    prompt_of,
    refuse_textless,
    token_limit,
)
from retrievers.learning.finetuning import FineTuned
from retrievers.learning.options import FineTuningOptions
from retrievers.sharding import Hits, Sharded, even_blocks, whole_unless_exact

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

    from retrievers.learning.contrastive import Method


class SBERT(Sharded, FineTuned):
    """One vector per text from a sentence-transformers model, compared as the model says.

    Prompts, pooling and similarity (cosine or dot product) are the model's own, or chosen: a plain Hugging Face
    folder says nothing of them, and is read with the mean and cosine. Search is exact, or approximate with a faiss
    index. `finetuning` trains the model first, by the softmax of a query's relevant document against the batch's
    other ones (Henderson et al. 2017, section 4.4), mined ones included with `hard-negatives`.
    """

    family = "dense"

    block: ClassVar[int] = 2**15
    """Texts that are compared with a batch of queries at once."""
    cells: ClassVar[int] = 2**25

    model: str = Field(
        MINILM, description="name on the Hugging Face hub, or folder, of a sentence-transformers model"
    )
    max_tokens: int = Field(0, ge=0, description="texts are cut after this many tokens; 0: as the model does")
    query_prompt: str | None = Field(None, description="text put before each query; none: as the model does")
    document_prompt: str | None = Field(None, description="text put before each document; none: as the model does")
    pooling: Pooling = Field("auto", description="of token vectors; auto: as the model does, mean if it does not say")
    similarity: Similarity = Field("auto", description="auto: as the model does, cosine if it does not say")
    index: IndexOptions = Field(default_factory=IndexOptions, description="how the nearest vectors are found")

    _whole = field_validator("index")(whole_unless_exact)
    _room = field_validator("max_tokens")(none_or_at_least(3))

    @field_validator("finetuning")
    @classmethod
    def _compares_with_the_batch(cls, finetuning: FineTuningOptions) -> FineTuningOptions:
        if finetuning.method == "pairwise":
            raise ValueError("pairwise is ColBERT's loss; sbert has in-batch and hard-negatives")
        return finetuning

    @property
    def deterministic(self) -> bool:
        return self.index.exact and not self.trained

    @cached_property
    def encoder(self) -> "SentenceTransformer":
        """The model, opened on first use; after fine-tuning with its new weights."""
        return self._open(self.model)

    def _open(self, name: str) -> "SentenceTransformer":
        from sentence_transformers import SentenceTransformer

        encoder = open_model(SentenceTransformer, name, self)
        self._pooled = set_pooling(encoder, find_weights(name).folder, self.pooling, name)
        if self.similarity != "auto":
            encoder.similarity_fn_name = self.similarity
        if encoder.similarity_fn_name not in ("cosine", "dot"):
            raise BenchError(
                f"model '{name}' compares by {encoder.similarity_fn_name} distance; choose one that was "
                "trained for cosine or dot"
            )
        if self.max_tokens:
            try:
                encoder.max_seq_length = self.max_tokens
            except AttributeError:
                raise BenchError(f"model '{name}' cannot cut texts; leave max_tokens at 0") from None
        check_length(encoder, name, token_limit(encoder))
        return encoder

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of unit length, shape [texts, dimension], without any prompt; works before `fit`."""
        return _unit(
            self.encoder.encode(list(texts), prompt="", batch_size=self.encoding_batch, show_progress_bar=False)
        )

    def fit(self, collection: Collection) -> Self:
        refuse_textless(collection)
        texts = DistinctTexts(collection.texts())
        if self.trained:
            self.encoder = self._open(self.model)
            self._finetune(collection, texts)
        self._holders = Holders(texts.place, texts.digests)
        full, dimension = FullWindows(), self._dimension
        with self._document_encoder(texts, full) as encode:
            vectors = texts.vectors(encode, dimension, self.encoding_batch, self.progress)
        self._counts = {"distinct_texts": len(texts), "texts_at_max_tokens": full.count}
        self._build(vectors)
        return self

    def add(self, documents: Collection) -> None:
        """Encode the documents and append their vectors; the encoder stays."""
        holders, new = self._holders.and_then(documents.texts())
        if new:
            vectors = self._encode_documents(new)
            if self.index.exact:
                self._hold(np.concatenate([self._vectors.cpu().numpy(), vectors]))
            else:
                self._neighbours.add(vectors)
        self._holders = holders
        self._counts["distinct_texts"] += len(new)

    def _method(self, model: "SentenceTransformer") -> "Method":
        from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
        from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
        from sentence_transformers.util import cos_sim, dot_score

        from retrievers.learning.contrastive import Method

        similarity, usual = (cos_sim, 20.0) if model.similarity_fn_name == "cosine" else (dot_score, 1.0)
        loss = MultipleNegativesRankingLoss(model, scale=self.finetuning.scale or usual, similarity_fct=similarity)
        return Method(loss, InformationRetrievalEvaluator)

    def _cut(self, model: "SentenceTransformer", tokens: int) -> None:
        limit = token_limit(model)
        if limit is not None:
            model.max_seq_length = min(limit, tokens)

    def _build(self, vectors: np.ndarray) -> None:
        self.progress("indexing", 0, 1)
        if self.index.exact:
            self._hold(vectors)
        else:
            self._neighbours = ann.build(vectors, self.index, self.seed)
        self.progress("indexing", 1, 1)

    def _hold(self, vectors: np.ndarray) -> None:
        """Keep the vectors for exact search; on the processor they stay in their file."""
        import torch

        self._blocks = even_blocks(len(vectors), self.block)
        self._vectors = torch.from_numpy(vectors).to(self.encoder.device)

    @property
    def documents(self) -> int:
        return len(self._holders.place)

    def read(self, queries: Sequence[Query]) -> np.ndarray:
        """A vector of each query."""
        return self._encode_queries([query.text for query in queries])

    @property
    def blocks(self) -> Sequence[slice]:
        return self._blocks

    @property
    def width(self) -> int:
        return super().width if self.index.exact else self.documents

    def block_scores(self, vectors: np.ndarray, number: int) -> np.ndarray:
        """Inner products, with torch: a second library's threads would wait for its own."""
        import torch

        texts = self._vectors[self._blocks[number]]
        return (torch.from_numpy(vectors).to(texts.device) @ texts.T).cpu().numpy()

    def holders_of(self, texts: np.ndarray, scores: np.ndarray) -> Hits:
        return self._holders.hits(texts, scores)

    def score(self, queries: Sequence[Query], rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        vectors = self.read(queries)
        return [self._similarities(vector, some) for vector, some in zip(vectors, rows, strict=True)]

    def _similarities(self, vector: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Of some documents; equal texts are compared once, so that they tie."""
        import torch

        texts, places = np.unique(self._holders.place[rows], return_inverse=True)
        query = torch.from_numpy(vector).to(self.encoder.device)
        return (self._vectors_of(texts) @ query).cpu().numpy()[places]

    def _vectors_of(self, texts: np.ndarray) -> "torch.Tensor":
        if not self.index.exact:
            raise BenchError("sbert keeps no exact vectors with an approximate index; take index.kind=flat")
        import torch

        return self._vectors[torch.from_numpy(texts).to(self._vectors.device)]

    def query_vectors(self, queries: Sequence[Query]) -> np.ndarray:
        return self.read(queries)

    def document_vectors(self, rows: np.ndarray) -> np.ndarray:
        vectors: np.ndarray = self._vectors_of(self._holders.place[rows]).cpu().numpy()
        return vectors

    def search_vectors(self, queries: Sequence[Query], vectors: Sequence[np.ndarray], k: int) -> Rankings:
        return self.retrieve_read(queries, np.stack(vectors).astype(np.float32), k)

    def answer(self, queries: Sequence[Query], vectors: np.ndarray, k: int) -> Rankings:
        if self.index.exact:
            return super().answer(queries, vectors, k)
        ann.tune(self._neighbours, self.index)
        found = ann.nearest(self._neighbours, vectors, k)
        return Rankings.from_hits(queries, [self._holders.hits(*hits) for hits in found])

    def _encode_queries(self, texts: list[str]) -> np.ndarray:
        encoded = self.encoder.encode_query(
            texts, prompt=self._query_prompt, batch_size=self.encoding_batch, show_progress_bar=False
        )
        return self._comparable(encoded)

    def _encode_documents(self, texts: list[str]) -> np.ndarray:
        encoded = self.encoder.encode_document(
            texts, prompt=self._document_prompt, batch_size=self.encoding_batch, show_progress_bar=False
        )
        return self._comparable(encoded)

    def _comparable(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors whose inner product is the model's similarity."""
        return _unit(vectors) if self.encoder.similarity_fn_name == "cosine" else vectors.astype(np.float32)

    @property
    def _document_limit(self) -> int | None:
        return token_limit(self.encoder)

    @property
    def _query_prompt(self) -> str:
        return prompt_of(self.encoder, self.query_prompt, "query")

    @property
    def _document_prompt(self) -> str:
        return prompt_of(self.encoder, self.document_prompt, "document", "passage", "corpus")

    @cached_property
    def _missing_prompts(self) -> str:
        folder = find_weights(self.model).folder
        return missing_prompts(self.model, folder, (self._query_prompt, self._document_prompt))

    @property
    def _dimension(self) -> int:
        return len(self._encode_documents([""])[0])

    def save(self, folder: Path) -> None:
        self._holders.save(folder)
        (folder / "counts.json").write_text(json.dumps(self._counts))
        if self.index.exact:
            np.save(folder / "vectors.npy", self._vectors.cpu().numpy())
        else:
            ann.write(self._neighbours, folder / "index.faiss")
        self._save_finetuned(folder)

    def load(self, folder: Path) -> None:
        self._load_finetuned(folder)
        self._holders = Holders.saved(folder)
        self._counts = json.loads((folder / "counts.json").read_text())
        if self.index.exact:
            self._hold(open_array(folder / "vectors.npy"))
        else:
            self._neighbours = ann.read(folder / "index.faiss")

    def weights(self) -> list[str]:
        return [self.model]

    def facts(self) -> dict[str, Any]:
        return {
            "device": str(self.encoder.device),
            "precision": str(self.encoder.dtype).removeprefix("torch."),
            "similarity": self.encoder.similarity_fn_name,
            "pooling": self._pooled,
            "dimension": self._dimension,
            "max_tokens": token_limit(self.encoder),
            "query_prompt": self._query_prompt,
            "document_prompt": self._document_prompt,
            **({"prompts": self._missing_prompts} if self._missing_prompts else {}),
            "search": "exact" if self.index.exact else "approximate",
            "scores": "approximate" if self.index.kind == "ivf-pq" else "exact",
            **self._counts,
            **self._finetune_facts(),
        }


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors of length 1 in float32; a vector of zeros stays as it is."""
    vectors = vectors.astype(np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
