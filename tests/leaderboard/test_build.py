"""The only maker of rows: what cells come to in a table."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_cells import MACHINE, PRIMARY, cell, request, task

from bench.cells.record import CellRecord
from bench.errors import BenchError
from bench.leaderboard.board import Block, Board, Row, RowFigure
from bench.leaderboard.build import Request, build_board
from bench.leaderboard.columns import columns
from bench.leaderboard.figures import figures, write_figures
from bench.measures.interval import figure_of
from bench.measures.measure import Count, Instrument, Measure

DRAWN = np.random.default_rng(0)
LOW, MIDDLE, HIGH = (DRAWN.beta(a, b, 60) for a, b in ((2, 6), (4, 4), (6, 2)))


def block(asked: Request, *cells: CellRecord) -> Block:
    return build_board(asked, cells).collections[0].blocks[0]


def row(asked: Request, *cells: CellRecord) -> Row:
    return block(asked, *cells).rows[0]


def test_a_figure_of_several_seeds_is_that_of_the_mean_over_seeds_query_by_query() -> None:
    made = row(request(["dsi"], seeds=[0, 1]), cell("dsi", task(LOW)), cell("dsi", task(HIGH), seed=1))
    expected = figure_of("nDCG@10", (LOW + HIGH) / 2)
    found = made.figures["nDCG@10"]
    assert (found.value, found.low, found.high, found.n) == (expected.value, expected.low, expected.high, 60)
    assert found.spread == pytest.approx(np.std([LOW.mean(), HIGH.mean()], ddof=1))
    assert found.high - found.low < figure_of("nDCG@10", HIGH).high - figure_of("nDCG@10", HIGH).low


def test_a_figure_of_what_fails_counts_the_failures_of_every_seed() -> None:
    """Which queries fail differs from seed to seed, so that few or none fail with all of them."""
    first, second = np.full(60, np.nan), np.full(60, np.nan)
    first[:20], second[15:25] = 1.0, 0.0
    made = row(request(["dsi"], seeds=[0, 1]), cell("dsi", task(first)), cell("dsi", task(second), seed=1))
    found = made.figures["nDCG@10"]
    assert (found.value, found.n) == (pytest.approx(20 / 30), 25)
    expected = figure_of("nDCG@10", np.concatenate([first, second]), [*map(str, range(60))] * 2)
    assert (found.low, found.high) == (expected.low, expected.high)
    assert found.spread == pytest.approx(np.std([1.0, 0.0], ddof=1))


def test_the_seeds_of_a_row_are_those_of_its_figures() -> None:
    failed = cell("dsi", seed=1, problem="it raised")
    made = row(request(["dsi"], seeds=[0, 1]), cell("dsi", task(LOW)), failed)
    assert (made.seeds, made.problem) == ([0], "seed 1: it raised")
    assert len(made.cells) == 2


def test_a_seed_without_a_failure_leaves_the_others_figure() -> None:
    first = np.where(np.arange(60) < 20, 1.0, np.nan)
    made = row(request(["dsi"], seeds=[0, 1]), cell("dsi", task(first)), cell("dsi", task(first * np.nan), seed=1))
    found = made.figures["nDCG@10"]
    assert (found.value, found.n, found.spread) == (1.0, 20, None)


def test_an_interval_follows_the_units_of_the_queries() -> None:
    values = np.repeat(LOW[:20], 3)
    units = [f"d{i // 3}" for i in range(60)]
    alone = row(request(["bm25"]), cell("bm25", task(values))).figures["nDCG@10"]
    grouped = row(request(["bm25"]), cell("bm25", task(values, units=units))).figures["nDCG@10"]
    assert grouped.high - grouped.low > 1.3 * (alone.high - alone.low)
    expected = figure_of("nDCG@10", values, units)
    assert (grouped.low, grouped.high) == (expected.low, expected.high)


def test_a_single_query_has_a_figure_and_no_interval() -> None:
    made = block(request(["bm25", "dsi"]), cell("bm25", task([0.8597])), cell("dsi", task([0.3])))
    assert made.rows[0].figures["nDCG@10"] == RowFigure(0.8597, None, None, 1)
    (pair,) = made.pairs
    assert (pair.difference, pair.low, pair.high, pair.effect) == (pytest.approx(0.5597), None, None, None)


def test_a_board_without_intervals_comes_back_from_its_data() -> None:
    made = build_board(request(["bm25"]), [cell("bm25", task([0.8597]))])
    assert Board.from_data(json.loads(json.dumps(made.as_data(), allow_nan=False))) == made


def test_a_figure_that_was_edited_in_a_cell_is_not_believed() -> None:
    honest = task(MIDDLE)
    edited = honest.result.model_copy(update={"figures": [figure_of("nDCG@10", np.ones(60))]})
    made = row(request(["bm25"]), cell("bm25", type(honest)(edited, *list(vars(honest).values())[1:])))
    assert made.figures["nDCG@10"].value == pytest.approx(MIDDLE.mean())


def test_one_cell_of_a_deterministic_system_stands_for_all_seeds() -> None:
    cells = [
        cell("bm25", task(LOW), deterministic=True),
        cell("dsi", task(MIDDLE)),
        cell("dsi", task(HIGH), seed=1),
    ]
    made = block(request(["bm25", "dsi"], seeds=[0, 1]), *cells)
    bm25 = next(one for one in made.rows if one.system == "bm25")
    assert bm25.problem == ""
    assert bm25.figures["nDCG@10"].spread is None
    (seeds,) = (column for column in columns(made, []) if column.header == "seeds")
    assert {one.system: seeds.entry(one).text[:3] for one in made.rows} == {"bm25": "any", "dsi": "2 ("}


def test_older_cells_of_a_deterministic_system_do_not_become_seeds() -> None:
    cells = [cell("bm25", task(LOW), seed=seed, deterministic=True) for seed in (0, 1)]
    made = row(request(["bm25"], seeds=[0, 1]), *cells)
    assert made.seeds == [0]
    assert made.figures["nDCG@10"].spread is None


def test_a_failed_deterministic_system_has_its_reason_for_every_seed() -> None:
    made = row(request(["bm25"], seeds=[0, 1]), cell("bm25", problem="no memory", deterministic=True))
    assert made.problem == "no memory"


def test_equal_cells_are_one_and_the_newest_counts() -> None:
    old, new = cell("bm25", task(LOW), changed=1.0), cell("bm25", task(HIGH), changed=2.0)
    made = row(request(["bm25"]), new, old)
    assert made.seeds == [0]
    assert made.figures["nDCG@10"].value == pytest.approx(HIGH.mean())


def test_one_content_under_two_names_is_two_tables_and_never_two_seeds() -> None:
    twice = [cell("bm25", task(LOW)), cell("bm25", task(LOW), collection="the same")]
    board = build_board(request(["bm25"]), twice)
    assert [one.name for one in board.collections] == ["small", "the same"]
    assert all(one.blocks[0].rows[0].seeds == [0] for one in board.collections)


def test_a_failed_task_hides_no_finished_one() -> None:
    half = cell("dsi", task(MIDDLE), problem="relevance: the judge is not there")
    first, second = build_board(request(["dsi"], ["search", "relevance"]), [half]).collections[0].blocks
    assert first.rows[0].figures["nDCG@10"].value == pytest.approx(MIDDLE.mean())
    assert first.rows[0].problem == ""
    assert (second.rows[0].done, second.rows[0].problem) == (False, "relevance: the judge is not there")
    assert second.primary.name == ""


def test_what_was_asked_for_and_never_run_is_a_row_that_says_so() -> None:
    made = block(request(["bm25", "dsi"], seeds=[0, 1]), cell("bm25", task(LOW)))
    assert {one.system: one.problem for one in made.rows} == {"bm25": "seed 1: not run", "dsi": "not run"}


def test_where_lower_is_better_the_lowest_comes_first_and_has_the_first_rank() -> None:
    fail = [Measure("fail@1", "share that beats it", higher_is_better=False)]
    cells = [cell("bad", task(HIGH, measures=fail)), cell("good", task(LOW, measures=fail))]
    made = block(request(["bad", "good"]), *cells)
    assert [one.system for one in made.rows] == ["good", "bad"]
    assert [(one.best_rank, one.worst_rank) for one in made.rows] == [(1, 1), (2, 2)]
    assert not made.primary.higher_is_better


def test_a_measure_of_a_third_party_is_treated_by_what_it_says_of_itself() -> None:
    own = [Measure("surprise", "in bits", higher_is_better=False), Measure("depth", "of thought", diagnostic=True)]
    cells = [
        cell("deep", task({"surprise": LOW, "depth": HIGH}, "thinking", own)),
        cell("flat", task({"surprise": HIGH}, "thinking", own)),
    ]
    made = block(request(["flat", "deep"], ["thinking"]), *cells)
    assert made.primary == own[0]
    assert [one.system for one in made.rows] == ["deep", "flat"]
    headers = [column.header for column in columns(made, [])]
    assert headers[headers.index("surprise") :][:2] == ["surprise", "[depth]"]
    assert "depth" not in made.rows[1].figures


def test_what_the_suite_measures_in_addition_has_a_column() -> None:
    wanted = [PRIMARY, Measure("MAP", "average precision"), Measure("P@5", "precision")]
    made = block(request(["bm25"]), cell("bm25", task({"nDCG@10": LOW, "MAP": MIDDLE, "P@5": HIGH}, measures=wanted)))
    headers = [column.header for column in columns(made, [])]
    assert headers[headers.index("nDCG@10") :][:3] == ["nDCG@10", "MAP", "P@5"]


def test_a_query_without_a_value_does_not_count_and_systems_are_tested_where_all_have_one() -> None:
    holes = LOW.copy()
    holes[:10] = np.nan
    made = block(request(["a", "b"]), cell("a", task(holes)), cell("b", task(HIGH)))
    figures_ = {one.system: one.figures["nDCG@10"].n for one in made.rows}
    assert figures_ == {"a": 50, "b": 60}
    assert made.pairs[0].difference == pytest.approx(abs(LOW[10:].mean() - HIGH[10:].mean()), abs=1e-12) or (
        made.pairs[0].difference == pytest.approx(LOW[10:].mean() - HIGH[10:].mean())
    )


def test_systems_with_no_query_in_common_are_not_tested() -> None:
    first, second = LOW.copy(), LOW.copy()
    first[:30], second[30:] = np.nan, np.nan
    made = block(request(["a", "b"]), cell("a", task(first)), cell("b", task(second)))
    assert made.pairs == []
    assert len(made.rows) == 2


def test_the_foot_tells_how_many_sign_flips_were_really_tried() -> None:
    few = block(request(["a", "b"]), cell("a", task(LOW[:4])), cell("b", task(HIGH[:4])))
    assert "(15 sign flips, Smucker" in few.test
    many = block(request(["a", "b"]), cell("a", task(LOW)), cell("b", task(HIGH)))
    assert "(10,000 sign flips, Smucker" in many.test


def test_the_foot_names_the_units_that_are_flipped() -> None:
    users = [f"u{place // 2}" for place in range(len(LOW))]
    one, other = (task(values, units=users, units_are="users") for values in (LOW, HIGH))
    test = block(request(["a", "b"]), cell("a", one), cell("b", other)).test
    assert "sign flips of whole users, Smucker" in test
    assert f"that {len(LOW) // 2} users show in 4 of 5 cases" in test


def test_a_system_that_shares_weights_with_the_instrument_is_marked() -> None:
    judge = Instrument("judge", "the old judge", "53aa")
    cells = [
        cell("sbert", task(HIGH, instrument=judge), weights={"some/model": "53aa"}),
        cell("other", task(LOW, instrument=judge), weights={"other/model": "ffff"}),
    ]
    made = block(request(["sbert", "other"]), *cells)
    assert [one.shares_weights_with for one in made.rows] == ["the judge, the old judge", ""]
    assert made.instrument == judge


def test_counts_are_means_over_seeds_and_what_is_no_number_is_left_out() -> None:
    counts = [[Count("unanswered", value), Count("gap", float("nan"))] for value in (1, 2)]
    cells = [cell("dsi", task(LOW, counts=found), seed=seed) for seed, found in enumerate(counts)]
    made = row(request(["dsi"], seeds=[0, 1]), *cells)
    assert {name: count.value for name, count in made.counts.items()} == {"unanswered": 1.5}


def test_seeds_that_answered_on_two_machines_have_no_common_cost() -> None:
    other = MACHINE.model_copy(update={"processor": "Abacus 3000"})
    cells = [
        cell("dsi", task(LOW, p50_ms=1.0)),
        cell("dsi", task(LOW, machine=other, p50_ms=3.0), seed=1),
    ]
    made = row(request(["dsi"], seeds=[0, 1]), *cells)
    assert made.cost.p50_ms is None
    assert made.cost.fit_seconds is None
    assert " / " in made.hardware


def test_imported_runs_follow_in_the_order_of_their_names_whatever_their_folders_are_called() -> None:
    given = [cell(name, task(LOW), imported=True) for name in ("solr+rm3", "solr", "anserini")]
    for cells in (given, given[::-1]):
        made = block(request(["bm25"]), cell("bm25", task(LOW)), *cells)
        assert [one.system for one in made.rows if one.imported] == ["anserini", "solr", "solr+rm3"]


def test_a_mix_that_no_table_may_have_is_refused() -> None:
    asked = request(["a", "b"])
    with pytest.raises(BenchError, match="different content or rules"):
        build_board(asked, [cell("a", task(LOW)), cell("b", task(LOW), fingerprint="e" * 64)])
    with pytest.raises(BenchError, match="answered different questions"):
        build_board(asked, [cell("a", task(LOW)), cell("b", task(LOW[:5]))])
    with pytest.raises(BenchError, match="different primary measures"):
        build_board(asked, [cell("a", task(LOW)), cell("b", task(LOW, measures=[Measure("MAP")]))])


def test_a_cell_whose_collection_never_opened_is_a_failed_row_of_its_table() -> None:
    lost = cell("bm25", problem="there is no folder x", fingerprint="", rules={})
    made = build_board(request(["bm25"]), [lost]).collections[0]
    assert (made.fingerprint, made.blocks[0].rows[0].problem) == ("", "there is no folder x")


def test_a_board_comes_back_from_its_data_and_nothing_else_does() -> None:
    board = build_board(request(["a", "b"]), [cell("a", task(LOW)), cell("b", task(HIGH))])
    data = json.loads(json.dumps(board.as_data()))
    assert json.loads(json.dumps(Board.from_data(data).as_data())) == data
    for wrong in ([], {}, {"collections": 3}, {**data, "format": 1}, {**data, "collections": [{}]}, None):
        with pytest.raises(ValueError, match="."):
            Board.from_data(wrong)


def test_the_json_has_each_figure_of_each_seed_and_a_null_for_what_failed(tmp_path: Path) -> None:
    asked = request(["a", "b"], ["search", "relevance"])
    cells = [cell("a", task(LOW, p50_ms=1.5, latency_queries=20)), cell("b", problem="out of memory")]
    write_figures(tmp_path / "figures.json", figures(asked, cells))
    found = json.loads((tmp_path / "figures.json").read_text())
    values = {(one["system"], one["task"], one["measure"]): (one["value"], one["status"]) for one in found}
    assert values["a", "search", "nDCG@10"] == (pytest.approx(LOW.mean()), "done")
    assert values["a", "cost", "search.p50_ms"] == (1.5, "done")
    assert values["a", "cost", "fit_seconds"] == (1.0, "done")
    assert values["b", "search", "nDCG@10"] == (None, "failed: out of memory")
    assert values["a", "relevance", ""] == (None, "not run")


def test_a_fit_that_kept_its_start_or_its_last_epoch_says_so_where_the_table_says_that_it_was_trained() -> None:
    epochs = [{"epoch": number, "MRR@10": 0.5} for number in range(4)]

    def trained(seed: int, chosen: int, by: str | None) -> CellRecord:
        one = cell("dsi", task(MIDDLE), seed=seed, trained=True)
        assert one.manifest
        facts = {"training": {"chosen_epoch": chosen, "epochs": epochs, "decided_by": by}}
        return replace(one, manifest=one.manifest.model_copy(update={"facts": facts}))

    def shown(*chosen: int, by: str | None = "MRR@10") -> str:
        cells = [trained(seed, epoch, by) for seed, epoch in enumerate(chosen)]
        made = block(request(["dsi"], seeds=range(len(chosen))), *cells)
        return next(column for column in columns(made, []) if column.header == "trained").entry(made.rows[0]).text

    assert [shown(0), shown(2), shown(0, 0), shown(0, 1)] == ["start", "yes", "start", "yes, start in 1 of 2"]
    assert [shown(3), shown(3, 3), shown(0, 3, 2)] == ["last", "last", "yes, start in 1, last in 1 of 3"]
    assert shown(3, by=None) == "yes"


def test_an_accelerator_that_only_the_fit_used_is_the_rows() -> None:
    made = cell("bm25", task(LOW))
    assert made.manifest
    trained = made.manifest.environment.model_copy(
        update={"machine": MACHINE.model_copy(update={"accelerator": "GPU 9"})}
    )
    made = replace(made, manifest=made.manifest.model_copy(update={"environment": trained}))
    shown = row(request(["bm25"]), made)
    assert shown.hardware == "abacus, 2 threads, accelerator GPU 9"
    assert shown.cost.fit_seconds == 1.0
