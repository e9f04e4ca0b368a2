"""Cards, options, suites, checks and scores made elsewhere, as the screen shows them."""

import math
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.text import Text
from screens import as_written, shown

from bench import registry
from bench.collections.cards import find_card
from bench.collections.collection import Rules
from bench.measures.measure import Count, Figure
from bench.suite import Suite, SystemEntry, TaskEntry
from bench.terminal import card_table, dataset_line, judged_table, options_table, suite_table
from bench.terminal.checks import check_line, summary
from bench.verification.check import Check

HOSTILE = "[D] {title} [/b]\x1b[2J"
SEEN = "[D] {title} [/b]␛[2J"


class Kind:
    """Does something [with brackets]."""

    @staticmethod
    def describe_options() -> list[tuple[str, ...]]:
        return [("text", "str", HOSTILE, "any", "how a document reads")]


def test_options_are_shown_with_their_defaults_as_they_are() -> None:
    plugin = SimpleNamespace(kind="task", load=lambda: Kind, name="kind", target="module:Kind", origin="a file")
    told = shown(options_table(plugin))  # type: ignore[arg-type]
    assert "kind (module:Kind, a file)" in told
    assert "Does something [with brackets]." in told
    assert SEEN in told


def test_a_source_is_shown_with_the_rules_that_its_datasets_take() -> None:
    told = shown(options_table(registry.find("source", "beir")))
    assert "folder that holds corpus.jsonl" in told
    rules = told.partition("rules, which a dataset of any source takes")[2].split()
    assert set(Rules.model_fields) <= set(rules)
    assert "minimum_relevance" not in shown(options_table(registry.find("retriever", "bm25")))


def test_a_card_is_shown_with_all_that_it_says() -> None:
    card = find_card("scifact")
    told = " ".join(shown(card_table(card)).split())
    assert " ".join(card.title.split()) in told
    assert str(card.source) in told


def test_a_suite_is_shown_with_its_systems() -> None:
    suite = Suite(
        name="small",
        title=HOSTILE,
        datasets=["scifact"],
        systems=[SystemEntry(retriever="bm25", name="x [/b]", options={"k1": 1.2})],
        tasks=[TaskEntry(task="search")],
        seeds=[0, 1],
    )
    told = shown(suite_table(suite))
    assert f"small: {SEEN}" in told
    assert "datasets scifact; tasks search; seeds 0, 1" in told
    assert "x [/b]" in told
    assert "k1=1.2" in told


@pytest.mark.parametrize(("documents", "words"), [(1, "1 document, 1 test query"), (2, "2 documents, 1 test query")])
def test_a_dataset_is_told_in_the_right_number(documents: int, words: str) -> None:
    class Few(SimpleNamespace):
        def __len__(self) -> int:
            return documents

    rules = SimpleNamespace(split="test", options=lambda: {"text": HOSTILE, "gains": "linear", "primary": ""})
    collection = Few(name="c", rules=rules, split_queries={"test": ["q"]}, fingerprint="f" * 64)
    told = dataset_line(SimpleNamespace(collection=collection, dropped_judgements=1, card=None))  # type: ignore[arg-type]
    assert isinstance(told, Text)
    assert f"c: {words}, fingerprint ffffff, 1 judgement on unknown ids dropped" in told.plain
    assert told.plain.endswith(f"no card; read with text = {SEEN}, gains = linear")


def test_a_run_made_elsewhere_is_shown_with_its_intervals_and_counts() -> None:
    result = SimpleNamespace(
        task="search",
        definition="mean over 2 queries",
        figures=[Figure("nDCG@10", 0.5, 2, 0.25, 0.75), Figure("AP", math.nan, 0, math.nan, math.nan)],
        counts=[Count("unanswered", 1.0, header="no answer"), Count("judged", 0.5, kind="share")],
    )
    told = shown(judged_table(SimpleNamespace(system=HOSTILE, collection="c", result=result)))  # type: ignore[arg-type]
    assert f"{SEEN} on c, search (imported)" in told
    assert "0.2500 to 0.7500" in told
    assert "no answer 1, judged .500" in told
    assert "nan" not in told


def test_checks_are_lines_that_obey_nothing_and_a_sum() -> None:
    checks = [Check("runs/a", "OK"), Check(HOSTILE, "FAIL", HOSTILE)]
    told = as_written(check_line(checks[1]))
    assert f"{SEEN}: {SEEN}" in told
    assert "\x1b[2J" not in told
    assert shown(summary(Path("results [x]"), checks)).strip() == "results [x]: 1 OK, 0 near, 1 FAIL"
