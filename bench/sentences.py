"""Sentences of a text, and which of them say most."""

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import regex

from bench.errors import BenchError
from bench.words import WORD, fold

_SENTENCE_END = re.compile(r"(?<=[.!?:।॥۔؟])\s+|(?<=[。！？｡])\s*|\n\s*\n")
"""Where a script puts no blank between sentences, none is needed."""


def sentences(text: str) -> list[str]:
    """The parts of a text between ends of sentences and blank lines."""
    return [part for part in _SENTENCE_END.split(text) if part and not part.isspace()]


def terms(text: str) -> list[str]:
    """The words of a text without case and punctuation."""
    return regex.findall(WORD, fold(text))


def tf_idf(counts: Mapping[str, int], holding: Mapping[str, int], documents: int) -> dict[str, float]:
    """(1 + ln tf) ln(N / df) of each word (Salton and Buckley 1988, ltn).

    `counts` has each word's tf, `holding` its df among N = `documents`; a word in none counts as in one.
    """
    return {
        word: (1 + math.log(count)) * math.log(documents / max(holding.get(word, 0), 1))
        for word, count in counts.items()
    }


def textrank(parts: Sequence[str], language: str) -> np.ndarray:
    """TextRank of a text's parts by sumy (Mihalcea and Tarau 2004, section 4), without stop words; shape [parts].

    In the language `none` all words count. Raises BenchError for another of which sumy has no stop words.
    """
    return _ranks(tuple(parts), language).copy()


@lru_cache(maxsize=4096)  # a text's sentences are ranked for its name, and again for what is read of it
def _ranks(parts: tuple[str, ...], language: str) -> np.ndarray:
    from sumy.models.dom import ObjectDocumentModel, Paragraph, Sentence
    from sumy.summarizers.text_rank import TextRankSummarizer
    from sumy.utils import get_stop_words

    ranker = TextRankSummarizer()
    try:
        ranker.stop_words = get_stop_words(language) if language != "none" else ()
    except LookupError:
        raise BenchError(
            f"TextRank has no stop words for '{language}'; give the collection ?language=none, where all words count"
        ) from None
    rated = [Sentence(part, _Words()) for part in parts]
    ratings = ranker.rate_sentences(ObjectDocumentModel([Paragraph(rated)]))
    return np.array([ratings[sentence] for sentence in rated])


class _Words:
    """Tokenizer for sumy, whose own would download its rules."""

    def to_words(self, text: str) -> tuple[str, ...]:
        return tuple(terms(text))
