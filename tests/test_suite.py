"""Suites are read with their faults named."""

import re
from pathlib import Path

import pytest

from bench.choice import choose
from bench.errors import BenchError
from bench.needs import Needs
from bench.suite import Suite, known_suites, read_suite, suite_title

SYSTEMS = '[[systems]]\nretriever = "bm25"\n\n[[systems]]\nretriever = "bm25"\nname = "long"\noptions = { b = 0 }\n'
BASE = f'title = "Words"\ndatasets = ["limit"]\nseeds = [4]\n{SYSTEMS}[[tasks]]\ntask = "search"\n'


@pytest.mark.parametrize("name", sorted(known_suites()))
def test_every_built_in_suite_is_valid_and_has_a_title(name: str) -> None:
    suite = read_suite(name)
    assert suite.title == suite_title(name) != ""
    assert suite.systems


def _written(folder: Path, text: str, name: str = "mine.toml") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def _options(suite: Suite) -> dict[str, dict[str, object]]:
    return {entry.label: entry.options for entry in suite.systems}


def test_a_suite_of_ones_own_is_read_from_its_path(tmp_path: Path) -> None:
    text = 'datasets = ["limit"]\nfindings = "None yet."\nsystems = [{retriever = "bm25"}]\n'
    suite = read_suite(_written(tmp_path, text))
    assert (suite.name, suite.seeds, [task.task for task in suite.tasks]) == ("mine", [0], ["search"])
    assert suite.findings == "None yet."


def test_defaults_go_to_every_system_that_has_them_and_its_own_go_before(tmp_path: Path) -> None:
    text = BASE.replace(
        "[[systems]]", "[defaults]\nb = 0.4\nk1 = 1\n\n[[systems]]\nretriever = 'sif'\n\n[[systems]]", 1
    )
    suite = read_suite(_written(tmp_path, text))
    assert _options(suite) == {"sif": {}, "bm25": {"b": 0.4, "k1": 1}, "long": {"b": 0, "k1": 1}}


def test_a_default_that_no_system_has_is_refused(tmp_path: Path) -> None:
    text = BASE.replace("[[systems]]", "[defaults]\nk2 = 0.4\n\n[[systems]]", 1)
    with pytest.raises(BenchError, match=r"unknown option in \[defaults\] of .*mine.toml: 'k2': did you mean k1"):
        read_suite(_written(tmp_path, text))


def test_a_suite_extends_another_by_path(tmp_path: Path) -> None:
    _written(tmp_path, BASE, "words.toml")
    own = (
        'extends = "words.toml"\nseeds = [5]\n[[systems]]\nretriever = "bm25"\nname = "long"\noptions = { k1 = 2 }\n'
    )
    own += '[[systems]]\nretriever = "sif"\n[[tasks]]\ntask = "relevance"\n'
    suite = read_suite(_written(tmp_path, own))
    assert (suite.title, suite.datasets, suite.seeds) == ("Words", ["limit"], [5])
    assert _options(suite) == {"bm25": {}, "long": {"k1": 2}, "sif": {}}
    assert [task.task for task in suite.tasks] == ["search", "relevance"]


def test_a_suite_extends_a_built_in_one_by_name(tmp_path: Path) -> None:
    suite = read_suite(_written(tmp_path, 'extends = "baselines"\n'))
    assert suite.model_dump(exclude={"name"}) == read_suite("baselines").model_dump(exclude={"name"})


