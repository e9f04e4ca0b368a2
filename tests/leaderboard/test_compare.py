"""Two systems compared, from cells and from run files."""

import gzip
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from finished_cells import HOSTILE, SPECIAL, Finished
from rich.console import Console

from bench.collections.catalogue import open_dataset
from bench.errors import BenchError
from bench.leaderboard.compare import compare, dataset_of, read_side
from bench.leaderboard.compare_many import compare_many
from bench.measures.significance import compare_all, rank_intervals
from bench.terminal.comparison import comparison_view, pairs_view


def shown(found: object) -> str:
    console = Console(width=140, record=True, file=StringIO())
    console.print(found)
    return console.export_text()


def run_file(finished: Finished, system: str) -> Path:
    return next(finished.cell(system).folder.glob("tasks/search*/run.trec.gz"))


def test_wins_losses_and_ties_are_those_of_the_queries(finished: Finished) -> None:
    sides = [read_side(finished.cell(name).folder, "search", finished.dataset) for name in ("bm25", "tf-idf")]
    found = compare(*sides)
    primary = found.measures[0]
    assert primary.measure == "nDCG@10"
    differences = sides[0].values["nDCG@10"] - sides[1].values["nDCG@10"]
    assert (primary.wins, primary.losses) == ((differences > 0).sum(), (differences < 0).sum())
    assert primary.wins + primary.losses + primary.ties == primary.queries == len(differences)
    assert primary.means[0] - primary.means[1] == pytest.approx(primary.test.difference)
    assert primary.test.low <= primary.test.difference <= primary.test.high
    moved = [abs(one.first - one.second) for one in found.moved]
    assert moved == sorted(moved, reverse=True)
    assert moved[0] == pytest.approx(np.abs(differences).max())


def test_where_lower_is_better_the_lower_one_wins(finished: Finished) -> None:
    higher = [read_side(finished.cell(name).folder, "search", finished.dataset) for name in ("bm25", "tf-idf")]
    turned = [replace(one, higher_is_better=False) for one in higher[0].exam.measures]
    lower = [replace(side, exam=replace(side.exam, measures=turned)) for side in higher]
    one, other = (compare(*sides) for sides in (higher, lower))
    wins, losses = one.measures[0].wins, one.measures[0].losses
    assert wins != losses
    assert (other.measures[0].wins, other.measures[0].losses) == (losses, wins)
    assert other.measures[0].test == one.measures[0].test
    assert "nDCG@10 ↓" in shown(comparison_view(other))
    assert "↓ lower is better" in " ".join(shown(comparison_view(other)).split())
    assert "↓" not in shown(comparison_view(one))


def test_the_queries_that_moved_are_shown_with_their_text(finished: Finished) -> None:
    sides = [read_side(finished.cell(name).folder, "search", finished.dataset) for name in ("bm25", SPECIAL)]
    found = compare(*sides, moved=3)
    assert len(found.moved) == 3
    text = shown(comparison_view(found))
    for one in found.moved:
        assert one.query.id in text
        assert " ".join(one.query.text.split())[:40] in text
    assert "0.0001" in text


def test_run_files_compare_as_the_cells_that_wrote_them(finished: Finished) -> None:
    pairs = [
        [read_side(path, "search", finished.dataset) for path in paths]
        for paths in (
            [finished.cell(name).folder for name in ("bm25", HOSTILE)],
            [run_file(finished, name) for name in ("bm25", HOSTILE)],
        )
    ]
    cells, files = (compare(*sides).measures[0] for sides in pairs)
    assert files.means == pytest.approx(cells.means)
    assert files.test.p == cells.test.p


def test_a_probe_is_compared_by_its_own_questions(finished: Finished) -> None:
    folders = [finished.cell(name).folder for name in ("tf-idf", HOSTILE)]
    sides = [read_side(folder, "exclusivity", finished.dataset) for folder in folders]
    found = compare(*sides)
    assert found.measures[0].measure == "Hits@1 N=32"
    assert found.measures[0].queries == 30
    assert f"{HOSTILE}" in shown(comparison_view(found))


