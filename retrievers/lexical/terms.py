"""From text to terms: words by a pattern, in one case and form, without stop words, stemmed."""

from collections.abc import Callable, Iterable, Iterator
from functools import cache

from bench.errors import UnknownName
from bench.libraries import import_bm25s
from bench.words import fold, pieces, splitter

NONE = "none"
"""The name that switches stop words or the stemmer off."""

_LANGUAGES = {"en": "english", "en_plus": "english_plus"}
_WITHOUT_BLANKS = ("burmese", "chinese", "japanese", "khmer", "lao", "thai")
"""Languages that need neither stop words nor a stemmer: their words are cut into runs of characters."""


class Analyser:
    """Turns a text into terms; each distinct word is looked up and stemmed once.

    `language` is that of the case of letters, `stop_words` and `stemmer` are names of languages, or `none`. Words of
    scripts without blanks become all runs of up to `ngram` characters. Raises UnknownName for a language that bm25s
    has no stop words for, or Snowball no stemmer.
    """

    def __init__(self, pattern: str, language: str, stop_words: str, stemmer: str, ngram: int) -> None:
        self._split = splitter(pattern)
        self._language = language
        self._ngram = ngram
        self._terms = _Terms((fold(word, language) for word in _stop_words(stop_words)), stemmer)

    def terms(self, text: str) -> list[str]:
        """The terms of a text, in order, as often as they occur."""
        terms, words = self._terms, self._split(fold(text, self._language))
        if not text.isascii():
            words = [piece for word in words for piece in pieces(word, self._ngram)]
        return [term for word in words if (term := terms[word])]


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


def stop_words_for(language: str) -> str:
    """The name of the language's stop words, or none where there are no such. Raises UnknownName for no language."""
    _refuse_unknown(language)
    return language if language in _stop_lists() else NONE


def stemmer_for(language: str) -> str:
    """The name of the language's stemmer, or none where there is no such. Raises UnknownName for no language."""
    _refuse_unknown(language)
    return language if language in _stemmers() else NONE


def _refuse_unknown(language: str) -> None:
    known = {*_stop_lists(), *_stemmers(), *_WITHOUT_BLANKS, NONE}
    if language not in known:
        raise UnknownName("language", language, known, "(or ?language=none: words as they stand, whole)")


@cache
def _stop_lists() -> dict[str, tuple[str, ...]]:
    stopwords = import_bm25s().stopwords
    prefix = "STOPWORDS_"
    found = {name.removeprefix(prefix).lower(): words for name, words in vars(stopwords).items() if prefix in name}
    return {_LANGUAGES.get(name, name): tuple(words) for name, words in found.items()}


def _stop_words(language: str) -> tuple[str, ...]:
    if language == NONE:
        return ()
    if language not in _stop_lists():
        raise UnknownName("language of stop words", language, _stop_lists(), "(or set stop_words=none)")
    return _stop_lists()[language]


def _stemmers() -> list[str]:
    import Stemmer

    return list(Stemmer.algorithms())


def _stemmer(language: str) -> Callable[[str], str]:
    if language == NONE:
        return str
    import Stemmer

    if language not in _stemmers():
        raise UnknownName("language of the stemmer", language, _stemmers(), "(or set stemmer=none)")
    return Stemmer.Stemmer(language).stemWord
