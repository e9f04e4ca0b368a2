"""What n-grams weigh, and the scores of documents that hold them (Bevilacqua et al. 2022, sections 3.2 and 3.3)."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from retrievers.generative.ngram.index import ViewIndex, ranges
from retrievers.generative.ngram.options import ScoringOptions, View
from retrievers.generative.ngram.search import Found, Ngrams


def weights(log_probs: np.ndarray, counts: np.ndarray, size: int, options: ScoringOptions) -> np.ndarray:
    """How much likelier the question makes each n-gram, shape [n-grams]; 0 where it does not.

    max(0, log P(n|q) + log(1 - P(n)) - log P(n) - log(1 - P(n|q))) ^ alpha, with the prior P(n) from the counts in
    a text of `size` tokens.
    """
    given = np.minimum(log_probs, -1e-9)
    odds = given - np.log1p(-np.exp(given)) - prior_odds(counts, size, options)
    return np.maximum(odds, 0) ** options.alpha


def prior_odds(counts: np.ndarray, size: int, options: ScoringOptions) -> np.ndarray:
    """log P(n) - log(1 - P(n)) of n-grams that occur so often in a text of `size` tokens, shape [n-grams]."""
    prior = np.log((counts + options.smoothing) / (size + options.smoothing))
    return prior - np.log1p(-np.exp(prior))


class Weighed(NamedTuple):
    """N-grams that a question makes likelier, the heaviest first, and other single tokens of its first step.

    weights, unigram_weights: shape [n-grams] and [unigrams]
    """

    ngrams: Ngrams
    weights: np.ndarray
    unigrams: Ngrams
    unigram_weights: np.ndarray


def weigh(found: Found, size: int, options: ScoringOptions) -> Weighed:
    """Weigh what a search in a text of `size` tokens found."""
    likeliest = np.argsort(-found.unigrams.log_probs, kind="stable")[: options.unigrams]
    likeliest = likeliest[~np.isin(found.unigrams.starts[likeliest], found.ngrams.starts[found.ngrams.lengths == 1])]
    parts: list[np.ndarray | Ngrams] = []
    for ngrams in (found.ngrams, found.unigrams.of(likeliest)):
        weight = weights(ngrams.log_probs, ngrams.counts, size, options)
        order = np.argsort(-weight, kind="stable")
        order = order[weight[order] > 0]
        parts += [ngrams.of(order), weight[order]]
    return Weighed(*parts)  # type: ignore[arg-type]


class Answer(NamedTuple):
    """What is answered to a question: its n-grams by view, and rows of documents with their scores, best first."""

    weighed: Mapping[View, Weighed]
    rows: np.ndarray
    scores: np.ndarray


class Contributions(NamedTuple):
    """What n-grams give to units: of equal length, by unit.

    ngrams: places among the n-grams, and behind them among the unigrams
    """

    units: np.ndarray
    ngrams: np.ndarray
    values: np.ndarray


class Scorer:
    """Scores the documents of one view.

    A unit takes n-grams in the order of their weight. One counts if it stands somewhere in the unit where no n-gram
    before it does, and then takes all such places, from the left on. It gives
    weight * (1 - beta + beta * (its tokens that no n-gram before it had) / (its different tokens)). Then single
    tokens of the first step follow in the same way.

    A document has the score of its best unit, and in part the mean of all its units: SEAL's documents are passages
    already, while in a longer one what stands all through it says more than what stands in one place.
    """

    def __init__(self, index: ViewIndex, options: ScoringOptions) -> None:
        self._index = index
        self.options = options
        self._free = np.zeros(len(index.array), dtype=bool)

    @property
    def size(self) -> int:
        """Tokens of the view, of which n-grams have their prior probabilities."""
        return self._index.size

    def at_first(self, weighed: Weighed, documents: int) -> np.ndarray:
        """Shape [documents]: scores by the sums of weights in units, of n-grams that are not too frequent."""
        index = self._index
        starts, stops = (
            np.concatenate([getattr(weighed.ngrams, name), getattr(weighed.unigrams, name)])
            for name in ("starts", "stops")
        )
        given = np.concatenate([weighed.weights, weighed.unigram_weights])
        rare = np.flatnonzero(stops - starts <= self.options.frequent)
        counts = (stops - starts)[rare]
        places = index.array.suffixes[ranges(starts[rare], counts)]
        units = len(index.owners)
        keys = np.unique(np.repeat(rare, counts) * units + index.unit_of[places])
        sums = np.bincount(keys % units, given[keys // units], minlength=units) if units else np.zeros(0)
        return self._of_units(sums, index.owners, documents)

    def documents(self, weighed: Weighed, rows: np.ndarray) -> np.ndarray:
        """Shape [rows]: the scores of some documents, given by their rows in ascending order."""
        index = self._index
        given = self.in_full(weighed, rows)
        sums = np.bincount(given.units, given.values, minlength=len(index.owners))
        units = index.units(rows)
        return self._of_units(sums[units], np.searchsorted(rows, index.owners[units]), len(rows))

    def evidence(self, weighed: Weighed, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """For each of some documents, given by their rows in ascending order, n-grams and what they add to its score.

        N-grams are places as in `Contributions`.
        """
        index, given = self._index, self.in_full(weighed, rows)
        sums = np.bincount(given.units, given.values, minlength=len(index.owners))
        for row in rows:
            units = index.units(np.array([row]))
            here = np.isin(given.units, units)
            counted = np.full(here.sum(), self.options.passage_mean / max(1, len(units)))
            if len(units):
                counted += given.units[here] == units[np.argmax(sums[units])]
            added = np.bincount(given.ngrams[here], given.values[here] * counted)
            ngrams = np.flatnonzero(added)
            yield ngrams, added[ngrams]

    def in_full(self, weighed: Weighed, documents: np.ndarray) -> Contributions:
        """What each n-gram gives to each unit of some documents, given by their rows in ascending order."""
        units = self._index.units(documents)
        places = ranges(self._index.offsets[units], np.diff(self._index.offsets)[units])
        self._free[places] = True
        try:
            return self._taken(weighed, units, places)
        finally:
            self._free[places] = False

    def _taken(self, weighed: Weighed, units: np.ndarray, places: np.ndarray) -> Contributions:
        local = _Local(units, len(self._index.owners), weighed)
        taken: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        lengths = weighed.ngrams.lengths.tolist()
        for number, (tokens, start, stop) in enumerate(zip(*weighed.ngrams[:3], strict=True)):
            length = lengths[number]
            free = self._take(self._index.array.places(start, stop), length)
            if len(free):
                rows = np.unique(local.row_of[self._index.unit_of[free]])
                new = local.cover(tokens[:length], rows)
                values = weighed.weights[number] * self._share(new)
                taken.append((rows, np.full(len(rows), number), values))
        taken.append(self._unigrams(weighed, local, places))
        rows, ngrams, values = map(np.concatenate, zip(*taken, strict=True))
        return Contributions(units[rows], ngrams, values)

    def _of_units(self, sums: np.ndarray, owners: np.ndarray, documents: int) -> np.ndarray:
        """Shape [documents]: what the scores of its units make of each one, 0 without any."""
        best, total = np.zeros(documents), np.zeros(documents)
        np.maximum.at(best, owners, sums)
        np.add.at(total, owners, sums)
        counts = np.bincount(owners, minlength=documents)
        return best + self.options.passage_mean * total / np.maximum(counts, 1)

    def _take(self, starts: np.ndarray, length: int) -> np.ndarray:
        """Which of these places are free for an n-gram of so many tokens; they are not any more."""
        free = starts[self._free[starts]]
        for further in range(1, length):
            free = free[self._free[free + further]]
        free = np.sort(free)
        if length > 1 and len(free) > 1 and np.diff(free).min() < length:
            free = _apart(free, length)
        self._free[(free[:, np.newaxis] + np.arange(length)).ravel()] = False
        return free

    def _share(self, new: np.ndarray) -> np.ndarray:
        return 1 - self.options.beta + self.options.beta * new

    def _unigrams(
        self, weighed: Weighed, local: "_Local", places: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows, numbers and values of single tokens, at places that are free still."""
        free = places[self._free[places]]
        words = weighed.unigrams.tokens[:, 0]
        number_of = np.full(int(self._index.spans[0].max(initial=0)) + 2, -1)
        number_of[words] = np.arange(len(words))  # END finds the last, which is none
        numbers = number_of[self._index.array.tokens[free]]
        known = numbers >= 0
        rows = local.row_of[self._index.unit_of[free[known]]]
        keys = np.unique(rows * max(1, len(words)) + numbers[known])
        rows, numbers = np.divmod(keys, max(1, len(words)))
        new = local.uncovered(words[numbers], rows)
        return rows, numbers + len(weighed.weights), weighed.unigram_weights[numbers] * self._share(new)


