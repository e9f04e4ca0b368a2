"""Systems as options: named as people write them, checked, and shared with the rows of a suite."""

from collections.abc import Sequence
from typing import Any

import pytest

from bench.choice import with_retrievers, with_settings
from bench.collections.collection import Collection, Query
from bench.errors import BenchError, UnknownName
from bench.parts import with_rows
from bench.rankings import Rankings
from bench.retriever import construct
from bench.runner.plan import construct as construct_entry
from bench.suite import Suite, SystemEntry
from retrievers.composed.hybrid import Hybrid
from retrievers.composed.rerank import Rerank
from retrievers.dense.sbert import SBERT
from retrievers.lexical.bm25 import BM25


def entry(retriever: str, name: str = "", **options: Any) -> SystemEntry:
    return SystemEntry(retriever=retriever, name=name, options=options)


def suite_of(*systems: SystemEntry) -> Suite:
    return Suite(name="test", datasets=["limit"], systems=list(systems))


@pytest.mark.parametrize(
    "given",
    ["bm25?k1=0.9", {"retriever": "bm25", "k1": 0.9}, '{ retriever = "bm25", k1 = 0.9 }', BM25(k1=0.9)],
    ids=["spec", "table", "text of a table", "retriever"],
)
def test_a_part_is_a_name_with_options_a_table_or_a_retriever(given: Any) -> None:
    made = Rerank(first=given)
    assert isinstance(made.first, BM25)
    assert made.first.k1 == 0.9
    assert made.options()["first"] == {"retriever": "bm25", **BM25(k1=0.9).options()}
    assert Rerank(**made.options()).options() == made.options()


def test_options_alone_change_the_default_part() -> None:
    made = construct("rerank", {"first.k1": "0.9"})
    assert isinstance(made, Rerank)
    assert made.options()["first"]["k1"] == 0.9
    changed = construct("hybrid", {"parts.bm25.k1": "0.9"})
    assert isinstance(changed, Hybrid)
    assert list(changed.parts) == ["bm25", "sbert"]
    assert changed.options()["parts"]["bm25"]["k1"] == 0.9


def test_several_parts_are_a_list_or_have_names() -> None:
    assert list(Hybrid(parts=["bm25", "splade"]).parts) == ["bm25", "splade"]
    named = Hybrid(parts={"short": {"retriever": "bm25", "b": 0}, "long": "bm25"})
    assert [part.options()["b"] for part in named.parts.values()] == [0, 0.75]
    assert list(Hybrid(parts=[BM25(), "splade"]).parts) == ["bm25", "splade"]


@pytest.mark.parametrize(
    "parts",
    [
        ["bm25", "bm25?k1=2"],
        [BM25(k1=0.1), BM25(k1=5)],
        [BM25(k1=0.1), BM25(k1=5), "splade"],
        [BM25, "bm25?k1=2", "splade"],
    ],
    ids=["text", "retrievers", "retrievers beside another", "a class and text"],
)
def test_two_parts_of_a_list_with_one_name_are_refused(parts: list[Any]) -> None:
    with pytest.raises(BenchError, match="two parts are called 'bm25'; name them"):
        Hybrid(parts=parts)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"first": "bm26"}, "unknown retriever 'bm26': did you mean bm25"),
        ({"first": "bm25?k2=1"}, "unknown option of bm25 'k2': did you mean k1"),
        ({"first": "bm25?k1=-1"}, "bm25.k1: give a number greater than 0"),
        ({"first": 3}, "rerank.first: no retriever is named"),
        ({"frist.k1": 1}, "unknown option of rerank 'frist': did you mean first"),
        ({"second": "dsi"}, "DSI cannot score documents that another system found"),
    ],
)
def test_what_is_no_part_is_told_in_one_line(options: dict[str, Any], told: str) -> None:
    with pytest.raises(BenchError, match=told.replace("?", r"\?")):
        construct("rerank", options)


def test_a_setting_reaches_an_option_of_a_part() -> None:
    suite = suite_of(entry("rerank", first="bm25"), entry("hybrid", parts=["bm25", "splade"]))
    changed = with_settings(
        suite, ["rerank.first.k1=0.9", "hybrid.parts.bm25.b=0.4", "hybrid.parts.splade.max_tokens=64"]
    )
    rerank, hybrid = (construct_entry(one, 0) for one in changed.systems)
    assert rerank.options()["first"]["k1"] == 0.9
    assert hybrid.options()["parts"]["bm25"]["b"] == 0.4
    assert hybrid.options()["parts"]["splade"]["max_tokens"] == 64


def test_a_part_may_be_another_row_of_the_suite() -> None:
    rows = [
        entry("bm25", "short", k1=0.9, b=0.1),
        entry("rerank", "two", first="short", second="bm25"),
        entry("hybrid", "both", parts={"a": "two", "b": "short"}),
        entry("rerank", "changed", first={"retriever": "short", "b": 0.5}, second="bm25"),
    ]
    _, two, both, changed = (construct_entry(one, 0) for one in with_rows(rows, rows))
    assert two.options()["first"] == {"retriever": "bm25", **BM25(k1=0.9, b=0.1).options()}
    assert both.options()["parts"]["a"]["first"] == two.options()["first"]
    assert both.options()["parts"]["b"] == two.options()["first"]
    assert (changed.options()["first"]["k1"], changed.options()["first"]["b"]) == (0.9, 0.5)


