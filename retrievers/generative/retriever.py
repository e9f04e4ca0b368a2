"""What the generative retrievers share: a model that learns to write the identifier of the document that answers."""

import json
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.hits import Evidence
from bench.models import MINILM, ModelOptions, Precision, pick_dtype
from bench.protocols import Scored, Trace
from bench.rankings import Rankings
from bench.retriever import Retriever
from bench.workplace import Workplace
from retrievers.encoding import refuse_textless
from retrievers.generative.examples import (
    Example,
    Examples,
    ReadingOptions,
    Tokens,
    document_parts,
    gathered,
    learned_and_kept,
    queries_to_learn,
)
from retrievers.generative.naming import Named
from retrievers.generative.options import BeamOptions, DecoderOptions, DocumentTrainingOptions
from retrievers.generative.pseudo_queries import PseudoQueryOptions, write_pseudo_queries
from retrievers.generative.teacher import Distribution, Lists, Teacher, TeacherOptions, keep_found
from retrievers.sharding import best

if TYPE_CHECKING:
    from torch import Tensor

    from retrievers.generative.decoder import Encoded
    from retrievers.generative.encoders import TextEncoder
    from retrievers.generative.fitting import Lesson
    from retrievers.generative.heads import Codebooks, Start
    from retrievers.generative.projection import Projection
    from retrievers.generative.trie import Trie


