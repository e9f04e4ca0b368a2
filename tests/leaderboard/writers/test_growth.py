"""The chart of a collection that grows."""

from boards import block, row

from bench.leaderboard.board import Block
from bench.leaderboard.writers.charts import colours_of
from bench.leaderboard.writers.pictures import block_charts
from bench.measures.measure import Measure

NAMES = ("A@10", "F@10", "GA@10", "A@0", "A@1", "A@9")


def test_quality_is_drawn_over_the_parts_in_their_order() -> None:
    measures = [Measure(name, higher_is_better=name != "F@10") for name in NAMES]
    systems = ("bm25", "dsi")
    rows = [row(system, measures, 0.5, rank, 2, "pydoc") for rank, system in enumerate(systems, start=1)]
    made: Block = block("search", systems, "pydoc")
    grown = Block(**vars(made) | {"task": "dynamic", "measures": measures, "columns": list(NAMES), "rows": rows})
    (chart,) = block_charts(grown, colours_of(systems))
    assert chart.title == "Dynamic by part"
    ticks = [chart.svg.index(f">{number}<") for number in (0, 1, 9, 10)]
    assert ticks == sorted(ticks)
    assert "GA" not in chart.svg
