"""Late interaction with one vector per token (ColBERT, Khattab and Zaharia 2020)."""

import json
import string
import tempfile
from collections.abc import Sequence
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, field_validator

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.hits import Evidence
from bench.models import MINILM, open_model, token_encoder
from bench.options import Options
from bench.rankings import Rankings
from retrievers.dense import ann
from retrievers.encoding import (
    DistinctTexts,
    Encode,
    FullWindows,
    Holders,
    check_length,
    none_or_at_least,
    open_array,
    prompt_of,
    refuse_textless,
    scratch_array,
)
from retrievers.late_interaction.checkpoints import (
    document_tokens,
    is_checkpoint,
    query_expansion,
    query_tokens,
    set_lengths,
)
from retrievers.late_interaction.maxsim import even_blocks, maxsim
from retrievers.late_interaction.pruning import maxsim_of_likely, pays
from retrievers.learning.finetuning import FineTuned
from retrievers.sharding import Hits, Sharded, whole_unless_exact

if TYPE_CHECKING:
    import torch
    from sentence_transformers import MultiVectorEncoder

    from retrievers.learning.contrastive import Method

_GIGABYTE = 10**9
_USUAL_QUERY_TOKENS = 32.0


class TokenIndexOptions(Options):
    """Which documents are scored."""

    kind: Literal["exact", "candidates"] = Field(
        "exact", description="score every document, or those with a token near to one of the query's"
    )
    candidates_per_token: int = Field(256, ge=1, description="candidates: document tokens found per query token")
    lists: int = Field(0, ge=0, description="candidates: number of inverted lists; 0: 4 times the root of the tokens")
    probes: int = Field(16, ge=1, description="candidates: lists that a query token visits")

    @property
    def exact(self) -> bool:
        """Whether every document is scored."""
        return self.kind == "exact"


