"""Which cells a suite means."""

from pathlib import Path

import pytest

from bench.collections.catalogue import Dataset, open_dataset
from bench.errors import BenchError
from bench.runner.plan import left_out, make_plan
from bench.suite import Suite, SystemEntry


def _suite(*systems: SystemEntry) -> Suite:
    return Suite(name="test", datasets=["given"], systems=list(systems), seeds=[0, 1])


LEARNER = SystemEntry(retriever="bm25", name="learner", needs_split="train")


@pytest.fixture
def untaught(beir_folder: Path) -> Dataset:
    """A collection whose only split is the one that is evaluated."""
    return open_dataset(f"beir:{beir_folder}")


def test_a_system_is_left_out_where_there_is_no_split_to_learn_from(
    untaught: Dataset, beir_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "taught"
    (folder / "qrels").mkdir(parents=True)
    for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"):
        (folder / name).write_bytes((beir_folder / name).read_bytes())
    (folder / "qrels" / "train.tsv").write_bytes((beir_folder / "qrels" / "test.tsv").read_bytes())
    both = [untaught, open_dataset(f"beir:{folder}")]
    suite = _suite(SystemEntry(retriever="bm25"), LEARNER)
    cells = make_plan(suite, both, tmp_path / "out")
    bare, taught = (dataset.collection.name for dataset in both)
    assert [(cell.collection, cell.system, cell.seed) for cell in cells] == [
        *((bare, "bm25", seed) for seed in (0, 1)),
        *((taught, system, seed) for system in ("bm25", "learner") for seed in (0, 1)),
    ]
    (line,) = left_out(suite, both)
    assert line == f"learner is left out of {bare}, which has no split 'train'"


def test_the_evaluated_split_is_none_to_learn_from(untaught: Dataset) -> None:
    assert left_out(_suite(LEARNER.model_copy(update={"needs_split": "test"})), [untaught])


def test_a_plan_without_cells_is_refused(untaught: Dataset, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"nothing to run: learner is left out of .*choose a dataset"):
        make_plan(_suite(LEARNER), [untaught], tmp_path)