def test_the_full_suite_shares_the_rows_of_the_short_one() -> None:
    short, full = _options(read_suite("dsi")), _options(read_suite("dsi-full"))
    assert [label for label in full if label in short] == list(short)
    assert {label: full[label] for label in short} == short


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('datasets = ["limit"]', "systems is missing|systems must not be empty"),
        ('datasets = []\nsystems = [{retriever = "bm25"}]', "datasets is missing|datasets must not be empty"),
        ('datasets = ["limit"]\nsystem = []', "system is not a known key"),
        ('datasets = "limit"\nsystems = []', r'datasets must be a list, as \["a", "b"\]'),
        ('datasets = ["limit"]\nsystems = ["bm25"]', r"systems\.0 must be a table"),
        ('datasets = ["limit"]\nsystems = [{retriever = "bm25", name = "a\\nb"}]', r"systems\.0\.name is not right"),
        ("datasets = [", "not TOML"),
        ("seeds = [-1]", r"seeds\.0 is not right"),
        ("datasets = " + "[" * 5000, "not TOML that can be read"),
        ("seeds = [" + "9" * 5000 + "]", "not TOML: .*digits"),
        ("seeds = [" + "9" * 4000 + "]", r"seeds\.0 is not right"),
        ('name = "another"\ndatasets = ["limit"]', "a suite is called as its file, 'mine'; leave the key `name` out"),
        ('extends = "mine.toml"', "leads back to itself"),
        ('extends = "dssi"', "unknown suite 'dssi': did you mean dsi"),
        ('extends = "other.toml"', r"there is no suite file .*other\.toml"),
        (
            'datasets = ["limit"]\nsystems = [{retriever = "bm25"}, {retriever = "bm25"}]',
            "2 systems are called 'bm25'; give one a `name`",
        ),
        ('datasets = ["limit", "limit"]\nsystems = [{retriever = "bm25"}]', "2 datasets are called 'limit'"),
        ('datasets = ["limit"]\nseeds = [1, 1]\nsystems = [{retriever = "bm25"}]', "2 seeds are called '1'"),
        (BASE + '[tune.bm52]\nk1 = "0.4..3"\n', r"unknown system in \[tune\] of .*'bm52': did you mean bm25"),
        (BASE + '[[tasks]]\ntask = "search"\n', "2 tasks are called 'search'"),
    ],
)
def test_a_faulty_suite_is_refused_in_one_line_with_its_fault(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(BenchError, match=complaint) as caught:
        read_suite(_written(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("option", ["training.epochs", '"training.epochs"'])
def test_what_is_tuned_is_named_with_its_dots(tmp_path: Path, option: str) -> None:
    suite = read_suite(_written(tmp_path, BASE + f'[tune.sasrec]\n{option} = "1..9"\ndropout = "0..0.5"\n'))
    assert suite.tune == {"sasrec": {"training.epochs": "1..9", "dropout": "0..0.5"}}


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    assert read_suite(_written(tmp_path, "\ufeff" + BASE)).title == "Words"


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(b'title = "caf\xe9"')
    with pytest.raises(BenchError, match=r"mine\.toml: not TOML: byte 13 is not UTF-8"):
        read_suite(str(tmp_path / "mine.toml"))


@pytest.mark.parametrize("name", ["...toml", "a b.toml", ".toml", "-x.toml", "a\n.toml"])
def test_a_name_that_could_become_a_path_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BenchError, match="use letters, digits, - and _ alone"):
        read_suite(_written(tmp_path, BASE, name))


def test_unknown_and_missing_suites_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="did you mean baselines"):
        read_suite("baseline")
    with pytest.raises(BenchError, match="no suite file"):
        read_suite(str(tmp_path / "absent.toml"))


def test_the_suite_in_the_docs_is_valid(tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "suites.md").read_text(encoding="utf-8")
    example = next(part for part in page.split("```toml\n")[1:] if part.startswith("title")).partition("```")[0]
    suite = read_suite(_written(tmp_path, example))
    options = _options(suite)
    assert list(options) == ["bm25", "sif", "sbert", "colbert", "bm25 long", "sbert fine-tuned"]
    assert (options["bm25"], options["bm25 long"]) == ({}, {"b": 0.2})
    assert options["sbert"] == options["colbert"] == {"precision": "bfloat16"}


def test_a_time_limit_is_the_suites_or_a_systems_own(tmp_path: Path) -> None:
    assert read_suite(_written(tmp_path, BASE)).time_limit == 86400
    text = BASE.replace('name = "long"', 'name = "long"\ntime_limit = "15m"').replace(
        "seeds", "time_limit = 90\nseeds"
    )
    suite = read_suite(_written(tmp_path, text))
    assert (suite.time_limit, [system.time_limit for system in suite.systems]) == (90, [None, 900])
    _written(tmp_path, text, "base.toml")
    assert read_suite(_written(tmp_path, 'extends = "base.toml"\n', "more.toml")).time_limit == 90


def test_needs_are_the_systems_own_and_else_the_suites(tmp_path: Path) -> None:
    text = BASE.replace('name = "long"', 'name = "long"\nneeds = { cpus = 4 }').replace(
        "seeds", "needs = { cpus = 2, memory_gb = 8 }\nseeds"
    )
    suite = read_suite(_written(tmp_path, text))
    assert [system.needs.over(suite.needs) for system in suite.systems] == [
        Needs(cpus=2, memory_gb=8),
        Needs(cpus=4, memory_gb=8),
    ]
    asked = choose(str(tmp_path / "mine.toml"), needs=["memory_gb=16", "gpus=1"])
    assert [system.needs.over(asked.needs) for system in asked.systems] == [
        Needs(cpus=2, gpus=1, memory_gb=16),
        Needs(cpus=4, gpus=1, memory_gb=16),
    ]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("cpus=0", "--needs cpus is not right: input should be greater than or equal to 1"),
        ("cores=1", "--needs cores is not a known key"),
        ("cpus", "--needs cpus: write NAME=VALUE, as in cpus=4"),
        ("gpus=few", "--needs gpus is not right: input should be a valid number"),
    ],
)
def test_what_is_no_need_is_refused(given: str, problem: str) -> None:
    with pytest.raises(BenchError, match=re.escape(problem)):
        choose("dsi", needs=[given])


@pytest.mark.parametrize("given", ['"soon"', "0", "-1", '"1w"', "true", '"nan"', "inf", '["1h"]'])
def test_what_is_no_time_is_refused(tmp_path: Path, given: str) -> None:
    with pytest.raises(BenchError, match=r"mine\.toml: time_limit is not right: .*is no time; write 90s, 15m, 2h"):
        read_suite(_written(tmp_path, BASE.replace("seeds", f"time_limit = {given}\nseeds")))
