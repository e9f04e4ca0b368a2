"""The commands on leaderboards, called in this process."""

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from finished_cells import PLUGINS, SPECIAL, Finished
from typer.testing import CliRunner, Result

import bench as face
from bench import registry
from bench.cli import app
from bench.errors import BenchError
from bench.terminal import checks
from bench.verification.references import Held, Reference, read_references

SUITE = """
title = "Three small systems"
datasets = ["limit"]
seeds = [0, 1]
systems = [{ retriever = "tf-idf" }, { retriever = "bm25" }, { retriever = "raises" }]
tasks = [{ task = "search" }]
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SUITE)
    return path


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_from_files", [])
    return


def bench(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_publish_verify_and_export_follow_one_another(finished: Finished, suite: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    spec = finished.suite.datasets[0]
    given = ("--suite", suite, "--from", finished.out, "--to", results, "--plugin", PLUGINS)
    done = bench("publish", *given, "--dataset", spec)
    assert done.exit_code == 0, done.output
    name = f"beir:{Path(finished.suite.datasets[0]).name}"
    systems = [cell.system for cell in finished.cells]
    others = sum(system not in ("tf-idf", "bm25", "raises") for system in systems)
    assert f"{name}: cells {len(systems) - others}, failed 2" in done.output
    assert f"passed over {others} cells of another system" in done.output
    place = f"{name}={spec}"
    confirmed = bench("verify", results / "small", "--dataset", place, "--plugin", PLUGINS)
    assert confirmed.exit_code == 0, confirmed.output
    assert re.search(r"small: \d+ OK, 0 near, 0 FAIL", confirmed.output.replace("\n", ""))
    restored = bench("restore", results / "small", "--dataset", place, "--out", tmp_path / "r", "--plugin", PLUGINS)
    assert restored.exit_code == 0, restored.output
    assert f"{name}: {len(systems) - others} cells restored" in restored.output
    unknown = bench("restore", results / "small", "--dataset", f"{name}=beir:{tmp_path}", "--out", tmp_path / "r2")
    assert isinstance(unknown.exception, BenchError)
    assert not (tmp_path / "r2").exists()
    table = results / "small" / "table.csv"
    table.write_text(table.read_text().replace("0.", "0.1", 1))
    refuted = bench("verify", results / "small", "--dataset", place, "--plugin", PLUGINS)
    assert refuted.exit_code == 1
    assert "FAIL table.csv: line 2 is not what leaderboard.json gives" in refuted.output
    (results / "README.md").unlink()
    (results / "index.html").unlink()
    alone = bench("verify", results / "small", "--dataset", place, "--plugin", PLUGINS)
    assert "not checked overview: there is neither README.md nor index.html" in " ".join(alone.output.split())
    exported = bench("export", results / "small", "mteb", "--to", tmp_path / "mteb")
    assert "wrote 2 results" in exported.output
    assert len(list((tmp_path / "mteb").glob("*/*/model_meta.json"))) == 2


def test_compare_prints_the_difference_and_what_moved(finished: Finished) -> None:
    done = bench("compare", *(finished.cell(name).folder for name in ("bm25", SPECIAL)), "--moved", 1)
    assert done.exit_code == 0, done.output
    assert "nDCG@10" in done.output
    assert "queries that moved most by nDCG@10" in done.output
    assert "against" in done.output


def test_several_runs_are_scored_on_judgements_alone(tmp_path: Path) -> None:
    (tmp_path / "qrels.txt").write_text("q1 0 d1 2\nq2 0 d2 1\n")
    (tmp_path / "good.trec").write_text("q1 Q0 d1 1 2 x\nq2 Q0 d2 1 2 x\n")
    (tmp_path / "half.json").write_text('{"q1": {"d1": 1.0}}')
    runs = (tmp_path / "good.trec", tmp_path / "half.json")
    done = bench(
        "score", *runs, "--qrels", f"{tmp_path / 'qrels.txt'}?gains=exponential", "--json", tmp_path / "f.json"
    )
    assert done.exit_code == 0, done.output
    assert re.search(r"good\.trec +1\.000", done.output)
    assert re.search(r"half\.json +\.500", done.output)
    assert "half.json: the run leaves out 1 of 2 questions" in done.output.replace("\n", " ")
    assert {row["system"] for row in json.loads((tmp_path / "f.json").read_text())} == {"good.trec", "half.json"}
    for options in ((), ("--qrels", tmp_path / "qrels.txt", "--dataset", "limit")):
        assert "--qrels FILE for judgements alone" in str(bench("score", *runs, *options).exception)


def test_two_runs_of_one_file_name_are_two_rows_and_both_are_kept(tmp_path: Path) -> None:
    (tmp_path / "qrels.txt").write_text("q1 0 d1 2\n")
    runs = [tmp_path / place / "run.txt" for place in ("one", "two")]
    for run, best in zip(runs, ("d1", "d2"), strict=True):
        run.parent.mkdir()
        run.write_text(f"q1 Q0 {best} 1 2 x\n")
    done = bench("score", *runs, "--qrels", tmp_path / "qrels.txt", "--keep", tmp_path / "kept")
    assert done.exit_code == 0, done.output
    assert re.search(r"one/run\.txt +1\.000", done.output)
    assert re.search(r"two/run\.txt +\.000", done.output)
    kept = [json.loads(path.read_text())["cell"]["system"] for path in tmp_path.glob("kept/cells/*/manifest.json")]
    assert sorted(kept) == ["one/run.txt", "two/run.txt"]
    twice = bench("score", runs[0], runs[0], "--qrels", tmp_path / "qrels.txt")
    assert "run.txt is given twice; give it once" in str(twice.exception)


def test_systems_are_compared_by_their_names(finished: Finished) -> None:
    by_path, other = finished.cell("bm25").folder, finished.cell(SPECIAL).folder
    given = bench("compare", "bm25", other, "--from", finished.out)
    assert given.exit_code == 0, given.output
    assert given.output == bench("compare", by_path, other).output
    failed = bench("compare", "bm25", "raises", "--from", finished.out)
    assert "unknown system 'raises'" in str(failed.exception)
    assert f"(with a finished cell in {finished.out}; no file has that name either)" in str(failed.exception)
    of_two_seeds = bench("compare", "bm25", SPECIAL, "--from", finished.out)
    assert f"2 cells are of '{SPECIAL}'; give the folder of one in place of the name: " in str(of_two_seeds.exception)
    assert f"{other} (seed 0), " in str(of_two_seeds.exception)


def test_recommenders_are_scored_and_compared_by_what_comes_next(walks: str, tmp_path: Path) -> None:
    table = face.run(datasets=[walks], retrievers=["popularity", "markov"], out=tmp_path)
    first, second = (result.cell.folder for result in table)
    compared = bench("compare", "popularity", "markov", "--dataset", walks, "--from", tmp_path)
    assert compared.exit_code == 0, compared.output
    assert compared.output == bench("compare", first, second, "--dataset", walks, "--task", "next_item").output
    assert "next_item, " in compared.output
    scored = bench("score", next(first.glob("tasks/*/run.trec.gz")), "--dataset", walks)
    assert scored.exit_code == 0, scored.output
    assert "next_item (imported)" in scored.output


def test_without_a_task_cells_are_compared_by_the_one_that_they_share(finished: Finished, tmp_path: Path) -> None:
    for system in ("bm25", "tf-idf"):
        shutil.copytree(finished.cell(system).folder, tmp_path / system)
        for task in (tmp_path / system / "tasks").glob("search*"):
            shutil.rmtree(task)
    several = bench("compare", tmp_path / "bm25", tmp_path / "tf-idf")
    assert "the cells share the tasks completeness, exclusivity; choose one with --task" in str(several.exception)
    lacking = bench("compare", tmp_path / "bm25", tmp_path / "tf-idf", "--task", "search")
    assert f"unknown task 'search': known: completeness, exclusivity in {tmp_path / 'bm25'}" in str(lacking.exception)
    assert "choose one that all have with --task" in str(lacking.exception)
    shutil.rmtree(next((tmp_path / "bm25" / "tasks").glob("completeness*")))
    one = bench("compare", tmp_path / "bm25", tmp_path / "tf-idf")
    assert one.exit_code == 0, one.exception
    assert "exclusivity, " in one.output


def test_a_scored_run_can_be_kept_for_publishing(finished: Finished, tmp_path: Path) -> None:
    run = next(finished.cell("bm25").folder.glob("tasks/search*/run.trec.gz"))
    done = bench("score", run, "--dataset", finished.suite.datasets[0], "--name", "theirs", "--keep", tmp_path)
    assert done.exit_code == 0, done.output
    manifest = next(tmp_path.glob("cells/*/manifest.json"))
    assert json.loads(manifest.read_text())["cell"]["imported"] is True


def test_a_run_of_a_probe_is_scored_with_the_options_given(finished: Finished, tmp_path: Path) -> None:
    run = next(finished.cell("bm25").folder.glob("tasks/exclusivity*/run.trec.gz"))
    arguments = ("--dataset", finished.suite.datasets[0], "--task", "exclusivity", "--name", "theirs [1]")
    options = ("--set", "sample=30", "--set", "lengths=[16, 32]", "--set", "dropped=0")
    figures = tmp_path / "figures.json"
    done = bench("score", run, *arguments, *options, "--keep", tmp_path, "--json", figures)
    assert done.exit_code == 0, done.output
    assert "theirs [1] on beir:" in done.output.replace("\n", "")
    assert "Hits@1 N=16" in done.output
    assert {one["task"] for one in json.loads(figures.read_text())} == {"exclusivity"}
    assert len(list(tmp_path.glob("cells/*/tasks/exclusivity.*/queries.parquet"))) == 1


def test_a_system_elsewhere_is_given_the_questions_and_its_run_is_scored(beir_folder: Path, tmp_path: Path) -> None:
    probe = ("--dataset", f"beir:{beir_folder}", "--set", "sample=20", "--set", "lengths=[16]")
    file, run = tmp_path / "questions.jsonl", tmp_path / "theirs.trec"
    done = bench("questions", "exclusivity", *probe, "--to", file)
    assert done.exit_code == 0, done.output
    asked = [json.loads(line) for line in file.read_text().splitlines()]
    assert f"{len(asked)} questions of exclusivity" in done.output
    assert "the first N words of a document" in done.output.replace("\n", " ")
    documents = [json.loads(line) for line in (beir_folder / "corpus.jsonl").read_text().splitlines()]
    starts = {tuple(f"{one.get('title', '')} {one['text']}".split()[:16]): one["_id"] for one in documents}
    found = {one["_id"]: starts[words] for one in asked if (words := tuple(one["text"].split())) in starts}
    assert len(found) == 20
    run.write_text("".join(f"{question} Q0 {document} 1 1.0 theirs\n" for question, document in found.items()))
    scored = bench("score", run, "--task", "exclusivity", *probe)
    assert scored.exit_code == 0, scored.output
    assert "1.000" in scored.output


def test_questions_about_histories_have_them(tmp_path: Path) -> None:
    rows = [("ann", item, time) for time, item in enumerate(["flour", "yeast", "salt", "butter"])]
    lines = ["user_id:token\titem_id:token\ttimestamp:float", *("\t".join(map(str, row)) for row in rows)]
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "shop.inter").write_text("\n".join(lines) + "\n")
    items = ["item_id:token\ttitle:token_seq", *(f"{item}\t{item}" for _, item, _ in rows)]
    (tmp_path / "shop" / "shop.item").write_text("\n".join(items) + "\n")
    file = tmp_path / "questions.jsonl"
    done = bench("questions", "next_item", "--dataset", f"recbole:{tmp_path / 'shop'}", "--to", file)
    assert done.exit_code == 0, done.output
    (asked,) = map(json.loads, file.read_text().splitlines())
    assert asked["history"] == ["flour", "yeast", "salt"]
    assert "user" not in asked


def test_a_second_question_of_a_user_says_whose_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    columns = "user_id:token\titem_id:token\titem_id_list:token_seq"
    for part in ("train", "valid", "test"):
        rows = ["ann\tsalt\tflour yeast", "ann\tyeast\tsalt flour"]
        (folder / f"shop.{part}.inter").write_text("\n".join([columns, *rows]) + "\n")
    (folder / "shop.item").write_text("item_id:token\ttitle:token_seq\nflour\tFlour\nyeast\tYeast\nsalt\tSalt\n")
    file = tmp_path / "questions.jsonl"
    done = bench("questions", "next_item", "--dataset", f"recbole:{folder}", "--to", file)
    assert done.exit_code == 0, done.output
    first, second = map(json.loads, file.read_text().splitlines())
    assert (first["_id"], second["_id"]) == ("ann", "ann#2")
    assert second["user"] == "ann"


def test_an_interruption_shows_what_was_held_and_says_that_cells_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(references: Sequence[Reference], *_: object) -> Iterator[Held]:
        yield Held(references[0], "beir:scifact", references[0].value + 0.001)
        raise KeyboardInterrupt

    monkeypatch.setattr(checks, "hold", interrupted)
    done = bench("verify", "--published", "--out", tmp_path)
    assert done.exit_code == 130
    assert "+0.0010" in done.output
    assert "OK" in done.output
    assert "interrupted; finished cells are kept, and the same command continues" in done.output


@pytest.mark.parametrize(("dataset", "verdict", "status"), [("", "not run", 0), ("beir:scifact", "failed", 1)])
def test_data_that_are_not_at_hand_are_no_failure_but_a_system_that_fails_on_them_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset: str, verdict: str, status: int
) -> None:
    def without_figure(references: Sequence[Reference], *_: object) -> Iterator[Held]:
        yield Held(references[0], dataset, problem="the soufflé collapsed")

    monkeypatch.setattr(checks, "hold", without_figure)
    done = bench("verify", "--published", "--out", tmp_path)
    assert done.exit_code == status
    assert f"{verdict}: {read_references()[0].name} on " in done.output
    assert "the soufflé collapsed" in done.output


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("score", "x.trec", "--dataset", "limit", "--task", "serach"), "did you mean search"),
        (("score", "x.trec", "--dataset", "limit", "--set", "dpeth=3"), "did you mean depth"),
        (("score", "x.trec", "--dataset", "limit", "--set", "depth"), "write OPTION=VALUE, as in sample=40"),
        (("score", "x.trec", "--dataset", "limit", "--set", "depth=no"), "task search.depth: "),
        (("score", "x.trec", "--dataset", "limit", "--task", "next_item"), "no histories, so nothing comes next"),
        (("publish", "--suite", "baselines", "--from", "absent"), "absent holds no cell"),
        (("publish", "--suite", "baseline"), "did you mean baselines"),
        (("verify",), "give the folder of a published leaderboard, or --published"),
        (("verify", "absent"), "give a folder that `bench publish` wrote"),
        (("verify", "--published", "--references", "absent.toml"), "absent.toml cannot be read"),
        (("export", "absent", "mtep", "--to", "x"), "did you mean mteb"),
        (("compare", "one"), "1 run given; `bench compare` takes two or more"),
        (("compare", "one.trec", "two.trec"), "name it with --dataset"),
    ],
)
def test_a_mistake_names_its_remedy(arguments: tuple[str, ...], complaint: str, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        done = bench(*arguments)
    assert isinstance(done.exception, BenchError)
    assert complaint in str(done.exception)
    assert list(tmp_path.iterdir()) == []