class GenerativeRetriever(ModelOptions, Retriever):
    """Encoder, decoder, identifiers and beams; a subclass says how documents are named and what is read of them."""

    family = "generative"

    model: str = Field(
        MINILM, description="name or folder of an encoder, which gets a new decoder, or of an encoder-decoder (T5)"
    )
    start: Literal["second-order", "centroids", "random"] = Field(
        "second-order",
        description="head=prefix: output vectors begin as the mean and the spread of the vectors of the documents "
        "below, as their mean alone, or at random; head=additive: as codebooks of these vectors, or at random",
    )
    start_vectors: Literal["encoder", "projection"] = Field(
        "encoder", description="whose vectors of documents: the encoder's, or after a map that training queries teach"
    )
    spread_rank: int = Field(32, ge=1, le=4096, description="start=second-order: directions in which they spread")
    encoder_weights: Literal["auto", "frozen", "tuned"] = Field(
        "auto", description="frozen: states are kept; tuned: learned too; auto: frozen, but T5, which is always tuned"
    )
    decoder: DecoderOptions = Field(default_factory=DecoderOptions, description="what writes the identifiers")
    beams: BeamOptions = Field(default_factory=BeamOptions, description="how identifiers are searched for")
    training: DocumentTrainingOptions = Field(
        default_factory=DocumentTrainingOptions, description="how the model is trained"
    )
    reading: ReadingOptions = Field(default_factory=ReadingOptions, description="what is read of a document")
    pseudo_queries: PseudoQueryOptions = Field(
        default_factory=PseudoQueryOptions, description="queries that a document might answer"
    )
    teacher: TeacherOptions = Field(default_factory=TeacherOptions, description="a system that is learned from")

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
            collection, self.reading, self.encoder.tokens_of, self.seed, lambda: self.pseudo_queries_of(collection)
        )

    def pseudo_queries_of(self, collection: Collection) -> Mapping[int, Sequence[str]]:
        """Some queries that each document might answer, by row."""
        to_learn = partial(queries_to_learn, collection, self.training, self._query_tokens, self.seed)
        return write_pseudo_queries(
            self.pseudo_queries, self.encoder, collection, to_learn, self.seed, self.workplace, self.progress
        )

    @cached_property
    def encoder(self) -> "TextEncoder":
        """The encoder, opened on first use."""
        import torch

        from retrievers.generative.model import is_tuned

        encoder = self._opened(self.precision)
        if not is_tuned(encoder, self.encoder_weights) or encoder.model.dtype == torch.float32:
            return encoder
        return self._opened("float32")  # weights that learn are kept in it, whatever is computed in

    def _opened(self, precision: Precision) -> "TextEncoder":
        from retrievers.generative.encoders import TextEncoder

        encoder = TextEncoder.open(self.model, ModelOptions(device=self.device, precision=precision))
        prompts = encoder.tokens_of([self.query_prompt, self.document_prompt])
        encoder.refuse_longer(self.model, self.reading.longest + max(map(len, prompts)))
        return encoder

    def fit(self, collection: Collection) -> Self:
        refuse_textless(collection)
        if not self.encoder.as_opened:
            del self.encoder  # opened anew: what an earlier fit has taught it is no beginning
        learned, kept = learned_and_kept(collection, self.training, self._query_tokens, self.seed)
        vectors = self._document_vectors(collection)
        projection = None
        if self.start_vectors == "projection" or self.teacher.projects:
            projection = self._learn_projection(vectors, learned, kept)
        self.progress("naming documents", 0, 1)
        if projection and self.start_vectors == "projection":
            vectors = projection.vectors()
            self._hold(self.name_documents(collection, vectors), vectors, projection.map.weight.detach())
        else:
            self._hold(self.name_documents(collection, vectors), vectors)
        parts = self.read_parts(collection)
        counts = {"training_queries": len(learned), "document_parts": len(parts), "held_out_queries": len(kept)}
        self._counts: dict[str, Any] = counts
        if self.teacher.filter != "none":
            if not parts:
                raise BenchError(
                    "teacher.filter chooses among parts, and there are none but spans; give reading.parts"
                )
            teacher = self._teacher(self.teacher.filter, collection)
            parts = keep_found(parts, self._texts_of(parts), teacher, self.teacher.filter_depth)
            self._counts["parts_that_the_teacher_found"] = len(parts)
        examples = gathered(learned, parts, self.reading, lambda: self.encoder.beginnings(collection))
        self._train(examples, kept, self._distribution(collection, examples, projection))
        return self

    def _document_vectors(self, collection: Collection) -> np.ndarray:
        """What identifiers are made of, shape [documents, dimension]: read before the encoder has learned."""
        from retrievers.generative.encoders import mean_vectors

        encoder = self.encoder if self.encoder.as_opened else self._opened(self.precision)
        return mean_vectors(encoder, collection, self.workplace, self.progress)

    def _learn_projection(self, vectors: np.ndarray, learned: list[Example], kept: list[Example]) -> "Projection":
        from retrievers.generative.model import is_tuned
        from retrievers.generative.projection import learn_projection

        if is_tuned(self.encoder, self.encoder_weights):
            raise BenchError(
                "a projection needs an encoder that stays as it is; set encoder_weights=frozen, or "
                "start_vectors=encoder and teacher.distil_teacher=sbert"
            )
        return learn_projection(self.encoder, vectors, learned, kept, self.seed, self.workplace, self.progress)

    def _distribution(
        self, collection: Collection, examples: Examples, projection: "Projection | None"
    ) -> Distribution | None:
        """What the teacher says of the examples, if there is one."""
        options = self.teacher
        if not options.distil:
            return None
        if options.distil_teacher == "projection":
            return projection.distribution if projection else None
        teacher = self._teacher(options.distil_teacher, collection)
        whole = [Example(examples.tokens[text], 0) for text in range(examples.whole)]
        return Lists.of(examples, self._texts_of(whole), teacher, options.distil_depth, len(collection))

    def _teacher(self, kind: Literal["sbert", "colbert"], collection: Collection) -> Teacher:
        return Teacher(kind, self.teacher.model, self.device, collection, self.progress)

    def _query_tokens(self, texts: Sequence[str]) -> list[Tokens]:
        return self.encoder.tokens_of(texts, self.reading.query_tokens)

    def _tokens_of(self, queries: Sequence[Query]) -> list[Tokens]:
        return self._query_tokens([query.text for query in queries])

    def _asked(self, tokens: Sequence[Tokens]) -> list[Tokens]:
        """Queries as the model reads them, after what says that they are queries."""
        return [self._prompts[0] + text for text in tokens]

    def _texts_of(self, examples: Sequence[Example]) -> list[str]:
        return self.encoder.tokenizer.batch_decode([example.tokens for example in examples])

    @cached_property
    def _prompts(self) -> list[Tokens]:
        """What stands before a query and before a part of a document."""
        return self.encoder.tokens_of([self.query_prompt, self.document_prompt])

    def _prompted(self, examples: Examples) -> Examples:
        """The texts as the model reads them, after what says whether they are queries; a span says nothing."""
        query, document = self._prompts
        whole = examples.tokens[: examples.whole]
        read = [(query if n < examples.queries else document) + text for n, text in enumerate(whole)]
        return replace(examples, tokens=[*read, *examples.tokens[examples.whole :]])

    def _hold(self, named: Named, vectors: np.ndarray | None, turn: "Tensor | None" = None) -> None:
        """Build the model that names the documents; without `vectors` its weights are about to be loaded.

        `turn` maps queries to where the vectors are, if it is given.
        """
        from retrievers.generative.model import IdentifierModel, is_tuned

        if self.encoder.generates and self.beams.normalise == "none":
            raise BenchError("normalise=none adds logits of a decoder that is made here; choose an encoder as model")
        self._named, self._vectors, self._turn = named, vectors, turn
        trie = named.identifiers.trie()
        self._model = IdentifierModel(
            self.encoder,
            trie.on(self.encoder.device),
            self.decoder,
            tuned=is_tuned(self.encoder, self.encoder_weights),
            start=self._start(trie),
            words=named.model_words,
            seed=self.seed,
        )

    def _start(self, trie: "Trie") -> "Start | Codebooks | None":
        """What output vectors begin as; None: at random."""
        from retrievers.generative.heads import additive_start, prefix_start

        if self.start == "random" or self.encoder.generates:
            return None
        dimension = self.encoder.dimension
        if self.decoder.head == "additive":
            return additive_start(self._named.identifiers, self._vectors, dimension, self._turn)
        if self.decoder.head == "prefix":
            rank = self.spread_rank if self.start == "second-order" else 0
            return prefix_start(trie, self._vectors, dimension, rank, self._turn)
        return None

    def _train(self, examples: Examples, kept: Sequence[Example], teacher: Distribution | None) -> None:
        from retrievers.generative.fitting import Lesson, evaluation

        lesson = Lesson(
            self._prompted(examples),
            self._named.identifiers.tokens,
            self.reading.ratio,
            teacher,
            self.teacher,
            evaluation(kept, lambda asked: (rows for rows, _ in self._answers(asked))) if kept else None,
        )
        with self._reading_once([one.tokens for one in kept]):
            self._counts["training"] = self._learn(lesson, self.training, self.workplace)

    def _learn(self, lesson: "Lesson", options: DocumentTrainingOptions, workplace: Workplace) -> dict[str, Any]:
        """Train the model. Returns how that went, as data."""
        import torch

        from retrievers.generative.fitting import learn

        self.encoder.as_opened &= not self._model.tuned
        course = learn(
            self._model,
            lesson,
            options,
            seed=self.seed,
            bfloat16=self._model.tuned and pick_dtype(self.precision, self.encoder.device.type) == torch.bfloat16,
            workplace=workplace,
            progress=self.progress,
        )
        return course.as_data()

    def _answers(self, tokens: Sequence[Tokens], k: int = 10) -> Iterator[Scored]:
        """Document rows and log-probabilities for each query, best first; at least k where there are as many."""
        from retrievers.generative.beam_items import Validity, items_of

        self._validity = Validity()
        options, trie = self._wide_enough(k), self._model.tables.trie
        for _, encoded in self._encoded(tokens):
            beams = self._model.answer(encoded, options)
            self._validity += Validity.of(beams, trie, k)
            yield from items_of(beams, trie)

    def _encoded(self, tokens: Sequence[Tokens]) -> "Iterator[tuple[slice, Encoded]]":
        """The states of a batch of queries at a time, and which queries these are."""
        import torch

        tokens = self._asked(tokens)
        for start in range(0, len(tokens), self.encoding_batch):
            batch = slice(start, start + self.encoding_batch)
            with torch.inference_mode():
                encoded = self.encoder(tokens[batch])
            yield batch, encoded

    def _wide_enough(self, k: int) -> BeamOptions:
        return self.beams.model_copy(update={"width": max(self.beams.width, k)})

    def reading_once(self, queries: Sequence[Query]) -> AbstractContextManager[None]:
        return self._reading_once(self._tokens_of(queries))

    def _reading_once(self, queries: Sequence[Tokens]) -> AbstractContextManager[None]:
        """While the block runs, none of these queries is read anew, unless the encoder learns."""
        if self._model.tuned:
            return nullcontext()
        return self.encoder.reading_once(self._asked(queries), self.workplace, self.progress)

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        return self._ranked(queries, k, self._answers(self._tokens_of(queries), k))

    def _ranked(self, queries: Sequence[Query], k: int, answers: Iterable[Scored]) -> Rankings:
        hits = []
        for rows, scores in answers:
            hits.append(best(rows, scores, k))
            self.progress("retrieving", len(hits), len(queries))
        return Rankings.from_hits(queries, hits)

    def explain(self, query: Query, rows: np.ndarray, texts: Sequence[str]) -> list[list[Evidence]]:  # noqa: ARG002
        """The steps of each document's identifier, each with what it adds to the score given the steps before."""
        import torch

        encoded = self.encoder(self._asked(self._tokens_of([query])))
        targets = torch.from_numpy(self._named.identifiers.tokens[rows].astype(np.int64)).to(self.encoder.device)
        with torch.no_grad():
            added = self._model.scores(encoded, targets, self.beams.normalise).tolist()
        named = [self._named.steps(row, self.encoder.tokenizer.convert_ids_to_tokens) for row in rows.tolist()]
        return [
            [Evidence(step, value) for step, value in zip(steps, line[: len(steps)], strict=True)]
            for steps, line in zip(named, added, strict=True)
        ]

    def retrieve_among(self, queries: Sequence[Query], candidates: Sequence[Scored], k: int) -> Rankings:
        return self._ranked(queries, k, self._answers_among(queries, candidates, k))

    def _answers_among(self, queries: Sequence[Query], candidates: Sequence[Scored], k: int) -> Iterator[Scored]:
        """Candidates and their sums of log-probability and given score, best first."""
        from retrievers.generative.ahead import Ahead

        options, tables = self._wide_enough(k), self._model.tables
        for batch, encoded in self._encoded(self._tokens_of(queries)):
            guide = Ahead(tables, self._named.identifiers.tokens, candidates[batch])
            yield from guide.items_of(self._model.answer(encoded, options, guide=guide))

    def traces(self, queries: Sequence[Query], rows: Sequence[np.ndarray], k: int) -> Iterator[list[Trace]]:
        from retrievers.generative.tracing import traces

        options, tables = self._wide_enough(k), self._model.tables
        for batch, encoded in self._encoded(self._tokens_of(queries)):
            yield from traces(
                partial(self._model.answer, encoded), options, tables, self._named.identifiers.tokens, rows[batch]
            )

    def answer_facts(self) -> dict[str, Any]:
        return {f"{name} answers": rate for name, rate in self._validity.rates().items()}

    def identifier_groups(self) -> np.ndarray:
        return np.unique(self._named.identifiers.tokens, axis=0, return_inverse=True)[1].reshape(-1)

    def docids(self) -> Sequence[tuple[str, ...]]:
        return self._named.spelled(self.encoder.tokenizer.convert_ids_to_tokens)

    def save(self, folder: Path) -> None:
        from safetensors.torch import save_file

        from retrievers.learning.trainer import storable

        self._named.save(folder)
        save_file(storable(self._model.learned()), folder / "model.safetensors")
        (folder / "facts.json").write_text(json.dumps(self._counts))

    def load(self, folder: Path) -> None:
        from safetensors.torch import load_file

        self._hold(Named.load(folder), None)
        self._model.restore(load_file(folder / "model.safetensors"))
        self._model.eval()
        self.encoder.as_opened &= not self._model.tuned
        self._counts = json.loads((folder / "facts.json").read_text())

    def weights(self) -> list[str]:
        chosen = [self.teacher.model if self.teacher.reads else "", self.pseudo_queries.doc2query]
        return [self.model, *filter(None, chosen)]

    def facts(self) -> dict[str, Any]:
        return {
            "device": str(self.encoder.device),
            "precision": str(self.encoder.model.dtype).removeprefix("torch."),
            "encoder": "tuned" if self._model.tuned else "frozen",
            "parameters_learned": sum(weight.numel() for weight in self._model.learned().values()),
            **self._model.tables.facts(),
            **self._counts,
        }
