"""A published leaderboard held against its proof; each test spoils one thing and sees it caught."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from finished_cells import HOSTILE, Finished

from bench.collections.catalogue import Dataset, open_dataset
from bench.digests import digest_file
from bench.errors import BenchError
from bench.leaderboard.board import Board
from bench.leaderboard.build import Request, build_board
from bench.leaderboard.overview import write_overview
from bench.leaderboard.publish import views
from bench.leaderboard.published import Published, read_published
from bench.leaderboard.systems import read_systems
from bench.leaderboard.writers.json import as_json
from bench.leaderboard.writers.system import system_pages
from bench.verification.check import Check, worst
from bench.verification.recompute import recompute
from bench.verification.verify import verify


def checked(folder: Path, dataset: Dataset | BenchError) -> list[Check]:
    published = read_published(folder)
    return list(verify(published, dict.fromkeys(published.collections(), dataset)))


def failures(folder: Path, dataset: Dataset) -> dict[str, str]:
    return {check.what: check.detail for check in checked(folder, dataset) if check.verdict == "FAIL"}


def edit(path: Path, change: Any) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def manifest_of(folder: Path, name: str) -> Path:
    return next(folder.glob(f"manifests/{name}.*seed0*.json"))


def test_what_was_published_is_confirmed(original: Path, finished: Finished) -> None:
    checks = checked(original, finished.dataset)
    assert [check for check in checks if check.verdict != "OK"] == []
    assert worst(checks) == "OK"
    whats = {check.what for check in checks}
    assert any(what.endswith("search, bm25: nDCG@10") for what in whats)
    assert any(what.endswith(f"exclusivity, {HOSTILE}: Hits@1 N=16") for what in whats)
    assert {"README.md", "table.tex", "table.csv", "index.html", "overview.svg"} <= whats


@pytest.mark.parametrize("name", ["README.md", "table.tex", "table.csv", "pairs.csv", "index.html", "overview.svg"])
def test_a_changed_digit_of_a_table_is_caught(folder: Path, finished: Finished, name: str) -> None:
    text = (folder / name).read_text()
    place = next(i for i in range(len(text) * 2 // 3, len(text)) if text[i] == "." and text[i + 1].isdigit())
    digit = "1" if text[place + 1] != "1" else "2"
    (folder / name).write_text(text[: place + 1] + digit + text[place + 2 :])
    assert any(what.startswith(name) for what in failures(folder, finished.dataset))


def test_a_changed_digit_of_a_figure_is_caught_in_every_place(folder: Path, finished: Finished) -> None:
    def change(data: dict[str, Any]) -> None:
        row = next(row for row in data["collections"][0]["blocks"][0]["rows"] if row["system"] == "bm25")
        row["figures"]["MRR@10"]["value"] += 0.0001

    edit(folder / "leaderboard.json", change)
    found = failures(folder, finished.dataset)
    assert any(what.endswith("search, bm25: MRR@10") for what in found)
    assert "README.md" in found or "table.csv" in found


def test_a_rounding_of_another_machine_is_near(folder: Path, finished: Finished) -> None:
    def change(data: dict[str, Any]) -> None:
        data["collections"][0]["blocks"][0]["rows"][0]["figures"]["MAP"]["value"] += 1e-8

    edit(folder / "leaderboard.json", change)
    near = [check.what for check in checked(folder, finished.dataset) if check.verdict == "near"]
    assert len(near) == 1
    assert near[0].endswith("MAP")


def test_a_swapped_run_file_is_caught(folder: Path, finished: Finished) -> None:
    one, other = (next(folder.glob(f"runs/{name}.*seed0*.search*")) for name in ("bm25", "tf-idf"))
    shutil.copyfile(other, one)
    found = failures(folder, finished.dataset)
    assert found[f"runs/{one.name}"] == "the file is not the one that its manifest names"
    assert any("nothing is computed from it" in detail for detail in found.values())
    assert not any(what.endswith("search, bm25: nDCG@10") for what in found)


def test_a_file_that_no_publish_wrote_is_caught(folder: Path, finished: Finished) -> None:
    (folder / "notes.txt").write_text("by hand")
    (folder / "made_with.json").unlink()
    found = failures(folder, finished.dataset)
    assert found["notes.txt"] == "no `publish` wrote this"
    assert found["made_with.json"] == "it is missing, or no JSON"


def test_a_run_file_that_is_missing_or_too_many_is_caught(folder: Path, finished: Finished) -> None:
    one = next(folder.glob("runs/bm25.*seed0*.search*"))
    one.rename(one.with_name("stray.parquet"))
    found = failures(folder, finished.dataset)
    assert found[f"runs/{one.name}"] == "the file is missing"
    assert found["runs/stray.parquet"] == "no manifest names this file"


def test_another_fingerprint_is_caught(folder: Path, finished: Finished, beir_folder: Path) -> None:
    found = failures(folder, open_dataset(f"beir:{beir_folder}?gains=exponential"))
    assert [what for what in found if what.endswith("fingerprint")]
    assert "other content or rules" in next(iter(found.values()))


def test_a_mixed_table_is_caught(folder: Path, finished: Finished) -> None:
    edit(manifest_of(folder, "tf-idf"), lambda data: data["cell"].update(fingerprint="e" * 64))
    assert any(
        "a row of another fingerprint, eeee" in detail for detail in failures(folder, finished.dataset).values()
    )


def test_a_row_that_is_left_out_or_renamed_is_caught(folder: Path, finished: Finished) -> None:
    def change(data: dict[str, Any]) -> None:
        rows = data["collections"][0]["blocks"][0]["rows"]
        rows[:] = [row for row in rows if row["system"] != "raises"]

    edit(folder / "leaderboard.json", change)
    assert any("the rows or their order" in detail for detail in failures(folder, finished.dataset).values())


def remade(published: Published, dataset: Dataset, request: Request) -> Board:
    """The board of another request, of the same cells."""
    (name,) = published.collections()
    return build_board(request, recompute(published, name, dataset).cells, [name])


def written_anew(folder: Path, board: Board) -> None:
    """The board and all that is made of it, as somebody would who hides something."""
    published = read_published(folder)
    for name, text in {**views(board), **system_pages(board, read_systems(folder), published.cells)}.items():
        (folder / name).write_text(text)
    write_overview(folder.parent)


def test_a_system_that_is_left_out_of_the_board_is_caught(folder: Path, finished: Finished) -> None:
    published = read_published(folder)
    request = Request.of_board(published.board)
    without = replace(request, systems=[one for one in request.systems if one["name"] != "tf-idf"])
    written_anew(folder, remade(published, finished.dataset, without))
    assert any(
        "the board has no row of it, tf-idf" in detail for detail in failures(folder, finished.dataset).values()
    )


def test_a_task_that_is_left_out_of_the_board_is_caught(folder: Path, finished: Finished) -> None:
    published = read_published(folder)
    request = Request.of_board(published.board)
    without = replace(request, tasks=[one for one in request.tasks if one["task"] != "exclusivity"])
    written_anew(folder, remade(published, finished.dataset, without))
    assert any(
        "does not have its task exclusivity" in detail for detail in failures(folder, finished.dataset).values()
    )


def test_a_board_without_any_proof_is_caught(folder: Path, finished: Finished) -> None:
    for proof in ("manifests", "runs"):
        shutil.rmtree(folder / proof)
        (folder / proof).mkdir()
    (folder / "pairs.csv").write_text((folder / "pairs.csv").read_text().splitlines()[0] + "\n")
    assert "nothing in manifests proves its figures" in failures(folder, finished.dataset).values()


@pytest.mark.parametrize("line", ["# note: bm25 wins", "elsewhere,search,nDCG@10,a,b,.5,.4,.6,1.0,.001,.001"])
def test_a_line_of_no_pair_is_caught(folder: Path, finished: Finished, line: str) -> None:
    with (folder / "pairs.csv").open("a") as file:
        file.write(line + "\n")
    assert "pairs.csv" in failures(folder, finished.dataset)


def test_a_cost_that_the_manifest_does_not_give_is_caught(folder: Path, finished: Finished) -> None:
    def change(data: dict[str, Any]) -> None:
        data["tasks"][0]["cost"]["p50_ms"] /= 2
        data["cost"]["seconds"] /= 2

    edit(manifest_of(folder, "bm25"), change)
    assert any(what.endswith("search, bm25: cost") for what in failures(folder, finished.dataset))


def test_a_rank_that_the_tests_do_not_give_is_caught(folder: Path, finished: Finished) -> None:
    def change(data: dict[str, Any]) -> None:
        data["collections"][0]["blocks"][0]["rows"][-2]["best_rank"] = 1

    edit(folder / "leaderboard.json", change)
    assert any(what.endswith("best_rank") for what in failures(folder, finished.dataset))


def test_a_collection_that_cannot_be_opened_is_a_failure_that_says_what_to_do(folder: Path) -> None:
    found = checked(folder, BenchError("there is no folder x"))
    failed = [check for check in found if check.verdict == "FAIL"]
    assert len(failed) == 1
    assert "there is no folder x; name it with --dataset 'beir:" in failed[0].detail


def test_a_folder_that_was_not_published_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="give a folder that `bench publish` wrote"):
        read_published(tmp_path)


def test_an_option_that_the_key_was_not_made_of_is_caught(folder: Path, finished: Finished) -> None:
    edit(manifest_of(folder, "bm25"), lambda data: data["cell"]["options"].update(k1=0.9))
    assert "its options as shown is not what its key was made of" in failures(folder, finished.dataset).values()


def test_parts_that_do_not_give_the_key_are_caught(folder: Path, finished: Finished) -> None:
    edit(manifest_of(folder, "bm25"), lambda data: data["cell"]["key_parts"].update(code="other"))
    assert "its key is not the digest of its parts" in failures(folder, finished.dataset).values()
    edit(manifest_of(folder, "bm25"), lambda data: data["cell"].update(key_parts={}))
    assert "it does not say what its key was made of" in failures(folder, finished.dataset).values()


def test_ties_are_computed_again_too(folder: Path, finished: Finished) -> None:
    """Without scores in full: those that are published keep which of them are equal."""
    answers = next(folder.glob("runs/tf-idf.*seed0*.search*"))
    table = pq.read_table(answers)
    tied = table.set_column(3, "score", pa.array([1.0] * len(table)))
    pq.write_table(tied, answers)

    def renamed(data: dict[str, Any]) -> None:
        next(task for task in data["tasks"] if task["answers"] == answers.name)["sha256"] = digest_file(answers)

    edit(manifest_of(folder, "tf-idf"), renamed)
    found = failures(folder, finished.dataset)
    assert any(what.endswith("search, tf-idf: tied_at_10") for what in found)


def test_a_file_that_says_something_in_addition_is_caught(folder: Path, finished: Finished) -> None:
    edit(folder / "leaderboard.json", lambda data: data.update(award="best paper"))
    assert "leaderboard.json" in failures(folder, finished.dataset)
    edit(manifest_of(folder, "bm25"), lambda data: data.update(award="best paper"))
    with pytest.raises(BenchError, match=r"bm25.*\.json cannot be read: award"):
        read_published(folder)


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", "{}", "null", '{"format": 2}', "[" * 100_000, '{"format": ' + "9" * 5000 + "}"]
)
@pytest.mark.parametrize("name", ["leaderboard.json", "manifests/bm25.json"])
def test_a_damaged_file_is_named_in_one_line(folder: Path, name: str, damage: str) -> None:
    path = folder / name if (folder / name).is_file() else manifest_of(folder, "bm25")
    path.write_text(damage)
    with pytest.raises(
        BenchError, match=rf"{path.name} cannot be read: [^\n]*`bench publish` wrote with this version$"
    ):
        read_published(folder)


@pytest.mark.parametrize("name", ["table.csv", "pairs.csv", "README.md", "table.tex"])
def test_a_table_that_is_no_text_or_not_there_is_caught(folder: Path, finished: Finished, name: str) -> None:
    (folder / name).write_bytes(b"\xff\xfe\x00")
    assert any(what.startswith(name) for what in failures(folder, finished.dataset))
    (folder / name).unlink()
    assert any(what.startswith(name) for what in failures(folder, finished.dataset))


def test_any_change_of_a_published_number_or_name_is_caught_or_named(folder: Path, finished: Finished) -> None:
    """Every kind of place in the board: a value replaced, a key taken away."""
    data = json.loads((folder / "leaderboard.json").read_text())
    row = data["collections"][0]["blocks"][0]["rows"][0]
    for name, value in list(row.items()):
        for changed in ({**row, name: None}, {key: row[key] for key in row if key != name}):
            if value is None and changed.get(name, 1) is None:
                continue
            data["collections"][0]["blocks"][0]["rows"][0] = changed
            (folder / "leaderboard.json").write_text(json.dumps(data))
            try:
                published = read_published(folder)
            except BenchError:
                continue
            board = json.loads(as_json(published.board.as_data()))
            assert (folder / "leaderboard.json").read_text() != as_json(board)


def test_a_damaged_answer_fails_its_collection_alone(folder: Path, finished: Finished) -> None:
    answers = next(folder.glob("runs/tf-idf.*seed0*.search*"))
    answers.write_bytes(answers.read_bytes()[:200])
    found = failures(folder, finished.dataset)
    assert any(f"{answers.name} is not the file that was published" in detail for detail in found.values())


def test_the_overview_of_all_boards_is_checked(folder: Path, finished: Finished) -> None:
    write_overview(folder.parent)
    assert worst(checked(folder, finished.dataset)) == "OK"
    readme = folder.parent / "README.md"
    readme.write_text(readme.read_text().replace("| nDCG@10 |", "| nDCG@11 |", 1))
    assert f"{folder.parent.name}/README.md" in failures(folder, finished.dataset)


@pytest.mark.parametrize("missing", ["README.md", "index.html"])
def test_an_overview_without_the_other_is_checked_and_the_other_missed(
    folder: Path, finished: Finished, missing: str
) -> None:
    write_overview(folder.parent)
    (folder.parent / missing).unlink()
    (left,) = {"README.md", "index.html"} - {missing}
    what = f"{folder.parent.name}/{{}}".format
    assert failures(folder, finished.dataset) == {what(missing): "the file is missing"}
    (folder.parent / left).write_text("tampered with")
    assert set(failures(folder, finished.dataset)) == {what(missing), what(left)}


def test_a_board_that_lies_alone_says_that_no_overview_was_checked(folder: Path, finished: Finished) -> None:
    checks = checked(folder, finished.dataset)
    (unchecked,) = (check for check in checks if check.verdict == "not checked")
    assert (unchecked.what, worst(checks)) == ("overview", "OK")
    assert unchecked.detail == f"there is neither README.md nor index.html in {folder.parent}"


def test_what_other_versions_drew_is_near(folder: Path, finished: Finished) -> None:
    (folder / "overview.svg").write_text("<svg/>")
    assert "overview.svg" in failures(folder, finished.dataset)
    (folder / "made_with.json").write_text('{"altair": "0.1"}')
    verdicts = {check.what: check.verdict for check in checked(folder, finished.dataset)}
    assert verdicts["overview.svg"] == "near"


def test_what_a_page_says_beside_its_pictures_is_never_near(folder: Path, finished: Finished) -> None:
    (folder / "made_with.json").write_text('{"altair": "0.1"}')
    page = (folder / "index.html").read_text()
    (folder / "index.html").write_text(page + "<svg>\ndrawn otherwise</svg>")
    assert failures(folder, finished.dataset) == {}
    (folder / "index.html").write_text(page + "otherwise")
    assert set(failures(folder, finished.dataset)) == {"index.html"}


def _unnamed_system(data: dict[str, Any]) -> None:
    data["systems"][0].pop("name")


def _column_without_measure(data: dict[str, Any]) -> None:
    data["collections"][0]["blocks"][0]["columns"].append("nDCG@11")


def _rank_without_figure(data: dict[str, Any]) -> None:
    data["collections"][0]["blocks"][0]["rows"][0]["figures"].clear()


def _other_hardware(data: dict[str, Any]) -> None:
    board = data["collections"][0]
    board["hardware"] = ["an abacus", "another"]


def _task_without_a_name(data: dict[str, Any]) -> None:
    data["tasks"][0].pop("task")


def _no_measures(data: dict[str, Any]) -> None:
    data["collections"][0]["blocks"][0]["measures"].clear()


@pytest.mark.parametrize(
    "change",
    [
        _unnamed_system,
        _column_without_measure,
        _rank_without_figure,
        _other_hardware,
        _task_without_a_name,
        _no_measures,
    ],
)
def test_a_board_that_contradicts_itself_fails_without_a_traceback(
    folder: Path, finished: Finished, change: Callable[[dict[str, Any]], None]
) -> None:
    write_overview(folder.parent)
    edit(folder / "leaderboard.json", change)
    assert worst(checked(folder, finished.dataset)) == "FAIL"


def test_rules_and_versions_that_a_manifest_only_claims_are_caught(folder: Path, finished: Finished) -> None:
    edit(manifest_of(folder, "bm25"), lambda data: data["cell"]["rules"].update(gains="binary"))
    assert "its rules are not those of the collection" in failures(folder, finished.dataset).values()
    edit(manifest_of(folder, "tf-idf"), lambda data: data["environment"]["versions"].update(numpy="9.9"))
    found = failures(folder, finished.dataset).values()
    assert "its versions as shown are not what its key was made of" in found