class _Local:
    """Which tokens of the question's n-grams each of some units has taken."""

    def __init__(self, units: np.ndarray, all_units: int, weighed: Weighed) -> None:
        self.row_of = np.zeros(all_units, dtype=np.int64)
        self.row_of[units] = np.arange(len(units))
        words = np.unique(weighed.ngrams.tokens)
        self._number = {word: number for number, word in enumerate(words.tolist())}
        self._words = words
        self._covered = np.zeros((len(words), len(units)), dtype=bool)

    def cover(self, tokens: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Shape [rows]: the share of the different tokens that is new to each unit; afterwards none is."""
        numbers = [self._number[token] for token in dict.fromkeys(tokens.tolist())]
        cells = np.ix_(np.array(numbers), rows)
        new: np.ndarray = 1 - self._covered[cells].mean(axis=0)
        self._covered[cells] = True
        return new

    def uncovered(self, tokens: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Shape [rows]: 1 where a unit has not taken its token, else 0."""
        if not len(self._words):
            return np.ones(len(rows))
        places = np.minimum(np.searchsorted(self._words, tokens), len(self._words) - 1)
        return 1.0 - ((self._words[places] == tokens) & self._covered[places, rows])


def _apart(places: np.ndarray, length: int) -> np.ndarray:
    """Of sorted places those that are so far from the last one chosen."""
    chosen, least = [], -1
    for place in places.tolist():
        if place >= least:
            chosen.append(place)
            least = place + length
    return np.array(chosen)
