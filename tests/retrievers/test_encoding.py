from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.progress import no_progress
from retrievers.encoding import DistinctTexts, Holders, scratch_array

TEXTS = st.lists(st.sampled_from(["", "tea", "jam", "toast and jam", "Tee", "été", "\ud800"]), min_size=1)


@given(TEXTS, st.integers(1, 2))
def test_each_distinct_text_is_encoded_once_and_longest_first(texts: list[str], batch: int) -> None:
    distinct = DistinctTexts(texts)
    encoded = [text for part in distinct.encode(iter, batch, no_progress) for text in part]
    assert sorted(encoded) == sorted(set(texts))
    assert [len(text) for text in encoded] == sorted(map(len, encoded), reverse=True)
    assert [encoded[place] for place in distinct.place] == texts


@given(TEXTS, st.randoms())
def test_the_order_of_encoding_does_not_depend_on_that_of_the_corpus(texts: list[str], random: Random) -> None:
    shuffled = list(texts)
    random.shuffle(shuffled)
    first, second = (list(DistinctTexts(order).encode(iter, 4, no_progress)) for order in (texts, shuffled))
    assert first == second


@given(TEXTS, st.data())
def test_scores_of_texts_reach_all_documents_that_hold_them(texts: list[str], data: st.DataObject) -> None:
    distinct = DistinctTexts(texts)
    holders = Holders(distinct.place, distinct.digests)
    found = np.array(data.draw(st.lists(st.integers(0, len(distinct) - 1), unique=True, min_size=1)))
    scores = np.linspace(0, 1, len(distinct), dtype=np.float32)
    documents, values = holders.hits(found, scores[found])
    expected = [row for row, place in enumerate(distinct.place) if place in found]
    assert sorted(documents) == expected
    np.testing.assert_array_equal(values, scores[distinct.place[documents]])


@given(TEXTS, TEXTS)
def test_a_text_that_comes_again_keeps_its_number(texts: list[str], more: list[str]) -> None:
    distinct = DistinctTexts(texts)
    holders, new = Holders(distinct.place, distinct.digests).and_then(more)
    assert new == [text for text in dict.fromkeys(more) if text not in texts]
    known = [*map(distinct.__getitem__, range(len(distinct))), *new]
    assert [known[place] for place in holders.place] == [*texts, *more]
    assert holders.and_then(texts)[1] == []


@given(TEXTS, st.data())
def test_texts_in_another_order_have_other_numbers(texts: list[str], data: st.DataObject) -> None:
    distinct = DistinctTexts(texts)
    order = np.array(data.draw(st.permutations(range(len(distinct)))))
    holders = Holders(distinct.place, distinct.digests).renumbered(order)
    assert [distinct[order[place]] for place in holders.place] == texts
    assert holders.and_then(texts)[1] == []


def test_a_scratch_array_keeps_what_is_written() -> None:
    array = scratch_array((3, 2), np.float16)
    array[1] = 5
    assert array.tolist() == [[0, 0], [5, 5], [0, 0]]
    assert scratch_array((0, 2), np.float32).shape == (0, 2)
