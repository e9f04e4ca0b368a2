"""Two identifiers for each item: tokens of their own, whatever their lengths and vocabularies."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from retrievers.generative.docids import Identifiers
from retrievers.recommenders.semantic_ids.two_names import with_both


def test_the_second_ones_follow_in_tokens_of_their_own() -> None:
    first = Identifiers(np.array([[0, 1], [2, 0]], dtype=np.int32), (3, 2))
    second = Identifiers(np.array([[1, 3, 0], [0, 2, -1]], dtype=np.int32), (2, 4, 1))
    both = with_both(first, second)
    assert both.tokens.tolist() == [[0, 1, -1], [2, 0, -1], [4, 7, 1], [3, 6, -1]]
    assert both.vocabularies == (6, 8, 2)


codes = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=8, unique=True)


@given(codes, codes)
def test_no_identifier_of_one_kind_begins_as_one_of_the_other(
    first: list[tuple[int, int]], second: list[tuple[int, int]]
) -> None:
    made = [Identifiers.of(np.array(one)) for one in (first, second)]
    both = with_both(*made)
    own, other = both.tokens[: len(first)], both.tokens[len(first) :]
    assert not set(own[:, 0].tolist()) & set(other[:, 0].tolist())
    np.testing.assert_array_equal(own, made[0].tokens)
    np.testing.assert_array_equal(other % (np.array(both.vocabularies) // 2), made[1].tokens)
    both.trie()