class ColBERT(Sharded, FineTuned):
    """MaxSim over token vectors, of a late-interaction checkpoint or of any encoder as it is.

    A checkpoint of sentence-transformers, PyLate or Stanford's ColBERT keeps its markers, query augmentation,
    lengths, projection and skip list. Of a plain encoder the normalised token vectors are compared as they are.
    Document tokens that are skipped or that only pad a batch have no vector, so they never win.
    `finetuning.method=pairwise` is ColBERT's own training (section 3.3): softmax cross-entropy over a relevant
    document and a mined one. The others compare with the whole batch's documents.
    """

    family = "late interaction"

    block: ClassVar[int] = 2**15
    """About as many texts are scored one after the other before the best are kept."""
    cells: ClassVar[int] = 2**25

    model: str = Field(MINILM, description="name on the Hugging Face hub, or folder, of a checkpoint or encoder")
    max_tokens: int = Field(0, ge=0, description="tokens after which a document is cut; 0: the model's")
    max_query_tokens: int = Field(0, ge=0, description="tokens of a query, with augmentation if any; 0: the model's")
    query_prompt: str | None = Field(None, description="text put before each query; none: as the model does")
    document_prompt: str | None = Field(None, description="text put before each document; none: as the model does")
    skip_punctuation: bool = Field(True, description="plain encoders: leave out documents' punctuation tokens")
    index: TokenIndexOptions = Field(default_factory=TokenIndexOptions, description="which documents are scored")
    storage: Literal["float32", "float16"] = Field("float32", description="number format of the stored vectors")
    max_index_gb: float = Field(16, gt=0, description="exact: refuse token vectors beyond this many gigabytes")

    _whole = field_validator("index")(whole_unless_exact)
    _room = field_validator("max_tokens", "max_query_tokens")(none_or_at_least(3))

    @property
    def deterministic(self) -> bool:
        return self.index.exact and not self.trained

    @cached_property
    def encoder(self) -> "MultiVectorEncoder":
        """The model, opened on first use; after fine-tuning with its new weights."""
        return self._open(self.model)

    def _open(self, name: str) -> "MultiVectorEncoder":
        from sentence_transformers import MultiVectorEncoder

        skipped = list(string.punctuation) if self.skip_punctuation else []
        load = MultiVectorEncoder if is_checkpoint(name) else partial(token_encoder, skipped=skipped)
        encoder = open_model(load, name, self)
        set_lengths(encoder, self.max_tokens, self.max_query_tokens)
        for tokens in (document_tokens(encoder), query_tokens(encoder)):
            check_length(encoder, name, tokens)
        return encoder

    def fit(self, collection: Collection) -> Self:
        refuse_textless(collection)
        texts = DistinctTexts(collection.texts())
        if self.trained:
            self.encoder = self._open(self.model)
            self._finetune(collection, texts)
        full = FullWindows()
        with tempfile.TemporaryFile() as file:
            with self._document_encoder(texts, full) as encode:
                lengths = self._write_vectors(texts, encode, file)
            order = np.argsort(lengths, kind="stable")
            self._sort_vectors(file, lengths, order)
        self._holders = Holders(texts.place, texts.digests).renumbered(order)
        self._counts = {"distinct_texts": len(texts), "texts_at_max_tokens": full.count}
        self._index_candidates()
        return self

    def _method(self, model: "MultiVectorEncoder") -> "Method":
        from sentence_transformers.multi_vector_encoder import losses, scoring
        from sentence_transformers.multi_vector_encoder.evaluation import MultiVectorInformationRetrievalEvaluator

        from retrievers.learning.contrastive import Method

        loss: torch.nn.Module
        mean = model.similarity_fn_name == "meanmaxsim"
        scale = self.finetuning.scale or (_USUAL_QUERY_TOKENS if mean else 1.0)
        if self.finetuning.method == "pairwise":
            similarity = scoring.mean_colbert_kd_scores if mean else scoring.colbert_kd_scores
            loss = losses.MultiVectorDistillKLDivLoss(
                model, similarity_fct=similarity, student_temperature=1 / scale, teacher_temperature=1.0
            )
        else:
            similarity = scoring.mean_colbert_scores if mean else scoring.colbert_scores
            loss = losses.MultiVectorMultipleNegativesRankingLoss(model, scale=scale, similarity_fct=similarity)
        return Method(loss, MultiVectorInformationRetrievalEvaluator)

    def _cut(self, model: "MultiVectorEncoder", tokens: int) -> None:
        set_lengths(model, min(document_tokens(model) or tokens, tokens))

    def _write_vectors(self, texts: DistinctTexts, encode: Encode[list[np.ndarray]], file: Any) -> np.ndarray:
        """Append each text's vectors to the file. Returns how many each has, shape [texts].

        A text that has no more vectors than the empty text has nothing but markers: it gets none.
        """
        lengths: list[int] = []
        size = 0
        markers = len(self._encode_documents([""])[0])
        for part in texts.encode(encode, self.encoding_batch, self.progress):
            own = [vectors if len(vectors) > markers else vectors[:0] for vectors in part]
            lengths += map(len, own)
            data = np.concatenate(own).astype(self.storage).tobytes()
            file.write(data)
            size += len(data)
            if self.index.exact and size > self.max_index_gb * _GIGABYTE:
                raise BenchError(
                    f"the vectors of {len(lengths)} of {len(texts)} texts need more than {self.max_index_gb:g} GB; "
                    "raise colbert.max_index_gb, or set storage=float16 or index.kind=candidates"
                )
        if not size:
            raise BenchError(f"no document has a token beside the markers of '{self.model}'; raise max_tokens")
        file.flush()
        return np.array(lengths)

    def _sort_vectors(self, file: Any, lengths: np.ndarray, order: np.ndarray) -> None:
        """Copy the vectors so that texts with few come first, as `maxsim` wants them."""
        written = np.memmap(file, dtype=self.storage, mode="r").reshape(lengths.sum(), -1)
        starts = np.cumsum(lengths) - lengths
        self._vectors = scratch_array(written.shape, self.storage)
        self._divide(np.concatenate([[0], np.cumsum(lengths[order])]))
        for text, start, stop in zip(order, self._offsets[:-1], self._offsets[1:], strict=True):
            self._vectors[start:stop] = written[starts[text] : starts[text] + lengths[text]]

    def _index_candidates(self) -> None:
        if not self.index.exact:
            self.progress("indexing", 0, 1)
            self._token_index = ann.ivf_bytes(self._vectors, self.index.lists, self.seed)
            self.progress("indexing", 1, 1)

    def add(self, documents: Collection) -> None:
        """Encode the documents and sort their vectors in among the others, by length."""
        holders, new_texts = self._holders.and_then(documents.texts())
        markers = len(self._encode_documents([""])[0])
        new = [one if len(one) > markers else one[:0] for one in self._encode_documents(new_texts)]
        there = [self._vectors[first:last] for first, last in pairwise(self._offsets.tolist())]
        every = [*there, *(one.astype(self.storage) for one in new)]
        lengths = np.array(list(map(len, every)))
        order = np.argsort(lengths, kind="stable")
        self._vectors = np.concatenate([every[text] for text in order])
        self._divide(np.concatenate([[0], np.cumsum(lengths[order])]))
        self._holders = holders.renumbered(order)
        self._counts["distinct_texts"] += len(new)
        self._index_candidates()

    @property
    def documents(self) -> int:
        return len(self._holders.place)

    def _divide(self, offsets: np.ndarray) -> None:
        """Take the offsets of the texts' vectors, and make blocks of texts."""
        self._offsets = offsets
        self._blocks = even_blocks(offsets, max(self.shards, len(offsets) // self.block))

    @property
    def blocks(self) -> Sequence[slice]:
        return self._blocks

    def block_scores(self, queries: Sequence[np.ndarray], number: int) -> np.ndarray:
        return self._similarities(queries, self._vectors, self._offsets_of(number))

    def best_scores(self, queries: Sequence[np.ndarray], number: int, k: int) -> np.ndarray:
        offsets = self._offsets_of(number)
        if not pays(queries, offsets, k, str(self.encoder.device)):
            return self.block_scores(queries, number)
        return self._averaged(queries, maxsim_of_likely(queries, self._vectors, offsets, k))

    def _offsets_of(self, number: int) -> np.ndarray:
        block = self._blocks[number]
        return self._offsets[block.start : block.stop + 1]

    def holders_of(self, texts: np.ndarray, scores: np.ndarray) -> Hits:
        return self._holders.hits(texts, scores)

    def answer(self, queries: Sequence[Query], read: Sequence[Query], k: int) -> Rankings:
        encoded = self._encode_queries([query.text for query in read])
        if self.index.exact:
            return super().answer(queries, encoded, k)
        self._token_index.nprobe = self.index.probes
        return Rankings.from_hits(queries, [self._near(vectors) for vectors in encoded])

    def score(self, queries: Sequence[Query], rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        encoded = self._encode_queries([query.text for query in queries])
        return [self._score_rows(vectors, some) for vectors, some in zip(encoded, rows, strict=True)]

    def _score_rows(self, query: np.ndarray, rows: np.ndarray) -> np.ndarray:
        texts, places = np.unique(self._holders.place[rows], return_inverse=True)
        return self._score_texts(query, texts)[places]

    def query_vectors(self, queries: Sequence[Query]) -> list[np.ndarray]:
        return self._encode_queries([query.text for query in queries])

    def document_vectors(self, rows: np.ndarray) -> list[np.ndarray]:
        texts = self._holders.place[rows]
        spans = zip(self._offsets[texts], self._offsets[texts + 1], strict=True)
        return [self._vectors[start:stop].astype(np.float32) for start, stop in spans]

    def explain(self, query: Query, rows: np.ndarray, texts: Sequence[str]) -> list[list[Evidence]]:
        """For each token of the query the document's nearest one, in the order of the query."""
        (asked,) = self.query_vectors([query])
        tokens = self._tokens(query.text, self._query_prompt, "query")
        shared = 1 / max(1, len(asked)) if self.encoder.similarity_fn_name == "meanmaxsim" else 1.0
        found = []
        for text, vectors in zip(texts, self.document_vectors(rows), strict=True):
            similar = asked @ vectors.T
            theirs = self._tokens(text, self._document_prompt, "document")
            pairs = zip(tokens, similar.argmax(axis=1).tolist(), similar.max(axis=1).tolist(), strict=True)
            found.append([Evidence(f"{own} ~ {theirs[best]}", value * shared) for own, best, value in pairs])
        return found

    def _tokens(self, text: str, prompt: str, task: str) -> list[str]:
        """The tokens of a text that have a vector."""
        import torch

        features = self.encoder.preprocess([text], prompt=prompt, task=task)
        (ids,) = features["input_ids"]
        moved = {name: one.to(self.encoder.device) for name, one in features.items() if isinstance(one, torch.Tensor)}
        with torch.inference_mode():
            (kept,) = self.encoder({**features, **moved}, task=task)["attention_mask"].bool().cpu()
        spelled: list[str] = self.encoder.tokenizer.convert_ids_to_tokens(ids[kept].tolist())
        return spelled

    def _near(self, query: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows and scores of the documents that hold a token near to one of the query's."""
        near = [tokens for tokens, _ in ann.nearest(self._token_index, query, self.index.candidates_per_token)]
        texts = np.unique(np.searchsorted(self._offsets, np.concatenate(near), side="right") - 1)
        return self._holders.hits(texts, self._score_texts(query, texts))

    def _score_texts(self, query: np.ndarray, texts: np.ndarray) -> np.ndarray:
        """Shape [texts]: of some texts in ascending order, which have ever more tokens."""
        if not len(texts):
            return np.zeros(0, dtype=np.float32)
        lengths = np.diff(self._offsets)[texts]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        rows = np.arange(offsets[-1]) + np.repeat(self._offsets[texts] - offsets[:-1], lengths)
        return self._similarities([query], self._vectors[rows], offsets)[0]

    def _similarities(self, queries: Sequence[np.ndarray], vectors: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        return self._averaged(queries, maxsim(queries, vectors, offsets, self.encoder.device))

    def _averaged(self, queries: Sequence[np.ndarray], scores: np.ndarray) -> np.ndarray:
        """Sums over tokens, or their means where the checkpoint takes these."""
        if self.encoder.similarity_fn_name == "meanmaxsim":
            scores /= np.array([[max(len(query), 1)] for query in queries], dtype=np.float32)
        return scores

    def _encode_queries(self, texts: list[str]) -> list[np.ndarray]:
        encoded: Any = self.encoder.encode_query(texts, prompt=self._query_prompt, **self._encode_arguments)
        return encoded

    def _encode_documents(self, texts: list[str]) -> list[np.ndarray]:
        encoded: Any = self.encoder.encode_document(texts, prompt=self._document_prompt, **self._encode_arguments)
        return encoded

    @property
    def _encode_arguments(self) -> dict[str, Any]:
        return {"batch_size": self.encoding_batch, "show_progress_bar": False, "convert_to_numpy": True}

    @property
    def _document_limit(self) -> int | None:
        return document_tokens(self.encoder)

    @property
    def _query_prompt(self) -> str:
        return prompt_of(self.encoder, self.query_prompt, "query")

    @property
    def _document_prompt(self) -> str:
        return prompt_of(self.encoder, self.document_prompt, "document", "passage", "corpus")

    def save(self, folder: Path) -> None:
        np.save(folder / "tokens.npy", self._vectors)
        np.save(folder / "offsets.npy", self._offsets)
        self._holders.save(folder)
        (folder / "counts.json").write_text(json.dumps(self._counts))
        if not self.index.exact:
            ann.write(self._token_index, folder / "index.faiss")
        self._save_finetuned(folder)

    def load(self, folder: Path) -> None:
        self._load_finetuned(folder)
        self._vectors = open_array(folder / "tokens.npy")
        self._divide(np.load(folder / "offsets.npy", allow_pickle=False))
        self._holders = Holders.saved(folder)
        self._counts = json.loads((folder / "counts.json").read_text())
        if not self.index.exact:
            self._token_index = ann.read(folder / "index.faiss")

    def weights(self) -> list[str]:
        return [self.model]

    def facts(self) -> dict[str, Any]:
        lengths = np.diff(self._offsets)[self._holders.place]
        return {
            "device": str(self.encoder.device),
            "precision": str(self.encoder.dtype).removeprefix("torch."),
            "checkpoint": "late interaction" if is_checkpoint(self.model) else "plain encoder",
            "similarity": self.encoder.similarity_fn_name,
            "dimension": self._vectors.shape[1],
            "query_prompt": self._query_prompt,
            "document_prompt": self._document_prompt,
            "query_tokens": query_tokens(self.encoder),
            "query_expansion": query_expansion(self.encoder),
            "document_tokens": document_tokens(self.encoder),
            "bytes_per_token": self._vectors.itemsize * self._vectors.shape[1],
            "tokens_per_document": float(lengths.mean()),
            "documents_without_tokens": int((lengths == 0).sum()),
            **self._counts,
            **self._finetune_facts(),
        }
