"""What the generative retrievers share: a model that learns to write the identifier of the document that answers."""

import json
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection, Query
from bench.models import MINILM, ModelOptions, pick_device, pick_dtype
from bench.rankings import Rankings
from bench.retriever import Retriever
from retrievers.generative.docids import Identifiers, centroids
from retrievers.generative.examples import (
    Example,
    Examples,
    ReadingOptions,
    Tokens,
    document_parts,
    held_out,
    training_queries,
)
from retrievers.generative.options import BeamOptions, DecoderOptions, TrainingOptions
from retrievers.generative.pseudo_queries import PseudoQueryOptions, write_pseudo_queries
from retrievers.generative.teacher import Teacher, TeacherOptions, keep_found, with_lists

if TYPE_CHECKING:
    from torch import Tensor

    from retrievers.generative.decoder import Encoded
    from retrievers.generative.encoders import TextEncoder
    from retrievers.learning.training import Batch

_TOKENS_READ = 256
"""A document's vector is the mean state of so many tokens from its beginning, the marks around it included."""


@dataclass(frozen=True)
class Named:
    """The documents' identifiers.

    words: where they are text, the encoder's tokens that token 0, 1, ... of every level stand for
    text: the whole texts, where the model writes only what distinguishes them
    """

    identifiers: Identifiers
    words: tuple[int, ...] | None = None
    text: Identifiers | None = None

    @property
    def model_words(self) -> tuple[int, ...] | None:
        """The words that the model writes, if it writes text."""
        return self.words if self.text is self.identifiers else None

    def save(self, folder: Path) -> None:
        """Write arrays: the identifiers, and for text the words and whole texts."""
        self.identifiers.save(folder)
        if self.text is not None:
            np.save(folder / "words.npy", np.array(self.words))
            (folder / "text").mkdir()
            self.text.save(folder / "text")

    @classmethod
    def load(cls, folder: Path) -> "Named":
        """Read what `save` wrote."""
        identifiers = Identifiers.load(folder)
        if not (folder / "text").is_dir():
            return cls(identifiers)
        text = Identifiers.load(folder / "text")
        whole = np.array_equal(text.tokens, identifiers.tokens)
        words = tuple(np.load(folder / "words.npy", allow_pickle=False).tolist())
        return cls(text if whole else identifiers, words, text)


