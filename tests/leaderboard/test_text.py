"""Numbers as tables show them."""

from dataclasses import replace

import pytest
from boards import board
from hypothesis import given
from hypothesis import strategies as st

from bench.leaderboard.text import amount, count
from bench.leaderboard.writers.latex import as_latex
from bench.leaderboard.writers.markdown import as_markdown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (179, "179"),
        (15061.0, "15,061"),
        (2 / 3, "0.67"),
        (97 / 3, "32.3"),
        (537 / 2, "268"),
        (0.0012, "<0.01"),
    ],
)
def test_a_count_is_whole_and_a_mean_of_counts_has_three_digits(value: float, shown: str) -> None:
    assert count(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0, "0.00"), (0.004, "<0.01"), (9.996, "10.0"), (99.96, "100"), (1234.5, "1,234")]
)
def test_an_amount_has_three_digits_and_nothing_small_becomes_nothing(value: float, shown: str) -> None:
    assert amount(value) == shown


@given(st.floats(0, 1e9))
def test_no_number_is_longer_than_it_tells(value: float) -> None:
    for shown in (amount(value), count(value)):
        if value < 1000:
            assert len(shown) <= 5
        assert float(shown.replace(",", "").lstrip("<")) == pytest.approx(value, rel=0.05, abs=0.01)


def test_means_of_counts_are_short_in_markdown_and_latex() -> None:
    made = board(["bm25", "dsi"], ["pydoc-1k"])
    counts = made.collections[0].blocks[0].rows[0].counts
    for name, value in (("unanswered", 2 / 3), ("short", 97 / 3)):
        counts[name] = replace(counts[name], value=value)  # type: ignore[index]
    for text in (as_markdown(made), as_latex(made, kinds=("count",))):
        assert "0.67" in text
        assert "32.3" in text
        assert "0.666" not in text
        assert "32.33" not in text
