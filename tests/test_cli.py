"""The command line as a user meets it, in a process of its own."""

import json
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from typer.main import get_command_from_info
from typer.models import CommandInfo
from typer.testing import CliRunner

from bench import __version__
from bench.cli import app

PLUGINS = Path(__file__).parent / "plugins.py"


def _bench(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=300)


def test_a_run_prints_the_table_writes_every_figure_and_reuses_its_cells(beir_folder: Path, tmp_path: Path) -> None:
    out, figures = tmp_path / "runs", tmp_path / "figures.json"
    arguments = ("run", "--dataset", f"beir:{beir_folder}", "--retriever", "bm25", "--retriever", "tf-idf")
    arguments += ("--plugin", PLUGINS, "--set", "bm25.k1=1.2", "--out", out, "--json", figures)
    first = _bench(*arguments)
    assert first.returncode == 0, first.stderr
    assert "no card; read with text = {title} {text}" in first.stdout
    assert "a missing answer counts 0" in first.stdout
    assert str(out / "cells") in first.stdout.replace("\n", "")
    rows = json.loads(figures.read_text())
    keys = {"collection", "fingerprint", "system", "options", "seed", "task", "measure", "value", "n", "status"}
    keys |= {"failure"}
    assert all(set(row) == keys for row in rows)
    bm25 = {row["measure"]: row for row in rows if row["system"] == "bm25"}
    assert bm25["nDCG@10"]["options"]["k1"] == 1.2
    assert 0.3 < bm25["nDCG@10"]["value"] < 1
    assert bm25["nDCG@10"]["status"] == "done"
    second = _bench(*arguments)
    assert second.returncode == 0
    assert "reused 2 of 2 cells" in second.stdout
    assert json.loads(figures.read_text()) == rows


def test_a_failed_cell_is_a_line_a_null_and_an_exit_status(beir_folder: Path, tmp_path: Path) -> None:
    figures = tmp_path / "figures.jsonl"
    done = _bench(
        "run", "--dataset", f"beir:{beir_folder}", "--retriever", "raises", "--retriever", "tf-idf",
        "--plugin", PLUGINS, "--out", tmp_path / "runs", "--json", figures,
    )  # fmt: skip
    assert done.returncode == 1
    assert "raises: failed: ValueError: the soufflé collapsed" in done.stdout
    assert "1 of 2 cells failed" in done.stdout
    rows = [json.loads(line) for line in figures.read_text().splitlines()]
    failed = [row for row in rows if row["system"] == "raises"]
    assert {row["value"] for row in failed} == {None}
    assert {row["failure"] for row in failed} == {"error"}
    assert "nDCG@10" in {row["measure"] for row in failed}
    assert all(row["status"].startswith("failed: ValueError") for row in failed)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_what_is_finished_and_ends_its_processes(
    beir_folder: Path, tmp_path: Path, number: int
) -> None:
    command = [sys.executable, "-m", "bench", "run", "--dataset", f"beir:{beir_folder}", "--out", str(tmp_path)]
    command += ["--plugin", str(PLUGINS), "--retriever", "bm25", "--retriever", "takes-forever"]
    # A background job starts with interrupts ignored, and so would the process.
    heeds = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=heeds)
    while not list(tmp_path.glob("cells/takes-forever*/log.txt")):
        time.sleep(0.1)
    process.send_signal(number)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; finished cells are kept" in printed
    assert len(list(tmp_path.rglob("result.json"))) == 1


def test_a_dry_run_prints_the_plan_and_writes_nothing(beir_folder: Path, tmp_path: Path) -> None:
    done = _bench(
        "run", "--suite", "baselines", "--dataset", f"beir:{beir_folder}", "--dry-run", "--out", tmp_path / "runs"
    )
    assert done.returncode == 0, done.stderr
    assert "4 cells" in done.stdout
    assert done.stdout.count("to run") == 4
    assert not (tmp_path / "runs").exists()


def test_search_shows_hits_with_their_text(beir_folder: Path, tmp_path: Path) -> None:
    asked = ("search", "abstract base class", "--dataset", f"beir:{beir_folder}", "-k", 2, "--out", tmp_path)
    for _ in ("fitted", "loaded"):
        done = _bench(*asked)
        assert done.returncode == 0, done.stderr
        ranks = re.findall(r"^ +([12])  \d+\.\d{4}  (\S+)$", done.stdout, re.MULTILINE)
        assert [rank for rank, _ in ranks] == ["1", "2"]
        assert ranks[0][1].startswith("abc.")


