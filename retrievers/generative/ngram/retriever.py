"""Generative retrieval by n-grams: SEAL (Bevilacqua et al. 2022), and MINDER's views (Li et al. 2023)."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import Field, field_validator

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.hits import Evidence
from bench.models import MINILM, ModelOptions
from bench.rankings import Rankings
from bench.retriever import Retriever
from bench.visible import plural
from retrievers.encoding import refuse_textless
from retrievers.generative.examples import (
    Example,
    Examples,
    Tokens,
    document_parts,
    gathered,
    learned_and_kept,
    queries_to_learn,
    training_queries,
)
from retrievers.generative.ngram.index import ViewIndex, passages
from retrievers.generative.ngram.options import (
    NgramBeamOptions,
    NgramReadingOptions,
    NgramTrainingOptions,
    RankingOptions,
    ScoringOptions,
    View,
)
from retrievers.generative.options import WordDecoderOptions
from retrievers.generative.pseudo_queries import PseudoQueryOptions, write_pseudo_queries
from retrievers.generative.words import Words
from retrievers.sharding import best

if TYPE_CHECKING:
    from retrievers.generative.encoders import TextEncoder
    from retrievers.generative.ngram.scoring import Answer, Weighed
    from retrievers.generative.ngram.training import Lesson

_BEGINNINGS = "\u2581", "\u0120"
"""What begins a piece that begins a word, in SentencePiece's and byte-level ones; others mark the rest with ##."""

_Units = list[tuple[int, list[Sequence[int]]]]
"""The row of a document and its texts, in tokens or in numbers of words."""


