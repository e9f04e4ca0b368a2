"""Columns, entries and notes, the same on the screen and in every published form."""

from dataclasses import replace

import pytest
from boards import HARDWARE, board

from bench.leaderboard.board import Block
from bench.leaderboard.formats import as_latex, as_markdown
from bench.leaderboard.grid import columns, notes
from bench.leaderboard.plots import block_plots
from bench.leaderboard.rows import mean_costs


def searched(**cost: float | None) -> Block:
    """The task search with two systems, the first with other costs."""
    block = board(["bm25", "dsi"], ["pydoc-1k"]).collections[0].blocks[0]
    block.rows[0].cost.update(cost)  # type: ignore[attr-defined]
    return block


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


def test_the_mark_reaches_markdown_latex_and_the_picture() -> None:
    made = board(["bm25", "dsi"], ["pydoc-1k"])
    made.collections[0].blocks[0].rows[0].cost.update(others_share=0.5)  # type: ignore[attr-defined]
    assert "| 3.00† |" in as_markdown(made)
    assert r"3.00\textdagger{} &" in as_latex(made)
    plots = block_plots(made.collections[0].blocks[0], {}, "salt")
    assert "ms (log): 3.00†" in plots[0].svg


def test_of_several_seeds_the_busiest_counts() -> None:
    of_fit = [{"fit_seconds": 1.0, "fit_others_share": 0.1}, {"fit_seconds": 3.0, "fit_others_share": 0.4}]
    found = mean_costs(of_fit, [{"p50_ms": 2.0, "others_share": None}, {"p50_ms": 4.0}])
    assert (found["fit_seconds"], found["fit_others_share"]) == (2.0, 0.4)
    assert (found["p50_ms"], found["others_share"]) == (3.0, None)
    assert found["fit_processor_seconds"] is None


def test_a_diagnosis_in_a_measure_is_a_fraction_and_a_column_of_nothing_is_left_out() -> None:
    block = searched()
    headers = {"expected Recall@10": "expected Recall@10", "short": "short", "long": "long"}
    block = replace(block, count_columns=headers)
    block.rows[1].counts.update({"expected Recall@10": 0.0648})  # type: ignore[attr-defined]
    assert shown(block, "expected Recall@10") == ["–", ".065"]
    assert shown(block, "short") == ["1", "1"]
    assert "long" not in {column.header for column in columns(block, [HARDWARE])}


def test_identifiers_that_do_not_exist_are_told_below_the_table() -> None:
    block = searched()
    block.rows[1].counts.update({"invalid answers": 0.125})  # type: ignore[attr-defined]
    assert "dsi: 12.5% of the identifiers it wrote do not exist" in notes(block, [HARDWARE])