def test_a_system_from_a_file_is_asked_also_where_it_is_fitted_in_a_process_of_its_own(
    beir_folder: Path, tmp_path: Path
) -> None:
    asked = ("search", "anything", "--dataset", f"beir:{beir_folder}", "--out", tmp_path)
    for _ in ("fitted", "loaded"):
        done = _bench(*asked, "--plugin", PLUGINS, "--retriever", "saved")
        assert done.returncode == 0, done.stderr
        assert re.search(r"^ +1 +-?\d", done.stdout, re.MULTILINE)


def test_an_exported_run_scores_the_same_when_it_comes_back(beir_folder: Path, tmp_path: Path) -> None:
    first, again = tmp_path / "first.json", tmp_path / "again.json"
    dataset = f"beir:{beir_folder}"
    _bench("run", "--dataset", dataset, "--retriever", "bm25", "--out", tmp_path / "runs", "--json", first)
    run_file = next((tmp_path / "runs").rglob("run.trec.gz"))
    done = _bench("score", run_file, "--dataset", dataset, "--name", "mine", "--json", again)
    assert done.returncode == 0, done.stderr
    original = {row["measure"]: row["value"] for row in json.loads(first.read_text()) if row["task"] == "search"}
    imported = json.loads(again.read_text())
    assert {row["status"] for row in imported} == {"imported"}
    figures = {row["measure"]: row["value"] for row in imported}
    needs_scores = {"tied_at_10", "nDCG@10 worst ties", "nDCG@10 best ties"}  # which a run file does not keep in full
    assert {name: value for name, value in figures.items() if name not in needs_scores}.items() <= original.items()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("run",), "nothing to run: give --suite NAME"),
        (("run", "--suite", "baseline"), "did you mean baselines"),
        (("run", "--suite", "baselines", "--retriever", "bm52"), "did you mean bm25"),
        (("run", "--dataset", "scifac", "--retriever", "bm25"), "did you mean scifact"),
        (("run", "--dataset", "beir:no/such/folder", "--retriever", "bm25"), "no/such/folder"),
        (("run", "--dataset", "limit", "--retriever", "bm25", "--set", "bm25.k1=-1"), "bm25.k1: "),
        (("run", "--dataset", "limit", "--retriever", "bm25", "--set", "bm25.kk=1"), "did you mean k1"),
        (("run", "--dataset", "limit", "--retriever", "bm25?b=0.3&k1=x"), "error: bm25.k1: give a number"),
        (("run", "--dataset", "limit?split=dev", "--retriever", "bm25"), "has no split 'dev'"),
        (("run", "--dataset", "limit?size=3", "--retriever", "bm25"), "unknown option of source limit 'size'"),
        (("run", "--dataset", "limit?spilt=dev", "--retriever", "bm25"), "did you mean split"),
        (
            ("run", "--dataset", "limit", "--retriever", "bm25", "--set", "bm25.k1=inf"),
            "bm25.k1: give a finite number",
        ),
        (("run", "--dataset", "limit", "--retriever", "bm25", "--retriever", "bm25"), "bm25 is given 2 times"),
        (("run", "--dataset", "limit", "--dataset", "limit", "--retriever", "bm25"), "2 datasets are called 'limit'"),
        (
            ("run", "--dataset", "limit", "--retriever", "bm25", "--seed", "0", "--seed", "0"),
            "2 seeds are called '0'",
        ),
        (("run", "--dataset", "limit", "--retriever", "bm25", "--task", "serach"), "did you mean search"),
        (("run", "--dataset", "limit", "--retriever", "bm25", "--measure", "nDGC@10"), "nDGC@10"),
        (("run", "--suite", "...toml"), "no suite file ...toml"),
        (
            ("score", "absent.trec", "--dataset", "limit", "--task", "exclusivity?sample=4", "--set", "sample=5"),
            "once",
        ),
        (("run", "--dataset", "limit", "--retriever", "bm25", "--plugin", "absent.py"), "not a Python file"),
        (("show", "retriever", "colbret"), "did you mean colbert"),
        (("list", "retriever"), "did you mean retrievers"),
        (("score", "absent.trec", "--dataset", "limit"), "absent.trec"),
        (("search", " ", "--dataset", "limit"), "the question is empty"),
        (("search", "x", "--dataset", "limit", "--device", "tpu"), "there is no device 'tpu'; give auto, cpu, cuda"),
        (("run", "--dataset", "limit", "--retriever", "bm25", "--device", "tpu"), "there is no device 'tpu'"),
        (("sts", "absent.tsv"), "absent.tsv"),
        (("run", "--dataset", "limit", "--retriever", "bm25", "--out", "/proc/absent"), "/proc/absent: "),
        (("run", "--dataset", "limit", "--retriever", "bm25", "--json", "."), "is a directory"),
    ],
)
def test_a_mistake_is_one_line_with_its_remedy(arguments: tuple[str, ...], complaint: str, tmp_path: Path) -> None:
    done = _bench(*arguments, cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert complaint in done.stderr + done.stdout
    assert not (tmp_path / "runs" / "cells").exists() or not list((tmp_path / "runs" / "cells").rglob("result.json"))


def _plan(*arguments: object, cwd: Path | None = None) -> list[list[str]]:
    """The cells of a dry run: system, collection, seed, tasks, state and key of each."""
    done = _bench("run", *arguments, "--dry-run", cwd=cwd)
    assert done.returncode == 0, done.stderr
    lines = re.split(r"^\d+ cells?\s*$", done.stdout, flags=re.MULTILINE)[1].splitlines()[2:]
    return [re.split(r" {2,}", line.strip()) for line in lines]


def test_a_suite_gets_a_system_that_it_lacks_and_one_retriever_runs_twice(beir_folder: Path) -> None:
    dataset = f"beir:{beir_folder}"
    added = _plan("--suite", "baselines", "--dataset", dataset, "--retriever", "popularity")
    assert [cell[0] for cell in added] == ["bm25", "sif", "sbert", "colbert", "popularity"]
    twice = _plan("--dataset", dataset, "--retriever", "bm25?k1=0.9&b=0.4", "--retriever", "bm25?k1=1.2&b=0.4")
    assert [cell[0] for cell in twice] == ["bm25 k1=0.9", "bm25 k1=1.2"]
    assert twice[0][-1] != twice[1][-1]


def test_sequences_are_asked_what_comes_next_and_a_named_task_goes_before(tmp_path: Path, beir_folder: Path) -> None:
    (tmp_path / "seq").mkdir()
    (tmp_path / "texts").symlink_to(beir_folder)
    (tmp_path / "seq" / "x.inter").write_text(
        "user_id:token\titem_id:token\ttimestamp:float\n"
        + "".join(f"u{u}\ti{(u + t) % 5}\t{t}\n" for u in range(6) for t in range(4))
    )
    (tmp_path / "seq" / "x.item").write_text(
        "item_id:token\ttitle:token_seq\n" + "".join(f"i{i}\titem {i}\n" for i in range(5))
    )
    sequences = "recbole:seq?minimum_interactions=0"  # short names, so that a line of the table holds a cell
    both = _plan("--dataset", sequences, "--dataset", "beir:texts", "--retriever", "bm25", cwd=tmp_path)
    assert [cell[3] for cell in both] == ["next_item", "search"]
    named = _plan("--dataset", sequences, "--retriever", "markov", "--task", "search", cwd=tmp_path)
    assert [cell[3] for cell in named] == ["search"]


def test_identifiers_are_described_and_written_for_another_system(tmp_path: Path) -> None:
    folder = tmp_path / "seq"
    folder.mkdir()
    rows = [f"u{user}\ti{(user + place) % 7}\t{place}" for user in range(12) for place in range(5)]
    head = "user_id:token\titem_id:token\ttimestamp:float"
    (folder / "s.inter").write_text("\n".join([head, *rows]) + "\n")
    common = ("--dataset", "recbole:seq", "--set", "sid.training.epochs=1", "--out", tmp_path / "runs")
    made = ("--set", "sid.tokenizer.kind=random", "--other-seed", "1", "--to", "codes.jsonl", "--json", "ids.json")
    ran = _bench("show", "ids", "sid", *common, *made, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "7 documents, 7 identifiers; 100.0% of the documents share theirs with none" in ran.stdout
    report = json.loads((tmp_path / "ids.json").read_text())[0]
    assert len(report["levels"][0]["changed"]) == 1
    assert report["levels"][0]["together"] is not None
    assert len((tmp_path / "codes.jsonl").read_text().splitlines()) == 7


def test_what_is_wrong_with_the_only_dataset_is_told_once(tmp_path: Path) -> None:
    done = _bench("run", "--dataset", tmp_path / "absent", "--retriever", "bm25")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("there is no folder") == 1


def test_one_bad_dataset_is_told_and_does_not_stop_the_others(beir_folder: Path, tmp_path: Path) -> None:
    same = tmp_path / "same"
    same.symlink_to(beir_folder)
    done = _bench(
        "run", "--dataset", "beir:no/such/folder", "--dataset", beir_folder, "--dataset", f"beir:{same}",
        "--retriever", "bm25", "--dry-run",
    )  # fmt: skip
    assert done.returncode == 1
    assert "beir:no/such/folder is left out: " in done.stdout
    assert f"{beir_folder} is read as beir:{beir_folder}" in done.stdout.replace("\n", "")
    assert f"beir:{same} is left out: it has the content and the rules of" in done.stdout.replace("\n", " ")
    assert done.stdout.count("to run") == 1


def test_a_task_takes_its_options_and_measures_and_depth_are_set(beir_folder: Path, tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    done = _bench(
        "run", "--dataset", f"beir:{beir_folder}", "--retriever", "bm25", "--task", "search?depth=30",
        "--measure", "Recall@2", "--measure", "nDCG@5", "--out", tmp_path / "runs", "--json", figures,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "first 30 documents" in done.stdout.replace("\n", " ")
    measured = [row["measure"] for row in json.loads(figures.read_text()) if row["task"] == "search"]
    assert measured[:2] == ["Recall@2", "nDCG@5"]
    assert "nDCG@10" in measured[2:], "the usual ones stay"


def test_more_is_asked_than_depth_where_the_measures_need_it(beir_folder: Path, tmp_path: Path) -> None:
    asked = ("run", "--dataset", f"beir:{beir_folder}", "--retriever", "bm25", "--depth", 3, "--out", tmp_path)
    assert "first 100 documents" in _bench(*asked).stdout.replace("\n", " ")
    told = CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "1000"}).output
    assert "at least as many as the measures need. The foot of the table says how many." in told


def test_the_version_is_printed() -> None:
    assert _bench("--version").stdout == f"retrieval-bench {__version__}\n"


def test_list_alone_tells_what_can_be_listed() -> None:
    done = _bench("list")
    assert done.returncode == 0
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert names == ["retrievers", "datasets", "sources", "tasks", "suites"]


def test_every_command_shows_examples() -> None:
    for command in app.registered_commands:
        assert command.epilog is not None
        assert f"python -m bench {command.name or command.callback.__name__} " in command.epilog + " "


@pytest.mark.parametrize("command", app.registered_commands, ids=lambda one: one.callback.__name__)
def test_help_keeps_words_in_brackets(command: CommandInfo) -> None:
    """Where rich takes them for markup they are gone."""
    parsed = get_command_from_info(command, pretty_exceptions_short=True, rich_markup_mode="rich")
    texts = [parsed.help, parsed.epilog, *(getattr(option, "help", "") for option in parsed.params)]
    words = {word for text in texts for word in re.findall(r"\[[^\]]*\]", text or "")}
    shown = CliRunner().invoke(app, [str(parsed.name), "--help"], env={"COLUMNS": "1000"}).output
    assert {word for word in words if word not in shown} == set()


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("    def fit(self, collection): ...", "Half has no retrieve; define it"),
        (
            "    def fit(self, collection): ...\n    def retrieve(self, queries, k): ...\n"
            "    def __init__(self): self.x = 1",
            "Half has an __init__ of its own: declare its options as fields",
        ),
    ],
)
def test_half_a_plugin_fails_its_own_cells_and_says_what_it_lacks(body: str, complaint: str, tmp_path: Path) -> None:
    plugin = tmp_path / "half.py"
    plugin.write_text(f"from bench.retriever import Retriever\n\nclass Half(Retriever):\n{body}\n")
    done = _bench("run", "--dataset", "limit", "--retriever", "half", "--plugin", plugin, "--out", tmp_path)
    assert done.returncode == 1
    assert not done.stderr
    assert f"half: failed: 'half' cannot be constructed: {complaint}" in " ".join(done.stdout.split())


