"""Columns, entries and notes, the same on the screen and in every published form."""

from dataclasses import replace

import pytest
from boards import HARDWARE, board

from bench.cells.record import FitCost, TaskCost
from bench.leaderboard.board import Block
from bench.leaderboard.columns import columns, notes
from bench.leaderboard.rows import mean_costs
from bench.leaderboard.writers.latex import as_latex
from bench.leaderboard.writers.markdown import as_markdown
from bench.measures.measure import Count, Measure


def with_cost(block: Block, **cost: float | None) -> Block:
    """The block with other costs of its first system."""
    first = replace(block.rows[0], cost=replace(block.rows[0].cost, **cost))  # type: ignore[arg-type]
    return replace(block, rows=[first, *block.rows[1:]])


def with_counts(block: Block, *counts: Count) -> Block:
    """The block with more counts of its second system."""
    first, second = block.rows
    second = replace(second, counts={**second.counts, **{count.name: count for count in counts}})
    return replace(block, rows=[first, second])


def searched(**cost: float | None) -> Block:
    """The task search with two systems."""
    return with_cost(board(["bm25", "dsi"], ["pydoc-1k"]).collections[0].blocks[0], **cost)


def shown(block: Block, header: str) -> list[str]:
    column = next(column for column in columns(block, [HARDWARE]) if column.header == header)
    return [column.entry(row).text for row in block.rows]


def test_a_cost_measured_beside_other_work_is_marked_and_the_foot_says_why() -> None:
    block = searched(others_share=0.62)
    assert shown(block, "p50 ms") == ["3.00†", "1.50"]
    assert shown(block, "p99 ms") == ["9.00†", "4.50"]
    assert shown(block, "q/s") == ["100†", "200"]
    assert shown(block, "fit s") == ["9.00", "18.0"]
    assert shown(block, "memory MB") == ["10.0", "20.0"]
    foot = [note for note in notes(block, [HARDWARE]) if note.startswith("†")]
    assert foot == [
        "† measured while other work took more than 15% of the processor (up to 62%): a quiet machine is quicker"
    ]
    entry = next(column for column in columns(block, [HARDWARE]) if column.header == "q/s").entry(block.rows[0])
    assert entry.note == "other work took 62% of the processor meanwhile"
    assert entry.order == 100


def test_the_time_of_the_fit_has_a_share_of_its_own() -> None:
    block = searched(fit_others_share=0.3, others_share=0.0)
    assert shown(block, "fit s") == ["9.00†", "18.0"]
    assert shown(block, "p50 ms") == ["3.00", "1.50"]


@pytest.mark.parametrize("share", [None, 0.0, 0.15])
def test_a_quiet_machine_and_one_that_does_not_tell_leave_no_mark(share: float | None) -> None:
    block = searched(others_share=share, fit_others_share=share)
    assert not any("†" in text for header in ("fit s", "p50 ms", "q/s") for text in shown(block, header))
    assert not any("†" in note for note in notes(block, [HARDWARE]))


def test_a_cost_that_is_not_known_is_a_dash_and_never_0() -> None:
    block = searched(p50_ms=None, memory_mb=None)
    assert shown(block, "p50 ms") == ["–", "1.50"]
    assert shown(block, "memory MB") == ["–", "20.0"]


def test_the_mark_reaches_markdown_and_latex() -> None:
    made = board(["bm25", "dsi"], ["pydoc-1k"])
    block = with_cost(made.collections[0].blocks[0], others_share=0.5)
    made = replace(made, collections=[replace(made.collections[0], blocks=[block])])
    assert "| 3.00† |" in as_markdown(made)
    assert r"3.00\textdagger{} &" in as_latex(made, kinds=("primary", "cost"))


def test_of_several_seeds_the_busiest_counts() -> None:
    of_fit = [FitCost(seconds=1.0, others_share=0.1), FitCost(seconds=3.0, others_share=0.4)]
    found = mean_costs(of_fit, [TaskCost(p50_ms=2.0), TaskCost(p50_ms=4.0)])
    assert (found.fit_seconds, found.fit_others_share) == (2.0, 0.4)
    assert (found.p50_ms, found.others_share) == (3.0, None)
    assert found.fit_processor_seconds is None


def test_a_share_is_a_fraction_and_a_count_without_a_header_has_no_column() -> None:
    one = Count("expected", 0.0648, "over all orders", "expected", kind="share")
    block = with_counts(searched(), one, Count("hidden", 3.0))
    assert shown(block, "expected") == ["–", ".065"]
    assert shown(block, "short") == ["1", "1"]
    assert "hidden" not in {column.header for column in columns(block, [HARDWARE])}


def test_what_a_system_tells_of_its_answers_stands_below_the_table() -> None:
    invalid = Count("invalid answers", 0.125, kind="share", note="{value} of the identifiers it wrote do not exist")
    silent = Count("duplicates", 0.0, kind="share", note="{value} are duplicates")
    found = notes(with_counts(searched(), invalid, silent), [HARDWARE])
    assert "dsi: 12.5% of the identifiers it wrote do not exist" in found
    assert not any("duplicates" in note for note in found)


def test_a_diagnostic_measure_stands_in_brackets_and_the_foot_says_that_it_is_no_result() -> None:
    block = searched()
    diagnostic = Measure("SID-level Recall@10", "items of one identifier count as one", diagnostic=True)
    block = replace(block, measures=[*block.measures, diagnostic], columns=[*block.columns, diagnostic.name])
    assert shown(block, "[SID-level Recall@10]") == ["–", "–"]
    assert "[SID-level Recall@10]: items of one identifier count as one; a diagnostic, no result" in notes(block, [])


def test_each_column_says_of_which_kind_it_is_so_that_a_narrow_format_can_choose() -> None:
    kinds = {column.header: column.kind for column in columns(searched(), [HARDWARE])}
    assert kinds["rank"] == "rank"
    assert [header for header, kind in kinds.items() if kind == "primary"] == ["nDCG@10"]
    assert kinds["MRR@10"] == "quality"
    assert kinds["trained"] == "fact"
    assert kinds["short"] == "count"
    assert {kinds[header] for header in ("fit s", "p50 ms", "q/s", "memory MB", "disk MB")} == {"cost"}


def test_a_deterministic_system_says_that_its_one_run_stands_for_any_seed() -> None:
    first, second = searched().rows
    block = replace(searched(), rows=[replace(first, deterministic=True), replace(second, seeds=[0, 1, 2])])
    assert shown(block, "seeds") == ["any", "3"]


def test_where_lower_is_better_the_column_says_so() -> None:
    block = board(["bm25", "dsi"], ["pydoc-1k"]).collections[0].blocks[1]
    column = next(column for column in columns(block, [HARDWARE]) if column.kind == "primary")
    assert column.meaning.endswith("; lower is better")
