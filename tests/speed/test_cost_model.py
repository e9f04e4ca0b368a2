"""The cost model is a straight line through what was measured."""

from pathlib import Path

import pytest
from cost_model import Line, extrapolated, fitted, gpu_hours, read_rows

TABLE = """
system    documents step     seconds processor  peak MB  disk MB
Loading weights: 100%
bm25         10,000 fit          9.0       3.0      210      1.0
bm25        100,000 fit         30.0      21.0      300     10.0
sbert        10,000 fit          9.0       3.0      210      1.0
"""


def test_points_of_a_line_give_the_line() -> None:
    line = Line.through([10_000, 100_000, 1_000_000], [3.0, 21.0, 201.0])
    assert line.fixed == pytest.approx(1.0)
    assert line.each == pytest.approx(2e-4)
    assert line.at(50_000, longer=2) == pytest.approx(21.0)


def test_what_was_measured_at_two_sizes_is_extrapolated(tmp_path: Path) -> None:
    (tmp_path / "sizes.txt").write_text(TABLE)
    found = fitted(read_rows([tmp_path / "sizes.txt"]))
    assert list(found) == [("bm25", "fit")]
    line = extrapolated("bm25", "fit", found["bm25", "fit"], 18_000_000, 1.0)
    assert line.split() == ["bm25", "fit", "1.00", "processor", "hours", "peak", "18.2", "GB", "disk", "1.8", "GB"]


def test_encoding_takes_two_operations_for_each_weight_and_token() -> None:
    assert gpu_hours(8_841_823, 75, 8, 20) == pytest.approx(8_841_823 * 75 * 2 * 10.7e6 / 160e12 / 3600)
