"""Suites are read with their faults named, and changed from the command line."""

from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.suite import known_suites, read_suite, with_settings


@pytest.mark.parametrize("name", sorted(known_suites()))
def test_every_built_in_suite_is_valid_and_has_a_title(name: str) -> None:
    suite = read_suite(name)
    assert suite.title
    assert suite.systems


def _written(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text)
    return str(path)


def test_a_suite_of_ones_own_is_read_from_its_path(tmp_path: Path) -> None:
    suite = read_suite(_written(tmp_path, 'datasets = ["limit"]\nsystems = [{retriever = "bm25"}]\n'))
    assert (suite.name, suite.seeds, [task.task for task in suite.tasks]) == ("mine", [0], ["search"])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('datasets = ["limit"]', "systems: field required"),
        ('datasets = []\nsystems = [{retriever = "bm25"}]', "datasets: list should have at least 1"),
        ('datasets = ["limit"]\nsystem = []', "systems|system"),
        ("datasets = [", "not TOML"),
        (
            'datasets = ["limit"]\nsystems = [{retriever = "bm25"}, {retriever = "bm25"}]',
            "two systems are called 'bm25'",
        ),
    ],
)
def test_a_faulty_suite_is_refused_with_its_fault(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(BenchError, match=complaint):
        read_suite(_written(tmp_path, text))


def test_unknown_and_missing_suites_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="did you mean baselines"):
        read_suite("baseline")
    with pytest.raises(BenchError, match="no suite file"):
        read_suite(str(tmp_path / "absent.toml"))


def test_settings_change_the_systems_they_name() -> None:
    suite = with_settings(read_suite("baselines"), ["bm25.k1=0.9", "sbert.batch_size=8"])
    changed = {entry.label: entry.options for entry in suite.systems if entry.options}
    assert changed == {"bm25": {"k1": "0.9"}, "sbert": {"batch_size": "8"}}


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [("bm25.k1", "SYSTEM.OPTION=VALUE"), ("k1=2", "SYSTEM.OPTION=VALUE"), ("bm2.k1=2", "did you mean bm25")],
)
def test_a_malformed_setting_is_refused(setting: str, complaint: str) -> None:
    with pytest.raises(BenchError, match=complaint):
        with_settings(read_suite("baselines"), [setting])
