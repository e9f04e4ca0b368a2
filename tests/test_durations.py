"""How long something may take, as people write and say it."""

import pytest

from bench.durations import duration, seconds_of


@pytest.mark.parametrize(
    ("given", "seconds", "told"),
    [("90s", 90, "90 s"), ("15m", 900, "15 min"), ("2h", 7200, "2 h"), ("1d", 86400, "24 h"), (0.5, 0.5, "0.5 s")],
)
def test_a_time_is_read_and_told(given: object, seconds: float, told: str) -> None:
    assert (seconds_of(given), duration(seconds_of(given))) == (seconds, told)


@pytest.mark.parametrize("given", ["", "soon", "0", 0, -1, "1 w", True, None, float("nan"), float("inf"), "1h30m"])
def test_anything_else_is_refused(given: object) -> None:
    with pytest.raises(ValueError, match="is no time"):
        seconds_of(given)
