"""What the words of a command line make of a suite."""

from collections.abc import Callable
from typing import Any

import pytest

from bench.choice import choose, with_retrievers, with_settings
from bench.collections.collection import Collection
from bench.errors import BenchError
from bench.suite import Suite, read_suite

BASELINES = ["bm25", "sif", "sbert", "colbert"]


def _systems(suite: Suite) -> dict[str, dict[str, Any]]:
    return {entry.label: entry.options for entry in suite.systems}


@pytest.mark.parametrize(
    ("wanted", "labels"),
    [
        (["sbert", "bm25"], ["bm25", "sbert"]),
        (["popularity"], [*BASELINES, "popularity"]),
        (["popularity", "sif"], ["sif", "popularity"]),
        (["bm25?k1=0.9"], [*BASELINES, "bm25 k1=0.9"]),
        (["bm25", "bm25?k1=0.9&b=0.4"], ["bm25", "bm25 k1=0.9, b=0.4"]),
    ],
)
def test_a_system_of_the_suite_is_selected_and_another_is_added(wanted: list[str], labels: list[str]) -> None:
    assert list(_systems(with_retrievers(read_suite("baselines"), wanted))) == labels


def test_a_retriever_selects_all_its_systems_and_a_label_one() -> None:
    dsi = read_suite("dsi")
    assert list(_systems(with_retrievers(dsi, ["dsi"]))) == ["dsi atomic", "dsi semantic"]
    assert list(_systems(with_retrievers(dsi, ["dsi semantic"]))) == ["dsi semantic"]


def test_a_name_that_a_system_shares_with_its_retriever_is_the_system() -> None:
    """SASRec stands in this suite twice, once under the retriever's name."""
    suite = read_suite("sid-full")
    sasrecs = [entry.label for entry in suite.systems if entry.retriever == "sasrec"]
    assert sasrecs == ["sasrec", "sasrec cross-entropy", "esasrec"]
    assert list(_systems(with_retrievers(suite, ["sasrec"]))) == ["sasrec"]
    assert list(_systems(with_retrievers(suite, ["esasrec", "sasrec"]))) == ["sasrec", "esasrec"]
    before, after = map(_systems, (suite, with_settings(suite, ["sasrec.layers=1"])))
    assert [label for label in before if before[label] != after[label]] == ["sasrec"]


@pytest.mark.parametrize(
    ("retrievers", "systems"),
    [
        (["bm25"], {"bm25": {}}),
        (["bm25?k1=0.9"], {"bm25 k1=0.9": {"k1": "0.9"}}),
        (
            ["bm25?k1=0.9&b=0.4", "bm25?k1=1.2&b=0.4"],
            {"bm25 k1=0.9": {"k1": "0.9", "b": "0.4"}, "bm25 k1=1.2": {"k1": "1.2", "b": "0.4"}},
        ),
        (["bm25", "bm25?k1=1.2"], {"bm25": {}, "bm25 k1=1.2": {"k1": "1.2"}}),
        (["sid?tokens.levels=3"], {"sid tokens.levels=3": {"tokens": {"levels": "3"}}}),
    ],
)
def test_without_a_suite_systems_are_called_after_what_tells_them_apart(
    retrievers: list[str], systems: dict[str, dict[str, Any]]
) -> None:
    chosen = choose(datasets=["limit"], retrievers=retrievers)
    assert _systems(chosen) == systems
    assert (chosen.name, chosen.datasets, chosen.seeds) == ("custom", ["limit"], [0])


def test_settings_change_the_systems_they_name() -> None:
    suite = with_settings(read_suite("baselines"), ["bm25.k1=0.9", "sbert.batch_size=8", "sbert.training.epochs=3"])
    changed = {label: options for label, options in _systems(suite).items() if options}
    assert changed == {"bm25": {"k1": "0.9"}, "sbert": {"batch_size": "8", "training": {"epochs": "3"}}}


def test_a_setting_names_a_label_with_any_characters() -> None:
    suite = choose(datasets=["limit"], retrievers=["bm25?k1=0.9"], settings=["bm25 k1=0.9.b=0.4"])
    assert _systems(suite) == {"bm25 k1=0.9": {"k1": "0.9", "b": "0.4"}}


def test_datasets_stand_in_place_of_the_suites_and_keep_its_order() -> None:
    suite = Suite(name="s", datasets=["a", "b", "c"], systems=read_suite("baselines").systems)
    chosen = choose("dsi", datasets=["scifact", "pydoc-1k"], seeds=[3, 1])
    assert (chosen.datasets, chosen.seeds) == (["pydoc-1k", "scifact"], [3, 1])
    assert suite.check() is suite


