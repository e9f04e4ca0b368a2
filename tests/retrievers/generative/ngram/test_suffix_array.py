"""The suffix array against a search of the text itself."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from retrievers.generative.ngram.suffix_array import END, LONGEST, SuffixArray

texts = st.lists(st.lists(st.integers(0, 3), max_size=25), min_size=1, max_size=6)
ngrams = st.lists(st.integers(0, 3), min_size=1, max_size=6)


def joined(texts: list[list[int]]) -> np.ndarray:
    return np.array([token for text in texts for token in [*text, END]], dtype=np.int32)


def occurrences(tokens: np.ndarray, ngram: list[int]) -> list[int]:
    return [place for place in range(len(tokens)) if tokens[place : place + len(ngram)].tolist() == ngram]


@given(texts, ngrams)
def test_the_range_of_an_ngram_holds_its_occurrences(texts: list[list[int]], ngram: list[int]) -> None:
    array = SuffixArray.build(joined(texts))
    start, stop = array.find(ngram)
    assert stop - start == len(occurrences(array.tokens, ngram))
    assert sorted(array.places(start, stop).tolist()) == occurrences(array.tokens, ngram)


@given(texts, st.lists(st.lists(st.integers(0, 3), min_size=2, max_size=2), min_size=1, max_size=4))
def test_what_follows_some_ngrams_is_what_follows_them_in_the_text(
    texts: list[list[int]], ngrams: list[list[int]]
) -> None:
    array = SuffixArray.build(joined(texts))
    found = array.follow(*zip(*map(array.find, ngrams), strict=True), length=2)
    seen = {
        (parent, int(array.tokens[place + 2]))
        for parent, ngram in enumerate(ngrams)
        for place in occurrences(array.tokens, ngram)
        if array.tokens[place + 2] != END
    }
    assert set(zip(found.parents.tolist(), found.tokens.tolist(), strict=True)) == seen
    assert len(found.parents) == len(seen)
    for parent, token, start, stop in zip(*(column.tolist() for column in found), strict=True):
        assert (start, stop) == array.find([*ngrams[parent], token])


@given(texts)
def test_every_ngram_is_reached_from_the_empty_one_and_none_goes_over_an_end(texts: list[list[int]]) -> None:
    array = SuffixArray.build(joined(texts))
    reached: set[tuple[int, ...]] = set()
    beams, starts, stops = [()], [0], [len(array)]
    for length in range(4):
        found = array.follow(starts, stops, length)
        beams = [(*beams[parent], token) for parent, token in zip(found.parents, found.tokens.tolist(), strict=True)]
        starts, stops = found.starts.tolist(), found.stops.tolist()
        reached |= set(beams)
    assert reached == {
        tuple(text[at : at + size]) for text in texts for size in range(1, 5) for at in range(len(text) - size + 1)
    }


def test_ngrams_up_to_the_longest_are_told_apart() -> None:
    same = [1] * (LONGEST - 1)
    array = SuffixArray.build(joined([[*same, 2], [*same, 3], [*same, 2]]))
    assert np.subtract(*array.find([*same, 2])) == -2
    assert np.subtract(*array.find([*same, 3])) == -1
    assert array.follow(*([one] for one in array.find(same)), length=len(same)).tokens.tolist() == [2, 3]


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    array = SuffixArray.build(joined([[3, 1, 2], [1, 2]]))
    array.save(tmp_path)
    assert SuffixArray.load(tmp_path).find([1, 2]) == array.find([1, 2]) != (0, 0)
