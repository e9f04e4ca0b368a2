"""Weights of n-grams and scores of documents, against the formulas worked out document by document."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrievers.generative.ngram.index import ViewIndex
from retrievers.generative.ngram.options import ScoringOptions
from retrievers.generative.ngram.scoring import Scorer, Weighed, weigh, weights
from retrievers.generative.ngram.search import Found, Ngrams
from retrievers.generative.ngram.suffix_array import END

texts = st.lists(st.integers(0, 4), min_size=1, max_size=12)
units = st.lists(st.lists(texts, min_size=1, max_size=2), min_size=1, max_size=6)
heavy = st.dictionaries(st.lists(st.integers(0, 4), min_size=1, max_size=4).map(tuple), st.integers(1, 9), max_size=8)
light = st.dictionaries(st.integers(0, 4), st.integers(1, 9), max_size=5)


def ngrams(index: ViewIndex, wanted: list[tuple[int, ...]]) -> Ngrams:
    longest = max(map(len, wanted), default=1)
    tokens = np.array([[*ngram, *[END] * (longest - len(ngram))] for ngram in wanted], dtype=np.int64)
    found = np.array([index.array.find(ngram) for ngram in wanted], dtype=np.int64).reshape(-1, 2)
    return Ngrams(tokens.reshape(-1, longest), found[:, 0], found[:, 1], np.zeros(len(wanted)))


def weighed(index: ViewIndex, heavy: dict[tuple[int, ...], int], light: dict[int, int]) -> Weighed:
    """N-grams as a search finds them: none that occurs nowhere, and no single token twice."""
    order = sorted((n for n in heavy if np.diff(index.array.find(n))[0]), key=lambda n: (-heavy[n], n))
    single = [(token,) for token in light if (token,) not in heavy and np.diff(index.array.find([token]))[0]]
    return Weighed(
        ngrams(index, order),
        np.array([float(heavy[ngram]) for ngram in order]),
        ngrams(index, single),
        np.array([float(light[token]) for (token,) in single]),
    )


def slow_score(unit: list[list[int]], given: Weighed, beta: float) -> float:
    """The definition, step by step."""
    text = [token for part in unit for token in [*part, END]]
    free = [token != END for token in text]
    had: set[int] = set()
    score = 0.0
    for group, values in ((given.ngrams, given.weights), (given.unigrams, given.unigram_weights)):
        for tokens, weight in zip(group.tokens.tolist(), values.tolist(), strict=True):
            ngram = [token for token in tokens if token != END]
            taken = False
            for place in range(len(text) - len(ngram) + 1):
                here = slice(place, place + len(ngram))
                if text[here] == ngram and all(free[here]):
                    free[here] = [False] * len(ngram)
                    taken = True
            if taken:
                score += weight * (1 - beta + beta * len(set(ngram) - had) / len(set(ngram)))
                had |= set(ngram)
    return score


@given(units, heavy, light, st.sampled_from([0.0, 0.8, 1.0]), st.sampled_from([0.0, 1.0, 2.5]))
def test_a_documents_score_is_that_of_its_best_unit_and_their_mean_worked_out_step_by_step(
    units: list[list[list[int]]], heavy: dict[tuple[int, ...], int], light: dict[int, int], beta: float, mean: float
) -> None:
    owners = [place // 2 for place in range(len(units))]
    rows = np.arange(owners[-1] + 1)
    index = ViewIndex.build(list(zip(owners, units, strict=True)))
    given = weighed(index, heavy, light)
    scorer = Scorer(index, ScoringOptions(beta=beta, passage_mean=mean))
    found = scorer.documents(given, rows)
    each = [slow_score(unit, given, beta) for unit in units]
    parts = [each[2 * row : 2 * row + 2] for row in rows]
    assert found == pytest.approx([max(part) + mean * sum(part) / len(part) for part in parts])
    assert found == pytest.approx([added.sum() for _, added in scorer.evidence(given, rows)])


def test_what_stands_all_through_a_document_counts_more_than_what_stands_in_one_passage() -> None:
    index = ViewIndex.build([(0, [[0, 1]]), (0, [[2, 3]]), (1, [[0, 2]]), (1, [[0, 3]])])
    given = weighed(index, {}, {0: 1})
    one, all_through = Scorer(index, ScoringOptions()).documents(given, np.arange(2))
    assert (one, all_through) == (1.5, 2.0)
    assert Scorer(index, ScoringOptions(passage_mean=0)).documents(given, np.arange(2)).tolist() == [1.0, 1.0]


@given(units, heavy, light)
def test_some_documents_have_the_score_that_they_have_among_all(
    units: list[list[list[int]]], heavy: dict[tuple[int, ...], int], light: dict[int, int]
) -> None:
    index = ViewIndex.build(list(enumerate(units)))
    given, scorer = weighed(index, heavy, light), Scorer(index, ScoringOptions())
    some = np.arange(0, len(units), 2)
    assert scorer.documents(given, some) == pytest.approx(scorer.documents(given, np.arange(len(units)))[some])


@given(units, heavy, light, st.integers(1, 4))
def test_the_first_stage_adds_what_is_held_and_not_too_frequent(
    units: list[list[list[int]]], heavy: dict[tuple[int, ...], int], light: dict[int, int], frequent: int
) -> None:
    index = ViewIndex.build(list(enumerate(units)))
    given = weighed(index, heavy, light)
    expected = np.zeros(len(units))
    for group, values in ((given.ngrams, given.weights), (given.unigrams, given.unigram_weights)):
        for start, stop, value in zip(group.starts, group.stops, values, strict=True):
            holders = {int(index.unit_of[place]) for place in index.array.places(start, stop)}
            expected[list(holders)] += value if stop - start <= frequent else 0
    found = Scorer(index, ScoringOptions(frequent=frequent, passage_mean=0)).at_first(given, len(units))
    assert found == pytest.approx(expected)


def test_a_weight_is_the_squared_log_odds_against_the_prior() -> None:
    prior, given = (3 + 5) / (1000 + 5), 0.25
    expected = math.log(given * (1 - prior) / (prior * (1 - given))) ** 2
    assert weights(np.array([math.log(given)]), np.array([3]), 1000, ScoringOptions())[0] == pytest.approx(expected)


def test_what_the_question_makes_less_likely_weighs_nothing() -> None:
    assert weights(np.log([0.001]), np.array([100]), 1000, ScoringOptions())[0] == 0


def test_a_certain_ngram_has_a_finite_weight() -> None:
    assert np.isfinite(weights(np.zeros(1), np.array([1]), 1000, ScoringOptions())).all()


def test_a_token_that_stood_in_a_beam_is_not_weighed_again() -> None:
    index = ViewIndex.build([(0, [[0, 1, 2]])])
    tokens, (starts, stops) = index.spans
    unigrams = Ngrams(tokens[:, None], starts, stops, np.log([0.5, 0.3, 0.2]))
    found = weigh(Found(unigrams.of(np.array([0])), unigrams), index.size, ScoringOptions(smoothing=0.01))
    assert found.ngrams.tokens.ravel().tolist() == [0]
    assert 0 not in found.unigrams.tokens