def test_another_measure_can_be_put_first(finished: Finished) -> None:
    side = read_side(finished.cell("bm25").folder, "search", finished.dataset)
    found = compare(side, side, measure="MAP")
    assert found.measures[0].measure == "MAP"
    assert found.measures[0].test.p == 1
    assert found.moved == []
    with pytest.raises(BenchError, match="did you mean nDCG@10"):
        compare(side, side, measure="NDCG@10")


def test_the_dataset_is_what_the_first_cell_says(finished: Finished, beir_folder: Path) -> None:
    folder = finished.cell("bm25").folder
    assert dataset_of([run_file(finished, "bm25"), folder]) == f"beir:{beir_folder}"
    assert dataset_of([run_file(finished, "bm25")]) == ""


def test_what_does_not_fit_is_refused(finished: Finished, beir_folder: Path, tmp_path: Path) -> None:
    folder = finished.cell("bm25").folder
    other = open_dataset(f"beir:{beir_folder}?gains=binary")
    with pytest.raises(BenchError, match="other content or rules; name its own with --dataset"):
        read_side(folder, "search", other)
    with pytest.raises(BenchError, match="is not a finished cell"):
        read_side(tmp_path, "search", finished.dataset)
    with pytest.raises(BenchError, match="unknown task 'relevance'"):
        read_side(folder, "relevance", finished.dataset)
    with pytest.raises(BenchError, match="choose the task that it answers with --task"):
        read_side(run_file(finished, "bm25"), "exclusivity", finished.dataset)
    with pytest.raises(BenchError, match=r"no task is exclusivity\?sample=31; give one of exclusivity"):
        read_side(folder, "exclusivity", finished.dataset, {"sample": 31})
    assert read_side(folder, "exclusivity", finished.dataset, {"sample": 30}).task_name == "exclusivity"
    sides = [read_side(folder, name, finished.dataset) for name in ("search", "exclusivity")]
    with pytest.raises(BenchError, match="answered different queries"):
        compare(*sides)


def test_two_files_of_one_name_have_names_that_differ(finished: Finished, tmp_path: Path) -> None:
    paths = [tmp_path / place / "run.txt" for place in ("ours", "theirs")]
    for path, system in zip(paths, ("bm25", "tf-idf"), strict=True):
        path.parent.mkdir()
        path.write_bytes(gzip.decompress(run_file(finished, system).read_bytes()))
    found = compare(*(read_side(path, "search", finished.dataset) for path in paths))
    assert [side.name for side in found.sides] == ["ours/run.txt", "theirs/run.txt"]
    same = compare(*(read_side(paths[0], "search", finished.dataset) for _ in range(2)))
    assert [side.name for side in same.sides] == ["run.txt (1)", "run.txt (2)"]


def test_it_says_how_many_sign_flips_were_really_tried(finished: Finished) -> None:
    sides = [read_side(finished.cell(name).folder, "search", finished.dataset) for name in ("bm25", "tf-idf")]
    assert compare(*sides).measures[0].flips == 10_000
    few = [
        replace(
            side,
            values={name: np.where(np.arange(len(found)) < 4, found, np.nan) for name, found in side.values.items()},
        )
        for side in sides
    ]
    assert compare(*few).measures[0].flips == 15


def test_several_are_compared_pair_by_pair_with_one_correction(finished: Finished) -> None:
    names = ("tf-idf", "bm25", SPECIAL)
    sides = [read_side(finished.cell(name).folder, "search", finished.dataset) for name in names]
    found = compare_many(sides)
    means = [system.figure.value for system in found.systems]
    assert means == sorted(means, reverse=True)
    by_name = {side.name: side.values["nDCG@10"] for side in sides}
    expected = compare_all(np.stack([by_name[system.name] for system in found.systems]))
    assert list(found.tests) == expected
    assert [system.rank for system in found.systems] == rank_intervals(3, expected)
    text = shown(pairs_view(found))
    assert all(f"{mean:.4f}" in text for mean in means)
    assert "corrected over 3 pairs (Holm)" in " ".join(text.split())


def test_those_of_one_name_are_told_apart_by_their_paths(finished: Finished) -> None:
    paths = [finished.cell("bm25").folder, run_file(finished, "bm25"), run_file(finished, "tf-idf")]
    found = compare_many([read_side(path, "search", finished.dataset) for path in paths])
    assert len({system.name for system in found.systems}) == 3
    same = next(one for one in found.tests if one.difference == 0)
    assert same.p == same.corrected == 1