class GenerativeRetriever(
    TeacherOptions,
    PseudoQueryOptions,
    ReadingOptions,
    TrainingOptions,
    BeamOptions,
    DecoderOptions,
    ModelOptions,
    Retriever,
):
    """Encoder, decoder, identifiers and beams; a subclass says how documents are named and what is read of them."""

    family = "generative"

    model: str = Field(
        MINILM, description="name or folder of an encoder, which gets a new decoder, or of an encoder-decoder (T5)"
    )
    start: Literal["centroids", "random"] = Field(
        "centroids", description="head=prefix: output vectors begin as the mean vectors of the documents below"
    )
    encoder_weights: Literal["auto", "frozen", "tuned"] = Field(
        "auto", description="frozen: states are kept; tuned: learned too; auto: tuned on a GPU. T5 is always tuned"
    )

    document_prompt: ClassVar[str] = ""
    query_prompt: ClassVar[str] = ""

    @property
    def trained(self) -> bool:
        return True

    @abstractmethod
    def name_documents(self, collection: Collection, vectors: np.ndarray) -> Named:
        """Identifiers for all documents, whose vectors are of shape [documents, dimension]."""

    def read_parts(self, collection: Collection) -> list[Example]:
        """What is read of the documents."""
        return document_parts(
            collection, self, self.encoder.tokens_of, self.seed, lambda: self.pseudo_queries_of(collection)
        )

    def pseudo_queries_of(self, collection: Collection) -> Mapping[int, Sequence[str]]:
        """Some queries that each document might answer, by row."""
        return write_pseudo_queries(
            self, self.encoder, collection, self.training_split, self.seed, self.workplace, self.progress
        )

    @cached_property
    def encoder(self) -> "TextEncoder":
        """The encoder, opened on first use."""
        from retrievers.generative.encoders import TextEncoder

        precision = "float32" if self._tunes_an_encoder else self.precision
        return TextEncoder.open(self.model, ModelOptions(device=self.device, precision=precision))

    @property
    def _tunes_an_encoder(self) -> bool:
        """Then its weights are kept in float32, whatever is computed in."""
        on_gpu = pick_device(self.device) != "cpu"
        return self.encoder_weights == "tuned" or (self.encoder_weights == "auto" and on_gpu)

    def _query_tokens(self, texts: Sequence[str]) -> list[Tokens]:
        return self.encoder.tokens_of(texts, self.part_tokens)

    def fit(self, collection: Collection) -> None:
        vectors = self._document_vectors(collection)
        self.progress("naming documents", 0, 1)
        named = self.name_documents(collection, vectors)
        self._hold(named, vectors)
        queries = training_queries(collection, self.training_split, self._query_tokens)
        learned, kept = held_out(queries, self.held_out, self.seed)
        self._train(*self._examples(collection, learned), kept)

    def _examples(self, collection: Collection, queries: Sequence[Example]) -> tuple[Examples, dict[str, Any]]:
        """What is learned, and counts of it."""
        parts = self.read_parts(collection)
        counts: dict[str, Any] = {"training_queries": len(queries), "document_parts": len(parts)}
        if self.filter != "none":
            teacher = Teacher(self.filter, self.teacher_model, collection, self.progress)
            parts = keep_found(parts, self._texts_of(parts), teacher, self.filter_depth)
            counts["parts_that_the_teacher_found"] = len(parts)
        examples = Examples.of(queries, parts)
        if self.distil:
            teacher = Teacher(self.distil_teacher, self.teacher_model, collection, self.progress)
            examples = with_lists(examples, self._texts_of([*queries, *parts]), teacher, self.distil_depth)
        return examples, counts

    def _texts_of(self, examples: Sequence[Example]) -> list[str]:
        return self.encoder.tokenizer.batch_decode([example.tokens for example in examples])

    def _prompted(self, examples: Examples) -> list[Tokens]:
        """The texts as the model reads them, after what says whether they are queries."""
        query, document = self.encoder.tokens_of([self.query_prompt, self.document_prompt])
        return [(query if n < examples.queries else document) + tokens for n, tokens in enumerate(examples.tokens)]

    def _document_vectors(self, collection: Collection) -> np.ndarray:
        """The mean state of each document's beginning, of unit length; shape [documents, dimension]."""
        folder = self.workplace.shared(
            {"vectors": self.encoder.weights, "of": collection.fingerprint, "tokens read": _TOKENS_READ},
            lambda folder: self._write_vectors(folder, collection),
        )
        return np.load(folder / "vectors.npy", allow_pickle=False)

    def _write_vectors(self, folder: Path, collection: Collection) -> None:
        vectors = np.zeros((len(collection), self.encoder.dimension), dtype=np.float32)

        def take(row: int, states: "Tensor") -> None:
            mean = states.mean(dim=0)
            vectors[row] = (mean / mean.norm().clamp(min=1e-12)).cpu().numpy()

        tokens = self.encoder.tokens_of(collection.texts(), _TOKENS_READ - self.encoder.marks)
        self.encoder.read_once(tokens, take, self.workplace, self.progress)
        np.save(folder / "vectors.npy", vectors)

    def _hold(self, named: Named, vectors: np.ndarray | None) -> None:
        """Build the model that names the documents; without `vectors` its weights are about to be loaded."""
        import torch

        from retrievers.generative.model import IdentifierModel, is_tuned

        self._named = named
        trie = named.identifiers.trie()
        start = None
        if self.head == "prefix" and self.start == "centroids":
            start = torch.zeros(trie.states, self.encoder.dimension)
            if vectors is not None:
                start = torch.from_numpy(centroids(trie, vectors))
        self._model = IdentifierModel(
            self.encoder,
            trie.on(self.encoder.device),
            self,
            tuned=is_tuned(self.encoder, self.encoder_weights),
            vectors=start,
            words=named.model_words,
            seed=self.seed,
        )

    def _train(self, examples: Examples, counts: dict[str, Any], kept: Sequence[Example]) -> None:
        import torch

        from retrievers.learning.training import Course, batches_by_length, chosen_epoch, train

        tokens = self._prompted(examples)
        lengths = np.array(list(map(len, tokens)))
        read = self._reader(tokens)
        targets = torch.from_numpy(self._named.identifiers.tokens.astype(np.int64)).to(self.encoder.device)

        def epoch(generator: np.random.Generator) -> "list[Batch]":
            texts, rows = examples.epoch(self.ratio, self.distil, generator)
            return [(texts[part], rows[part]) for part in batches_by_length(lengths[texts], self.training_batch)]

        def loss(batch: "Batch") -> "Tensor":
            texts, rows = batch
            return self._model.loss(read(texts), targets[rows], self.label_smoothing)

        with torch.random.fork_rng():
            course = Course(
                epoch,
                loss,
                evaluate=self._evaluation(kept) if kept else None,
                options=self,
                seed=self.seed,
                bfloat16=self._model.tuned and pick_dtype(self.precision, self.encoder.device.type) == torch.bfloat16,
            )
            history = train(self._model, course, self.workplace, self.progress)
        self._counts = {**counts, "held_out_queries": len(kept), "history": history, "chosen": chosen_epoch(history)}

    def _reader(self, tokens: Sequence[Tokens]) -> "Callable[[np.ndarray], Encoded]":
        """Gives the states of some of the texts: those kept of a frozen encoder, else new ones."""
        from retrievers.generative.encoders import kept_states

        if self._model.tuned:
            return lambda numbers: self.encoder([tokens[number] for number in numbers])
        return kept_states(self.encoder, tokens, self.workplace, self.progress)

    def _evaluation(self, kept: Sequence[Example]) -> "Callable[[], dict[str, float]]":
        """Measures how the model answers held-out queries."""
        from retrievers.learning.training import held_out_figures

        relevant: dict[tuple[int, ...], set[int]] = {}
        for tokens, row in kept:
            relevant.setdefault(tuple(tokens), set()).add(row)
        asked = list(map(list, relevant))

        def evaluate() -> dict[str, float]:
            ranks = [
                next((rank for rank, row in enumerate(rows[:10], start=1) if row in wanted), np.inf)
                for (rows, _), wanted in zip(self._answers(asked), relevant.values(), strict=True)
            ]
            return held_out_figures(ranks)

        return evaluate

    def _answers(self, tokens: Sequence[Tokens], k: int = 10) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Document rows and log-probabilities for each query, best first."""
        import torch

        from retrievers.generative.beam import Validity, items_of

        self._validity = Validity()
        (prompt,) = self.encoder.tokens_of([self.query_prompt])
        tokens = [prompt + text for text in tokens]
        for start in range(0, len(tokens), self.batch_size):
            with torch.no_grad():
                encoded = self.encoder(tokens[start : start + self.batch_size])
            beams = self._model.answer(encoded, self)
            self._validity += Validity.of(beams, self._model.tables.trie, k)
            yield from items_of(beams, self._model.tables.trie)

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        tokens = self._query_tokens([query.text for query in queries])
        hits = []
        for rows, log_probs in self._answers(tokens, k):
            hits.append((rows[:k], log_probs[:k]))
            self.progress("retrieving", len(hits), len(queries))
        return Rankings.from_hits(queries, hits)

    def answer_facts(self) -> dict[str, Any]:
        return {f"{name} answers": rate for name, rate in self._validity.rates().items()}

    def docids(self) -> Sequence[tuple[str, ...]]:
        shown = self._named.text or self._named.identifiers
        return [self._spelled(row[row >= 0].tolist()) for row in shown.tokens]

    def _spelled(self, tokens: Sequence[int]) -> tuple[str, ...]:
        if self._named.words is None:
            return tuple(map(str, tokens))
        words = [self._named.words[token] for token in tokens if token]  # 0 ends a text
        return tuple(self.encoder.tokenizer.convert_ids_to_tokens(words))

    def save(self, folder: Path) -> None:
        from safetensors.torch import save_file

        from retrievers.learning.training import storable

        self._named.save(folder)
        save_file(storable(self._model.learned()), folder / "model.safetensors")
        (folder / "facts.json").write_text(json.dumps(self._counts))

    def load(self, folder: Path) -> None:
        from safetensors.torch import load_file

        self._hold(Named.load(folder), None)
        self._model.restore(load_file(folder / "model.safetensors"))
        self._model.eval()
        self._counts = json.loads((folder / "facts.json").read_text())

    def weights(self) -> list[str]:
        taught = self.filter != "none" or self.distil > 0
        return [self.model, *filter(None, [self.teacher_model if taught else "", self.doc2query])]

    def facts(self) -> dict[str, Any]:
        tables = self._model.tables
        return {
            "device": str(self.encoder.device),
            "precision": str(self.encoder.model.dtype).removeprefix("torch."),
            "encoder": "tuned" if self._model.tuned else "frozen",
            "parameters_learned": sum(weight.numel() for weight in self._model.learned().values()),
            "identifier_levels": tables.levels,
            "identifiers": tables.trie.groups,
            "largest_group": int(np.diff(tables.trie.group_indptr).max()),
            **self._counts,
        }
