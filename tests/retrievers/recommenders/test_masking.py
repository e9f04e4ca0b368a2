"""Hidden tokens: how many, which, and what is read in their places."""

import numpy as np
import pytest

from retrievers.recommenders.masking import NOT_ASKED, mask_tokens

MASK = 103


def test_a_seventh_is_guessed_and_most_of_it_is_hidden() -> None:
    tokens = np.arange(200, 1200)[None].repeat(100, axis=0)
    may = tokens % 10 > 0
    read, guessed = mask_tokens(tokens, may, MASK, np.arange(5000, 6000), np.random.default_rng(0))
    asked = guessed != NOT_ASKED
    assert not asked[~may].any()
    np.testing.assert_array_equal(guessed[asked], tokens[asked])
    np.testing.assert_array_equal(read[~asked], tokens[~asked])
    assert asked[may].mean() == pytest.approx(0.15, abs=0.005)
    assert (read[asked] == MASK).mean() == pytest.approx(0.8, abs=0.01)
    assert (read[asked] == tokens[asked]).mean() == pytest.approx(0.1, abs=0.01)
    assert (read[asked] >= 5000).mean() == pytest.approx(0.1, abs=0.01)
