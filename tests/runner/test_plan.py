"""Which cells a suite means."""

from pathlib import Path

import pytest
from conftest import PLUGINS, MakeCells, run, suite_of

from bench import registry
from bench.collections.catalogue import Dataset, open_dataset
from bench.errors import BenchError
from bench.runner.plan import Unopened, left_out, make_plan, uses_weights
from bench.suite import Suite, SystemEntry


def _suite(*systems: SystemEntry) -> Suite:
    return Suite(name="test", datasets=["given"], systems=list(systems), seeds=[0, 1])


LEARNER = SystemEntry(retriever="tf-idf", name="learner", needs_split="train")


@pytest.fixture
def untaught(beir_folder: Path) -> Dataset:
    """A collection whose only split is the one that is evaluated."""
    return open_dataset(f"beir:{beir_folder}")


@pytest.fixture
def taught(beir_folder: Path, tmp_path: Path) -> Dataset:
    """The same with a split to learn from."""
    folder = tmp_path / "taught"
    (folder / "qrels").mkdir(parents=True)
    for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"):
        (folder / name).write_bytes((beir_folder / name).read_bytes())
    (folder / "qrels" / "train.tsv").write_bytes((beir_folder / "qrels" / "test.tsv").read_bytes())
    return open_dataset(f"beir:{folder}")


def test_whether_weights_are_used_is_known_before_a_dataset_is_opened(tmp_path: Path) -> None:
    assert not uses_weights(suite_of(tmp_path, "bm25", "tf-idf"))
    assert uses_weights(suite_of(tmp_path, "bm25", "sbert"))
    assert not uses_weights(suite_of(tmp_path, "no-such-system"))


def test_a_system_is_left_out_where_there_is_no_split_to_learn_from(
    untaught: Dataset, taught: Dataset, tmp_path: Path
) -> None:
    suite = _suite(SystemEntry(retriever="tf-idf"), LEARNER)
    cells = make_plan(suite, [untaught, taught], tmp_path / "out")
    first, second = untaught.collection.name, taught.collection.name
    assert [(cell.collection, cell.system, cell.seed) for cell in cells] == [
        *((first, "tf-idf", seed) for seed in (0, 1)),
        *((second, system, seed) for system in ("tf-idf", "learner") for seed in (0, 1)),
    ]
    (line,) = left_out(suite, [untaught, taught])
    assert line == f"learner is left out of {first}, which has no split 'train'"


def test_the_evaluated_split_is_none_to_learn_from(untaught: Dataset) -> None:
    assert left_out(_suite(LEARNER.model_copy(update={"needs_split": "test"})), [untaught])


def test_a_plan_without_cells_is_refused(untaught: Dataset, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"nothing to run: learner is left out of .*choose a dataset"):
        make_plan(_suite(LEARNER), [untaught], tmp_path)


def test_a_deterministic_system_has_one_cell_for_all_seeds(make_cells: MakeCells) -> None:
    cells = make_cells("same-for-all-seeds", "saved", seeds=(3, 4))
    assert [(cell.system, cell.seed, cell.identity.deterministic) for cell in cells] == [
        ("same-for-all-seeds", 3, True),
        ("saved", 3, False),
        ("saved", 4, False),
    ]


def test_what_is_given_twice_is_run_once(untaught: Dataset, beir_folder: Path, tmp_path: Path) -> None:
    suite = suite_of(beir_folder, "saved", "saved", seeds=(0, 0))
    assert len(make_plan(suite, [untaught, untaught], tmp_path)) == 1


def test_two_systems_of_one_name_are_refused(untaught: Dataset, tmp_path: Path) -> None:
    two = [SystemEntry(retriever="tf-idf", options={"min_df": count}) for count in (1, 2)]
    with pytest.raises(BenchError, match="two systems are called 'tf-idf'.*give one a `name`"):
        make_plan(_suite(*two), [untaught], tmp_path)


def test_two_names_of_one_folder_are_refused(untaught: Dataset, tmp_path: Path) -> None:
    systems = [SystemEntry(retriever="tf-idf", name=name) for name in ("a b", "a/b")]
    with pytest.raises(BenchError, match=r"'a b' and 'a/b' would share .*give one another `name`"):
        make_plan(Suite(name="s", datasets=[untaught.spec], systems=systems), [untaught], tmp_path)


def test_one_content_under_two_names_is_refused(untaught: Dataset, beir_folder: Path, tmp_path: Path) -> None:
    again = open_dataset(f"beir:{beir_folder}/")
    with pytest.raises(BenchError, match="are the same content, which would count twice"):
        make_plan(_suite(SystemEntry(retriever="tf-idf")), [untaught, again], tmp_path)


def test_a_dataset_that_cannot_be_opened_fails_its_own_cells_alone(
    untaught: Dataset, beir_folder: Path, tmp_path: Path
) -> None:
    suite = suite_of(beir_folder, "tf-idf", "no-retrieve")
    cells = make_plan(suite, [Unopened("beir:gone", "there is no folder gone"), untaught], tmp_path, None, [PLUGINS])
    records, _ = run(cells)
    assert [(record.collection, record.system, record.done) for record in records] == [
        ("beir:gone", "tf-idf", False),
        ("beir:gone", "no-retrieve", False),
        (untaught.collection.name, "tf-idf", True),
        (untaught.collection.name, "no-retrieve", False),
    ]
    assert records[0].problem == "bad input: there is no folder gone"


@pytest.mark.parametrize("name", ["../../x", "漢字" * 20, "x" * 300, ".."])
def test_no_name_of_a_system_leaves_the_folder_of_cells(untaught: Dataset, tmp_path: Path, name: str) -> None:
    (cell, _) = make_plan(_suite(SystemEntry(retriever="tf-idf", name=name)), [untaught], tmp_path)
    assert cell.folder.parent == tmp_path / "cells"
    assert len(cell.folder.name.encode()) < 240
    cell.folder.mkdir(parents=True)


def test_an_unknown_option_stops_the_plan(make_cells: MakeCells) -> None:
    with pytest.raises(BenchError, match="unknown option of tf-idf 'min_fd'.*min_df"):
        make_cells("tf-idf", min_fd=2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def __init__(self, path): ...", "__init__"),
        ("raise RuntimeError('no licence')", "no licence"),
        ("import no_such_library", "no_such_library"),
    ],
)
def test_an_installed_retriever_that_cannot_be_loaded_fails_its_own_cell_alone(
    untaught: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    body = "".join(
        f"    {line}\n" for line in (text, "def fit(self, collection): ...", "def retrieve(self, q, k): ...")
    )
    name = f"broken_{len(reason)}"
    (tmp_path / f"{name}.py").write_text(f"from bench.retriever import Retriever\nclass Broken(Retriever):\n{body}")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry._from_files.append(registry.Plugin("retriever", "broken", f"{name}:Broken", "a package"))
    suite = _suite(SystemEntry(retriever="broken"), SystemEntry(retriever="tf-idf"))
    cells = make_plan(suite, [untaught], tmp_path / "out")
    assert [bool(cell.problem) for cell in cells] == [True, True, False, False]
    assert reason in str(cells[0].problem)