def test_a_row_with_a_retrievers_name_goes_before_it_and_is_not_its_own_part() -> None:
    rows = [entry("bm25", k1=0.9), entry("rerank", second="bm25"), entry("hybrid", "sbert", parts=["bm25", "sbert"])]
    _, rerank, hybrid = (construct_entry(one, 0) for one in with_rows(rows, rows))
    assert rerank.options()["first"]["k1"] == rerank.options()["second"]["k1"] == 0.9
    assert hybrid.options()["parts"]["sbert"]["retriever"] == "sbert"


def test_rows_that_lead_back_to_themselves_are_refused() -> None:
    rows = [entry("rerank", "a", first="b"), entry("rerank", "b", first="a")]
    with pytest.raises(BenchError, match="the system 'a' is a part of itself \\(a > b > a\\)"):
        with_rows(rows, rows)


def test_a_row_that_is_chosen_alone_keeps_what_it_says_of_others() -> None:
    suite = suite_of(entry("bm25", "short", k1=0.9), entry("rerank", "two", first="short", second="bm25"))
    (alone,) = with_retrievers(suite, ["two"]).systems
    assert construct_entry(alone, 0).options()["first"]["k1"] == 0.9


def test_seed_and_device_are_handed_down() -> None:
    both = construct_entry(entry("hybrid", parts=["bm25", "sbert?index.kind=hnsw", "splade?device=cpu"]), 3, "mps")
    assert isinstance(both, Hybrid)
    assert [part.seed for part in both.parts.values()] == [0, 3, 0]  # the seed changes the one part alone
    assert [part.options().get("device") for part in both.parts.values()] == [None, "mps", "cpu"]
    assert not both.deterministic
    both.seed = 4
    assert both.parts["sbert"].seed == 4


def test_a_seed_that_a_part_was_given_is_its_own() -> None:
    approximate = "sbert?index.kind=hnsw"
    parts = {"one": f"{approximate}&seed=1", "two": f"{approximate}&seed=2", "other": approximate}
    nested = Rerank(first={"retriever": "hybrid", "parts": parts}, second="bm25", seed=3)
    for seed in (3, 4):
        nested.seed = seed
        assert [part.seed for part in nested.first.parts.values()] == [1, 2, seed]
        assert nested.first.seed == seed


def test_a_retriever_that_is_given_to_several_compositions_stays_as_it_is() -> None:
    given = SBERT(index={"kind": "hnsw"})
    first, second = (Rerank(first=given, second="bm25", seed=seed) for seed in (3, 4))
    assert (given.seed, first.first.seed, second.first.seed) == (0, 3, 4)
    inner = Hybrid(parts={"one": given, "two": "bm25"})
    outer = Rerank(first=inner, second="bm25", seed=5)
    assert (inner.parts["one"].seed, outer.first.parts["one"].seed) == (0, 5)


def test_a_part_of_an_unknown_name_is_unknown_in_a_suite_too() -> None:
    with pytest.raises(UnknownName, match="unknown retriever 'shrot'"):
        construct_entry(with_rows([entry("rerank", first="shrot")], [])[0], 0)


class _Unused(BM25):
    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        raise AssertionError("asked")

    def fit(self, collection: Collection) -> None:  # type: ignore[override]
        raise AssertionError("fitted")


@pytest.mark.parametrize(
    ("system", "role"), [("rerank", "second"), ("gqr", "primary"), ("gqr", "guide"), ("dense-prf", "part")]
)
@pytest.mark.parametrize("kind", ["hnsw", "ivf-pq"])
def test_a_part_whose_vectors_cannot_be_looked_up_is_refused_before_any_work(
    system: str, role: str, kind: str
) -> None:
    with pytest.raises(BenchError, match=f"{role}: SBERT keeps no exact vectors .*take index.kind=flat"):
        construct(system, {role: f"sbert?index.kind={kind}"})


def test_what_only_finds_candidates_may_be_approximate() -> None:
    assert not Rerank(first="sbert?index.kind=hnsw", second="colbert?index.kind=candidates").deterministic


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "/x", "a/b", "a/", "ids.parquet"])
def test_a_name_that_cannot_be_a_folders_inside_an_index_is_refused(name: str) -> None:
    with pytest.raises(BenchError, match=f"a part cannot be called '{name}': .*take a plain one"):
        Hybrid(parts={name: "bm25", "other": "bm25"})


def test_a_name_may_have_blanks_dots_and_other_signs() -> None:
    names = ["dsi semantic", "bm25, k1=2", "bge-small-v1.5", "first > second", "日本語"]
    assert list(Hybrid(parts=dict.fromkeys(names, "bm25")).parts) == names


def test_constructing_does_no_work() -> None:
    assert Rerank(first=_Unused(), second=_Unused()).components()