def test_tasks_stand_in_place_of_the_suites_with_their_options() -> None:
    chosen = choose("dsi", tasks=["exclusivity?sample=40", "search"])
    assert [(task.task, task.options) for task in chosen.tasks] == [("exclusivity", {"sample": "40"}), ("search", {})]


def test_measures_and_depth_go_to_the_tasks_that_have_them() -> None:
    chosen = choose("dsi", measures=["Recall@2", "nDCG@10"], depth=200)
    options = {task.task: task.options for task in chosen.tasks}
    assert options["search"] == {"measured": ["Recall@2", "nDCG@10"], "depth": 200}
    assert options["exclusivity"] == {"depth": 200}
    with pytest.raises(BenchError, match=r"--measure fits none of the tasks \(exclusivity\)"):
        choose("dsi", tasks=["exclusivity"], measures=["P@5"])


def test_sequences_are_asked_what_comes_next_unless_a_task_is_named(
    make_collection: Callable[..., Collection], make_sequences: Callable[..., Collection]
) -> None:
    texts = make_collection({"a": "iron"}, {"q": "what rusts"}, {"q": {"a": 1}})
    calls = make_sequences({"u": ["open", "read", "close", "exit"], "v": ["open", "close", "exit", "read"]})
    chosen = choose(datasets=["x"], retrievers=["bm25"], measures=["Recall@5"])
    assert [(task.task, task.options) for task in chosen.on(texts).tasks] == [("search", {"measured": ["Recall@5"]})]
    assert [(task.task, task.options) for task in chosen.on(calls).tasks] == [
        ("next_item", {"measured": ["Recall@5"]})
    ]
    named = choose(datasets=["x"], retrievers=["bm25"], tasks=["search"])
    assert [task.task for task in named.on(calls).tasks] == ["search"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({}, "nothing to run: give --suite NAME"),
        ({"datasets": ["limit"]}, "nothing to run"),
        (
            {"suite": "dsi", "retrievers": ["bm52"]},
            r"unknown system of suite dsi 'bm52': did you mean bm25.*--plugin",
        ),
        ({"datasets": ["limit"], "retrievers": ["bm52"]}, "unknown retriever 'bm52'"),
        ({"suite": "dsi", "retrievers": ["bm25", "bm25"]}, "--retriever bm25 is given 2 times"),
        ({"datasets": ["limit"], "retrievers": ["bm25", "bm25"]}, "--retriever bm25 is given 2 times"),
        ({"datasets": ["limit"], "retrievers": ["bm25?b=1", "bm25?b=1"]}, r"--retriever bm25\?b=1 is given 2 times"),
        ({"datasets": ["limit"], "retrievers": ["bm25?b=1&b=0"]}, "'b' is given 2 times"),
        ({"datasets": ["limit", "limit"], "retrievers": ["bm25"]}, "2 datasets are called 'limit'"),
        ({"suite": "dsi", "datasets": ["pydoc-1k", "pydoc-1k"]}, "2 datasets are called 'pydoc-1k'"),
        ({"suite": "dsi", "seeds": [0, 0]}, "2 seeds are called '0'"),
        ({"suite": "dsi", "tasks": ["search", "search"]}, "2 tasks are called 'search'"),
        ({"suite": "dsi", "measures": ["P@5", "P@5"]}, "--measure P@5 is given 2 times"),
        ({"suite": "dsi", "tasks": ["serach"], "depth": 5}, "unknown task 'serach': did you mean search"),
        ({"suite": "dsi", "settings": ["bm25.k1"]}, r"--set bm25\.k1: write SYSTEM\.OPTION=VALUE"),
        ({"suite": "dsi", "settings": ["k1=2"]}, r"write SYSTEM\.OPTION=VALUE"),
        ({"suite": "dsi", "settings": ["bm2.k1=2"]}, r"unknown system 'bm2': did you mean bm25.*in --set bm2\.k1=2"),
        ({"suite": "dsi", "settings": ["bm25.k1=2", "bm25.k1=3"]}, r"bm25\.k1 is set twice"),
    ],
)
def test_a_mistake_is_one_line(words: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BenchError, match=complaint) as caught:
        choose(**words)
    assert "\n" not in str(caught.value)


def test_a_time_limit_holds_for_every_system() -> None:
    chosen = choose(datasets=["x"], retrievers=["bm25", "sif"], time_limit="2h")
    assert (chosen.time_limit, [entry.time_limit for entry in chosen.systems]) == (7200, [None, None])
    with pytest.raises(BenchError, match="--time-limit 'soon' is no time; write 90s, 15m, 2h"):
        choose(datasets=["x"], retrievers=["bm25"], time_limit="soon")