@pytest.mark.parametrize("what", ["retrievers", "datasets", "sources", "tasks", "suites"])
def test_every_list_has_names_and_summaries(what: str) -> None:
    done = _bench("list", what)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines
    assert all(len(line.split("  ", 1)[1].strip()) > 3 for line in lines)


def test_a_dataset_without_a_card_is_shown_by_what_it_holds(beir_folder: Path) -> None:
    done = _bench("show", "dataset", f"beir:{beir_folder}")
    assert done.returncode == 0, done.stderr
    documents = len((beir_folder / "corpus.jsonl").read_text().splitlines())
    assert f"beir:{beir_folder}: {documents} documents, " in done.stdout
    assert "licence" in _bench("show", "dataset", "limit").stdout


def test_pairs_without_a_vector_are_counted_and_told(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.tsv"
    rows = ["5\tred apples grow\tred apples grow here", "1\ta blue boat\tthe old mill", "0\t\u200b\ttwo ships sail"]
    pairs.write_text("\n".join(["score\tsentence1\tsentence2", *rows, ""]))
    done = _bench("sts", pairs, "--retriever", "sif")
    assert done.returncode == 0, done.stderr
    assert "3 pairs, cosine: Pearson" in done.stdout
    assert done.stdout.rstrip().endswith("; 1 without a vector counted as 0")


def test_options_are_shown_with_default_range_and_purpose() -> None:
    done = _bench("show", "retriever", "bm25")
    assert "k1" in done.stdout
    assert ">= 0" in done.stdout