class Ngram(ModelOptions, Retriever):
    """A model writes n-grams that documents hold, and documents are scored by the n-grams that they hold.

    Every n-gram of a document is its identifier, so that none is given to it and nothing of it has to be learned by
    heart. The decoder is trained here, over the states of an encoder that stays as it is; SEAL tunes BART. With
    several views (Li et al. 2023) n-grams of titles and pseudo-queries are written too, and a document has the sum.
    What it writes can then learn to bring the right documents (`ranking`, LTRGR).
    """

    family = "generative"

    model: str = Field(MINILM, description="name or folder of an encoder whose states of the question are read")
    views: tuple[View, ...] = Field(
        ("span",), min_length=1, description="what n-grams are of: span (SEAL), title, pseudo-query (MINDER)"
    )
    passage_tokens: int = Field(
        128, ge=0, description="documents are scored by passages of so many tokens, at most; 0: as a whole"
    )
    decoder: WordDecoderOptions = Field(default_factory=WordDecoderOptions, description="what writes n-grams")
    beams: NgramBeamOptions = Field(default_factory=NgramBeamOptions, description="how n-grams are searched for")
    scoring: ScoringOptions = Field(default_factory=ScoringOptions, description="how documents are scored")
    training: NgramTrainingOptions = Field(
        default_factory=NgramTrainingOptions, description="how the writer is trained"
    )
    ranking: RankingOptions = Field(
        default_factory=RankingOptions, description="how the writer then learns to rank documents, if it does"
    )
    reading: NgramReadingOptions = Field(
        default_factory=NgramReadingOptions, description="what is read of a document in training"
    )
    pseudo_queries: PseudoQueryOptions = Field(
        default_factory=PseudoQueryOptions, description="queries that a document might answer"
    )

    @field_validator("views")
    @classmethod
    def _each_once(cls, views: tuple[View, ...]) -> tuple[View, ...]:
        if len(set(views)) < len(views):
            raise ValueError("name each view once")
        return views

    @property
    def trained(self) -> bool:
        return True

    @cached_property
    def encoder(self) -> "TextEncoder":
        """The encoder, opened on first use."""
        from retrievers.generative.encoders import TextEncoder

        encoder = TextEncoder.open(self.model, ModelOptions(device=self.device, precision=self.precision))
        encoder.refuse_longer(self.model, self.reading.longest)
        return encoder

    def fit(self, collection: Collection) -> Self:
        """Raises BenchError where no document has anything of a view, or no training query is there to rank for."""
        refuse_textless(collection)
        units = {view: self._units(view, collection) for view in self.views}
        for view, found in units.items():
            if not found:
                raise BenchError(
                    f"no document of {collection.name} has a {view} to take n-grams of; leave it out of views"
                )
        words = Words.of(text for view in units.values() for _, texts in view for text in texts)
        self.progress("indexing n-grams", 0, 1)
        self._hold(words, {view: _index(units[view], words) for view in self.views}, len(collection))
        learned, kept = learned_and_kept(collection, self.training, self._query_tokens, self.seed)
        if self.ranking.epochs and not any(example.tokens for example in learned):
            raise BenchError(
                f"{collection.name} has no training queries in split '{self.training.split}' to rank documents for; "
                "leave ranking.epochs at 0"
            )
        parts = document_parts(
            collection, self.reading, self.encoder.tokens_of, self.seed, lambda: self._written(collection)
        )
        self._counts: dict[str, Any] = {
            "training_queries": len(learned),
            "document_parts": len(parts),
            "held_out_queries": len(kept),
        }
        examples = gathered(learned, parts, self.reading, lambda: self.encoder.beginnings(collection))
        self._train(examples, learned, kept, collection)
        return self

    def _units(self, view: View, collection: Collection) -> _Units:
        """What n-grams of a view are of, in tokens."""
        if view == "span":
            texts = self.encoder.tokens_of(list(collection.texts()))
            found: _Units = [
                (row, [part]) for row, text in enumerate(texts) for part in passages(text, self.passage_tokens)
            ]
        elif view == "title":
            titles = self.encoder.tokens_of([document.title for document in collection.documents])
            found = [(row, [title]) for row, title in enumerate(titles)]
        else:
            written = self._written(collection)
            found = [(row, list(self.encoder.tokens_of(written.get(row, ())))) for row in range(len(collection))]
        found = [(row, list(filter(None, texts))) for row, texts in found]
        return [(row, texts) for row, texts in found if texts]

    def _written(self, collection: Collection) -> Mapping[int, Sequence[str]]:
        """Some queries that each document might answer, by row."""
        to_learn = partial(queries_to_learn, collection, self.training, self._query_tokens, self.seed)
        options, workplace = self.pseudo_queries, self.workplace
        return write_pseudo_queries(options, self.encoder, collection, to_learn, self.seed, workplace, self.progress)

    def _query_tokens(self, texts: Sequence[str]) -> list[Tokens]:
        return self.encoder.tokens_of(texts, self.reading.query_tokens)

    def _hold(self, words: Words, indexes: Mapping[View, ViewIndex], documents: int) -> None:
        """Take what was indexed, and build a writer of its words that has not learned anything."""
        import torch

        from retrievers.generative.ngram.scoring import Scorer
        from retrievers.generative.word_writer import WordWriter

        self._words, self._indexes, self._documents = words, dict(indexes), documents
        self._scorers = {view: Scorer(index, self.scoring) for view, index in indexes.items()}
        embeddings: Any = self.encoder.model.get_input_embeddings()
        vectors = embeddings.weight.detach().float()
        frequencies = [index.frequencies(len(words)) for index in indexes.values()]
        self._writer = WordWriter(
            vectors[torch.from_numpy(words.tokens).to(vectors.device)],
            torch.from_numpy(np.sum(frequencies, axis=0)).float().to(vectors.device),
            self.decoder,
            len(self.views),
            self.beams.longest,
            self.seed,
        ).to(self.encoder.device)
        self._writer.eval()

    def _train(
        self, examples: Examples, learned: Sequence[Example], kept: Sequence[Example], collection: Collection
    ) -> None:
        from retrievers.generative.fitting import evaluation
        from retrievers.generative.ngram.training import Drawer, Lesson, learn

        begins = self._words_that_begin()
        drawers = {
            view: Drawer(index, begins, self.beams.longest, self.training.sharpness, whole=view != "span")
            for view, index in self._indexes.items()
        }
        lesson = Lesson(
            examples,
            drawers,
            self._words,
            self.reading.ratio,
            evaluation(kept, lambda asked: (one.rows for one in self._answers(asked))) if kept else None,
        )
        workplace, progress = self.workplace, self.progress
        again = [*kept, *(learned if self.ranking.epochs else [])]
        with self.encoder.reading_once([example.tokens for example in again], workplace, progress):
            course = learn(
                self._writer,
                self.encoder,
                lesson,
                self.training,
                seed=self.seed,
                workplace=workplace,
                progress=progress,
            )
            self._counts["training"] = course.as_data()
            if self.ranking.epochs:
                self._learn_to_rank(lesson, learned, collection)

    def _learn_to_rank(self, lesson: "Lesson", learned: Sequence[Example], collection: Collection) -> None:
        from retrievers.generative.ngram.ranking import Contests, learn_to_rank, trainees

        every = training_queries(collection, self.training.split, self._query_tokens)
        contests = Contests(
            trainees(learned, every), lambda asked: self._answers(asked, self.ranking.depth), self._scorers, lesson
        )
        workplace, progress = self.workplace.below("ranking"), self.progress
        course = learn_to_rank(
            self._writer,
            self.encoder,
            contests,
            self.ranking,
            seed=self.seed,
            workplace=workplace,
            progress=progress,
        )
        self.workplace.reused_seconds += workplace.reused_seconds
        self._counts["ranking"] = course.as_data()

    def _words_that_begin(self) -> np.ndarray:
        """Shape [words]: whether each word-piece begins a word."""
        spelled = self.encoder.tokenizer.convert_ids_to_tokens(self._words.tokens.tolist())
        marked = any(piece.startswith(_BEGINNINGS) for piece in spelled)
        return np.array(
            [piece.startswith(_BEGINNINGS) if marked else not piece.startswith("##") for piece in spelled]
        )

    def reading_once(self, queries: Sequence[Query]) -> AbstractContextManager[None]:
        tokens = self._query_tokens([query.text for query in queries])
        return self.encoder.reading_once(tokens, self.workplace, self.progress)

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        tokens = self._query_tokens([query.text for query in queries])
        hits = []
        for answer in self._answers(tokens, k):
            hits.append((answer.rows, answer.scores))
            self.progress("retrieving", len(hits), len(queries))
        return Rankings.from_hits(queries, hits)

    def _answers(self, tokens: Sequence[Tokens], k: int = 10) -> "Iterator[Answer]":
        """What is found for each question: k documents, and all that tie with the last of these."""
        from retrievers.generative.ngram.scoring import Answer

        for weighed in self._weighed(tokens):
            chosen = self._chosen(weighed, k)
            scores = [self._scorers[view].documents(one, chosen) for view, one in weighed.items()]
            rows, values = best(chosen, np.sum([np.zeros(len(chosen)), *scores], axis=0), k)
            order = np.argsort(-values, kind="stable")
            yield Answer(weighed, rows[order], values[order])

    def _chosen(self, weighed: "Mapping[View, Weighed]", k: int) -> np.ndarray:
        """The documents that are scored in full, their rows in ascending order."""
        views = [self._scorers[view].at_first(one, self._documents) for view, one in weighed.items()]
        first = np.sum([np.zeros(self._documents), *views], axis=0)
        likely = np.argsort(-first, kind="stable")[: max(self.scoring.rescored, k)]
        return np.sort(likely[first[likely] > 0])

    def _weighed(self, tokens: Sequence[Tokens]) -> "Iterator[dict[View, Weighed]]":
        """The n-grams of each question, by view; none for a question without a word."""
        for start in range(0, len(tokens), self.encoding_batch):
            batch = tokens[start : start + self.encoding_batch]
            written = iter(self._write(list(filter(None, batch))))
            yield from (next(written) if text else {} for text in batch)

    def _write(self, tokens: Sequence[Tokens]) -> "Iterator[dict[View, Weighed]]":
        from retrievers.generative.ngram.scoring import weigh
        from retrievers.generative.ngram.search import search
        from retrievers.generative.word_writer import asked, read

        if not tokens:
            return
        question = asked(read(self.encoder, tokens), tokens, self._words, self.encoder.device)
        found = [
            [weigh(one, index.size, self.scoring) for one in search(self._writer, question, index, view, self.beams)]
            for view, index in enumerate(self._indexes.values())
        ]
        for views in zip(*found, strict=True):
            yield dict(zip(self.views, views, strict=True))

    def explain(self, query: Query, rows: np.ndarray, texts: Sequence[str]) -> list[list[Evidence]]:  # noqa: ARG002
        """The n-grams that each document holds, those that add most to its score first."""
        (weighed,) = self._weighed(self._query_tokens([query.text]))
        order = np.argsort(rows)
        found: list[list[Evidence]] = [[] for _ in rows]
        for view, one in weighed.items():
            named = self._named(view, one)
            for place, given in zip(order.tolist(), self._scorers[view].evidence(one, rows[order]), strict=True):
                found[place] += [
                    Evidence(named[number][0], value, named[number][1])
                    for number, value in zip(*(part.tolist() for part in given), strict=True)
                ]
        return [sorted(one, key=lambda part: -part.weight) for one in found]

    def _named(self, view: View, weighed: "Weighed") -> list[tuple[str, str]]:
        """Each n-gram and unigram in words, and how often it occurs."""
        spelled = []
        for ngrams in (weighed.ngrams, weighed.unigrams):
            for tokens, length, count in zip(ngrams.tokens, ngrams.lengths, ngrams.counts.tolist(), strict=True):
                text = self.encoder.tokenizer.decode(self._words.tokens[tokens[:length]].tolist())
                spelled.append((text, f"{view}, {plural(count, 'occurrence')}"))
        return spelled

    def add(self, documents: Collection) -> None:
        """Index the documents' n-grams; nothing is trained."""
        new = {view: self._units(view, documents) for view in self.views}
        texts = (text for units in new.values() for _, unit in units for text in unit)
        words = Words.of(texts, self._words.tokens.tolist())
        learned = self._writer.learned()
        more = {
            view: index.and_then(_index(new[view], words), self._documents) for view, index in self._indexes.items()
        }
        self._hold(words, more, self._documents + len(documents))
        self._writer.restore(learned)

    def save(self, folder: Path) -> None:
        from safetensors.torch import save_file

        from retrievers.learning.trainer import storable

        np.save(folder / "words.npy", self._words.tokens)
        for view, index in self._indexes.items():
            index.save(folder / view)
        save_file(storable(self._writer.learned()), folder / "model.safetensors")
        (folder / "facts.json").write_text(json.dumps({"documents": self._documents, **self._counts}))

    def load(self, folder: Path) -> None:
        from safetensors.torch import load_file

        self._counts = json.loads((folder / "facts.json").read_text())
        words = Words(np.load(folder / "words.npy", allow_pickle=False))
        self._hold(words, {view: ViewIndex.load(folder / view) for view in self.views}, self._counts.pop("documents"))
        self._writer.restore(load_file(folder / "model.safetensors"))

    def weights(self) -> list[str]:
        return [self.model, *filter(None, [self.pseudo_queries.doc2query])]

    def facts(self) -> dict[str, Any]:
        return {
            "device": str(self.encoder.device),
            "precision": str(self.encoder.model.dtype).removeprefix("torch."),
            "parameters_learned": sum(weight.numel() for weight in self._writer.learned().values()),
            "words": len(self._words),
            "tokens": {view: index.size for view, index in self._indexes.items()},
            "texts": {view: len(index.owners) for view, index in self._indexes.items()},
            **self._counts,
        }


def _index(units: _Units, words: Words) -> ViewIndex:
    return ViewIndex.build([(row, [words.numbers(text) for text in texts]) for row, texts in units])
