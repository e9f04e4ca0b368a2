"""From text to terms: words by a pattern, in lower case, without stop words, stemmed."""

import re
from collections.abc import Callable, Iterable, Iterator

from bench.errors import UnknownName

NONE = "none"
"""The name that switches stop words or the stemmer off."""

_LANGUAGES = {"en": "english", "en_plus": "english_plus"}


class Analyser:
    """Turns a text into terms; each distinct word is looked up and stemmed once.

    `stop_words` and `stemmer` are names of languages, or `none`. Raises UnknownName for a language that
    bm25s has no stop words for, or Snowball no stemmer.
    """

    def __init__(self, pattern: str, stop_words: str, stemmer: str) -> None:
        self._split = re.compile(pattern).findall
        self._terms = _Terms(_stop_words(stop_words), stemmer)

    def terms(self, text: str) -> list[str]:
        """The terms of a text, in order, as often as they occur."""
        terms = self._terms
        return [term for word in self._split(text.lower()) if (term := terms[word])]


class Vocabulary:
    """Numbers terms in the order of their first occurrence."""

    def __init__(self, terms: Iterable[str] = ()) -> None:
        self._ids = {term: number for number, term in enumerate(terms)}

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def add(self, terms: Iterable[str]) -> list[int]:
        """Numbers of the terms; a new term gets the next one."""
        ids = self._ids
        return [ids.setdefault(term, len(ids)) for term in terms]

    def known(self, terms: Iterable[str]) -> list[int]:
        """Numbers of those terms that have one, repeated as they are."""
        ids = self._ids
        return [ids[term] for term in terms if term in ids]


class _Terms(dict[str, str]):
    """Term by word, filled as words are met; a stop word has the empty term."""

    def __init__(self, stop_words: Iterable[str], stemmer: str) -> None:
        super().__init__(dict.fromkeys(stop_words, ""))
        self._stem = _stemmer(stemmer)

    def __missing__(self, word: str) -> str:
        term = self._stem(word)
        self[word] = term
        return term


def _stop_words(language: str) -> tuple[str, ...]:
    if language == NONE:
        return ()
    from bm25s import stopwords

    prefix = "STOPWORDS_"
    found = {name.removeprefix(prefix).lower(): words for name, words in vars(stopwords).items() if prefix in name}
    by_language = {_LANGUAGES.get(name, name): words for name, words in found.items()}
    if language not in by_language:
        raise UnknownName("language of stop words", language, by_language, "(or set stop_words=none)")
    return tuple(by_language[language])


def _stemmer(language: str) -> Callable[[str], str]:
    if language == NONE:
        return str
    import Stemmer

    if language not in Stemmer.algorithms():
        raise UnknownName("language of the stemmer", language, Stemmer.algorithms(), "(or set stemmer=none)")
    return Stemmer.Stemmer(language).stemWord
