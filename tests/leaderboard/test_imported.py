"""A third party's run as a row beside the suite's own."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from finished_cells import Finished

from bench.cells.folder import read_all
from bench.collections.bare import bare_collection
from bench.collections.collection import Collection, Rules
from bench.errors import BenchError
from bench.leaderboard.build import build_board
from bench.leaderboard.columns import known_costs, notes
from bench.leaderboard.imported import ImportedRow, keep_run, run_names, score_run
from bench.leaderboard.publish import publish
from bench.leaderboard.published import read_published
from bench.leaderboard.selection import select
from bench.leaderboard.writers.markdown import as_markdown
from bench.verification.check import worst
from bench.verification.verify import verify


def imported(finished: Finished, out: Path, name: str) -> Path:
    path = next(finished.cell("bm25").folder.glob("tasks/search*/run.trec.gz"))
    collection = finished.dataset.collection
    return keep_run(score_run(path, collection, name), collection, out)[0]


def test_an_imported_run_is_a_row_that_says_so(finished: Finished, tmp_path: Path) -> None:
    imported(finished, tmp_path / "other", "anserini")
    cells = [read_all([folder]) for folder in (finished.out, tmp_path / "other")]
    chosen = select(finished.suite, cells)
    board = build_board(chosen.request, chosen.cells, chosen.collections)
    search, exclusivity, _ = board.collections[0].blocks
    row = next(row for row in search.rows if row.system == "anserini")
    assert row.imported
    ours = {name: found.mean() for name, found in finished.task("bm25").values.items()}
    assert {name: figure.value for name, figure in row.figures.items()} == pytest.approx(ours)
    assert not list(known_costs(row.cost))
    assert row.problem == ""
    assert "anserini" not in {row.system for row in exclusivity.rows}
    same = next(pair for pair in search.pairs if {pair.first, pair.second} == {"anserini", "bm25"})
    assert same.p == 1
    shown = as_markdown(board)
    assert "imported: a third party's run" in shown
    assert "| imported |" in shown


def test_an_imported_row_is_published_and_verified(finished: Finished, tmp_path: Path) -> None:
    imported(finished, tmp_path / "other", "anserini <2>")
    suite = finished.suite.model_copy(
        update={"systems": finished.suite.systems[:2], "tasks": finished.suite.tasks[:1]}
    )
    cells = [read_all([folder]) for folder in (finished.out, tmp_path / "other")]
    publish(suite, select(suite, cells), tmp_path / "results")
    published = read_published(tmp_path / "results" / "tiny")
    checks = list(verify(published, {published.collections()[0]: finished.dataset}))
    assert worst(checks) == "OK"
    assert any(check.what.endswith("anserini <2>: MAP") for check in checks)


def exclusivity_options(finished: Finished) -> dict[str, Any]:
    return dict(finished.suite.tasks[1].options)


def test_runs_of_several_tasks_are_one_system(finished: Finished, tmp_path: Path) -> None:
    folder, collection = finished.cell("bm25").folder, finished.dataset.collection
    for entry in finished.suite.tasks:
        path = next(folder.glob(f"tasks/{entry.task}*/run.trec.gz"))
        row = score_run(path, collection, "anserini", entry.task, entry.options)
        kept, replaces = keep_run(row, collection, tmp_path / "other")
        assert not replaces
        ours = {figure.measure: figure.value for figure in finished.task("bm25", entry.task).result.figures}
        found = {figure.measure: figure.value for figure in row.result.figures}
        assert found == pytest.approx(ours, nan_ok=True)
    assert len(list(kept.parent.iterdir())) == 1
    cells = [read_all([place]) for place in (finished.out, tmp_path / "other")]
    chosen = select(finished.suite, cells)
    board = build_board(chosen.request, chosen.cells, chosen.collections)
    assert ["anserini" in {row.system for row in block.rows} for block in board.collections[0].blocks] == [True] * 3
    assert keep_run(row, collection, tmp_path / "other") == (kept, True)
    assert len(list(kept.glob("tasks/*"))) == 3


def test_a_recommenders_run_is_scored_with_the_history_left_out(make_sequences: Any, tmp_path: Path) -> None:
    users = {f"u{i}": [f"i{(i + step) % 9}" for step in range(5)] for i in range(6)}
    collection = make_sequences(users)
    run = tmp_path / "theirs.trec"
    lines = []
    for query in collection.queries():
        target = users[query.id][-1]
        answers = [*query.history, target]
        lines += [f"{query.id} Q0 {item} {rank} {-rank} x" for rank, item in enumerate(answers, start=1)]
    run.write_text("\n".join(lines) + "\n")
    figures = {one.measure: one.value for one in score_run(run, collection, "x", "next_item").result.figures}
    assert figures["MRR@10"] == 1
    seen = score_run(run, collection, "x", "next_item", {"mask_history": "no"})
    assert next(one.value for one in seen.result.figures if one.measure == "MRR@10") == pytest.approx(1 / 5)


def test_a_run_that_answers_another_task_is_refused(finished: Finished, tmp_path: Path) -> None:
    folder, collection = finished.cell("bm25").folder, finished.dataset.collection
    search, exclusivity = (next(folder.glob(f"tasks/{name}*/run.trec.gz")) for name in ("search", "exclusivity"))
    with pytest.raises(BenchError, match=r"answers none of the 60 questions of the task exclusivity .* with --task"):
        score_run(search, collection, "x", "exclusivity", exclusivity_options(finished))
    with pytest.raises(BenchError, match=r":1: the unknown query 'N=16"):
        score_run(exclusivity, collection, "x")
    empty = tmp_path / "empty.trec"
    empty.write_text("")
    with pytest.raises(BenchError, match="answers none of the"):
        score_run(empty, collection, "x")


def test_an_import_cannot_take_the_name_of_a_system(finished: Finished, tmp_path: Path) -> None:
    imported(finished, tmp_path, "bm25")
    with pytest.raises(BenchError, match="import it again under another --name"):
        select(finished.suite, [read_all([tmp_path])])


def test_rows_whose_names_sort_otherwise_than_their_files_are_verified(finished: Finished, tmp_path: Path) -> None:
    names = ("solr", "solr+rm3", "Solr", "anserini")
    for name in names:
        imported(finished, tmp_path / "other", name)
    suite = finished.suite.model_copy(
        update={"systems": finished.suite.systems[:2], "tasks": finished.suite.tasks[:1]}
    )
    chosen = select(suite, [read_all([folder]) for folder in (finished.out, tmp_path / "other")])
    board = publish(suite, chosen, tmp_path / "results")
    assert [row.system for row in board.collections[0].blocks[0].rows if row.imported] == sorted(names)
    published = read_published(tmp_path / "results" / "tiny")
    checks = list(verify(published, {published.collections()[0]: finished.dataset}))
    assert [check for check in checks if check.verdict != "OK"] == []


def test_a_run_that_leaves_questions_out_says_so_below_the_table(finished: Finished, tmp_path: Path) -> None:
    whole = gzip.decompress(finished.task("bm25").run_file.read_bytes()).decode().splitlines()
    first = whole[0].split()[0]
    run = tmp_path / "one.trec"
    run.write_text("\n".join(line for line in whole if line.split()[0] == first) + "\n")
    collection = finished.dataset.collection
    keep_run(score_run(run, collection, "lazy"), collection, tmp_path / "other")
    chosen = select(finished.suite, [read_all([folder]) for folder in (finished.out, tmp_path / "other")])
    block = build_board(chosen.request, chosen.cells, chosen.collections).collections[0].blocks[0]
    asked = block.queries
    assert f"lazy: the run leaves out {asked - 1} of {asked} questions, and each counts 0" in notes(block, [])


HARBOUR = {"d1": "the harbour pilot", "d2": "a cold greenhouse", "d3": "bread with rye flour"}
ASKED = {"q1": "harbour", "q2": "greenhouse", "q3": "bread", "q4": "nobody judged this"}
JUDGED = {"q1": {"d1": 2}, "q2": {"d2": 1}, "q3": {"d3": 0}}


@pytest.fixture
def harbour(make_collection: Callable[..., Collection]) -> Collection:
    return make_collection(HARBOUR, ASKED, JUDGED)


def noted(row: ImportedRow) -> dict[str, float]:
    return {count.name: count.value for count in row.result.counts if count.note}


def test_queries_that_are_not_asked_are_ignored_and_counted(harbour: Collection, tmp_path: Path) -> None:
    (tmp_path / "run.trec").write_text("".join(f"q{i} Q0 d{i % 3 + 1} 1 1 x\n" for i in range(1, 5)))
    assert noted(score_run(tmp_path / "run.trec", harbour, "mine")) == {"other queries": 2}


def test_runs_are_called_after_their_files_and_those_of_one_name_after_their_folders_too(tmp_path: Path) -> None:
    one, two, other = (tmp_path / place for place in ("one/run.txt", "two/run.txt", "two/other.txt"))
    assert run_names([one, two, other]) == ["one/run.txt", "two/run.txt", "other.txt"]
    assert run_names([tmp_path / "a/x/run.txt", tmp_path / "b/x/run.txt"]) == ["a/x/run.txt", "b/x/run.txt"]
    with pytest.raises(BenchError, match=r"one/run\.txt is given twice; give it once"):
        run_names([one, two, one.parent / ".." / "one" / "run.txt"])


@pytest.mark.parametrize(("best", "reading", "reciprocal"), [("1", "ranks", 1), ("1.5", "scores", 0.5)])
def test_the_foot_says_what_a_third_column_was_read_as(
    harbour: Collection, tmp_path: Path, best: str, reading: str, reciprocal: float
) -> None:
    path = tmp_path / "run.tsv"
    path.write_text(f"q1\td1\t{best}\nq1\td2\t2\nq2\td2\t1\n")
    row = score_run(path, harbour, "mine")
    assert noted(row) == {f"read as {reading}": 3}
    assert row.result.counts[-1].note.startswith(f"the third column of the run is read as {reading}")
    assert row.evaluation.values["MRR@10"].tolist() == [reciprocal, 1]


def test_a_run_that_repeats_a_document_is_refused_or_its_first_is_kept(harbour: Collection, tmp_path: Path) -> None:
    path = tmp_path / "run.trec"
    path.write_text("q1 Q0 d2 1 5 x\nq1 Q0 d1 2 4 x\nq1 Q0 d2 3 1 x\n")
    with pytest.raises(BenchError, match=r"3: 'd2' again for query 'q1'; .*bench score --repeats first"):
        score_run(path, harbour, "mine")
    row = score_run(path, harbour, "mine", repeats="first")
    assert noted(row) == {"left out": 1, "repeated": 1}
    assert row.evaluation.values["MRR@10"].tolist() == [0.5, 0]


def test_a_run_names_its_queries_by_number(make_collection: Callable[..., Collection], tmp_path: Path) -> None:
    (tmp_path / "run.trec").write_text("51 Q0 d1 1 5 x\n")
    row = score_run(tmp_path / "run.trec", make_collection(HARBOUR, {"051": "harbour"}, {"051": {"d1": 1}}), "mine")
    assert row.evaluation.values["MRR@10"].tolist() == [1]


def test_judgements_alone_give_the_figures_of_the_collection(harbour: Collection, tmp_path: Path) -> None:
    qrels, run = tmp_path / "qrels.txt", tmp_path / "run.json"
    qrels.write_text("".join(f"{q} 0 {d} {grade}\n" for q, found in JUDGED.items() for d, grade in found.items()))
    run.write_text(json.dumps({"q1": {"d2": 2.0, "d1": 1.0}, "q2": {"d2": 1.0}, "q4": {"d3": 1.0}}))
    bare = bare_collection(qrels, [run], Rules(minimum_relevance=1))
    assert (bare.documents.ids(), bare.splits) == (["d1", "d2", "d3"], ["test", "unjudged"])
    alone, with_texts = score_run(run, bare, "mine"), score_run(run, harbour, "mine")
    assert alone.result.figures == with_texts.result.figures
    assert noted(alone) == {"other queries": 1}
