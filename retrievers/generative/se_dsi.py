"""Semantic-enhanced DSI: documents are named by short descriptions of them (Tang et al. 2023, arXiv 2305.15115)."""

import string
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import ClassVar, Literal

import numpy as np
import regex
from pydantic import Field

from bench.collections.collection import Collection
from bench.sentences import sentences, terms, textrank, tf_idf
from retrievers.generative.docids import Identifiers, compressed
from retrievers.generative.examples import Part, ReadingOptions
from retrievers.generative.naming import Named
from retrievers.generative.retriever import GenerativeRetriever

_MOSTLY = 0.8
_SHORTEST = 4
"""A sentence of words has at least so many, and they are at least that share of it."""


class RehearsalOptions(ReadingOptions):
    """What the model reads of a document: the paper's rehearsal contents."""

    parts: tuple[Part, ...] = Field(
        ("first", "key-passage", "key-sentences"),
        description="first alone is the paper's Doc, with passages and sentences Lead, with key-... Sum, with random "
        "Random",
    )
    first_tokens: int = Field(128, ge=1, le=4096, description="first: the beginning that is read")


class SEDSI(GenerativeRetriever):
    """DSI whose identifiers are elaborative descriptions: a query that the document answers, or its key sentence.

    Documents with the same description share it: all are returned, with equal scores, so in the order of their ids.
    The model learns to write the description from the document, from parts of it (rehearsal contents) and from
    queries, and is told by the words before a text which of the two it reads. With a shared head, or an
    encoder-decoder, it writes the description word by word, and a word has one vector wherever it stands: the paper's
    form. With a prefix head it writes choices: only the words that distinguish descriptions, numbered anew among
    siblings.
    """

    document_prompt: ClassVar[str] = "Document: "
    query_prompt: ClassVar[str] = "Query: "

    reading: RehearsalOptions = Field(default_factory=RehearsalOptions, description="what is read of a document")
    description: Literal["key-sentence", "key-words", "written"] = Field(
        "key-sentence",
        description="a document is named by its best TextRank sentence, by its words of highest tf-idf, or by its "
        "best pseudo-query",
    )
    description_tokens: int = Field(20, ge=1, le=64, description="longest description")
    key_words: int = Field(8, ge=1, le=64, description="key-words: words of a description")

    def name_documents(self, collection: Collection, vectors: np.ndarray) -> Named:  # noqa: ARG002
        described = self.encoder.tokens_of(self._descriptions(collection), self.description_tokens)
        nothing = self.encoder.tokens_of(["nothing"])[0]
        described = [tokens or nothing for tokens in described]
        words = sorted({word for tokens in described for word in tokens})
        tokens = as_words(described, words).astype(np.int32)
        text = Identifiers(tokens, (len(words) + 1,) * tokens.shape[1])
        only_choices = self.decoder.head == "prefix" and not self.encoder.generates
        return Named(compressed(text) if only_choices else text, (0, *words), text)

    def _descriptions(self, collection: Collection) -> list[str]:
        if self.description == "written":
            written = self.pseudo_queries_of(collection)
            return [next(iter(written[row]), "") for row in range(len(collection))]
        if self.description == "key-words":
            return key_words(collection.texts(), self.key_words)
        return [self._key_sentence(text, collection.rules.language) for text in collection.texts()]

    def _key_sentence(self, text: str, language: str) -> str:
        """The sentence of highest TextRank among those of words that are short enough, if there are any."""
        found = sentences(text)
        lengths = np.array(list(map(len, self.encoder.tokens_of(found))))
        of_words = np.array([_share_of_words(sentence) for sentence in found])
        ranks = textrank(found, language) if len(found) > 1 else np.ones(len(found))
        order = np.lexsort((-ranks, lengths > self.description_tokens, of_words < _MOSTLY))
        return found[order[0]] if found else ""


def _share_of_words(sentence: str) -> float:
    """Which part of a sentence are words; that of program text, tables and headings is low."""
    parts = sentence.split()
    if len(parts) < _SHORTEST:
        return 0.0
    return float(np.mean([is_word(part.strip(string.punctuation)) for part in parts]))


def is_word(text: str) -> bool:
    """Whether it is of letters alone, with the marks that many scripts write vowels as."""
    return regex.fullmatch(r"[\p{L}\p{M}]+", text) is not None


def key_words(texts: Iterable[str], number: int) -> list[str]:
    """The words of highest (1 + ln tf) ln(N / df) of each text, best first (Salton and Buckley 1988, ltn)."""
    counts = [Counter(word for word in terms(text) if is_word(word)) for text in texts]
    holding = Counter(word for count in counts for word in count)
    found = []
    for count in counts:
        weights = tf_idf(count, holding, len(counts))
        found.append(" ".join(sorted(weights, key=lambda word: (-weights[word], word))[:number]))
    return found


def as_words(texts: Sequence[Sequence[int]], words: Sequence[int]) -> np.ndarray:
    """Identifiers of text, of shape [texts, longest + 1]: word w is token w + 1, and 0 ends a text."""
    number = {word: place + 1 for place, word in enumerate(words)}
    tokens = np.full((len(texts), max(map(len, texts)) + 1), -1, dtype=np.int64)
    for row, text in enumerate(texts):
        tokens[row, : len(text) + 1] = [*(number[word] for word in text), 0]
    return tokens
