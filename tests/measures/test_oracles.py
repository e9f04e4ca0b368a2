"""Every family of measures against trec_eval, ir_measures and ranx, on made and on real rankings."""

import shutil
from collections.abc import Mapping, Sequence

import ir_measures
import numpy as np
import pytest
import pytrec_eval
import ranx
from hypothesis import given, settings
from hypothesis import strategies as st
from made_answers import judgements, measures, rankings

from bench.collections.collection import Collection, Document, Query
from bench.measures.effectiveness import evaluate
from bench.measures.judged import Judgements
from bench.rankings import Rankings

Case = tuple[dict[int, int], list[int]]

TREC = {
    "nDCG@10": "ndcg_cut_10", "nDCG": "ndcg", "MRR": "recip_rank", "Hits@1": "success_1", "Hits@10": "success_10",
    "Recall@10": "recall_10", "Recall@100": "recall_100", "MAP": "map", "MAP@10": "map_cut_10", "P@5": "P_5",
    "R-precision": "Rprec", "bpref": "bpref", "infAP": "infAP", "Recall": "set_recall", "P": "set_P",
}  # fmt: skip
ASKED = {
    "ndcg_cut.10", "ndcg", "recip_rank", "success.1,10", "recall.10,100", "map", "map_cut.10", "P.5", "Rprec",
    "bpref", "infAP", "set_recall", "set_P",
}  # fmt: skip

RANX = {"nDCG@10": "ndcg@10", "MRR@10": "mrr@10", "RBP(p=0.8)": "rbp.80", "RBP(p=0.95)": "rbp.95"}
RANX_TOO = {
    "Hits@5": "hit_rate@5", "Recall@10": "recall@10", "P@5": "precision@5", "P": "precision", "MAP": "map",
    "MAP@10": "map@10", "R-precision": "r-precision",
}  # fmt: skip

cases = st.lists(
    st.tuples(
        st.dictionaries(st.integers(0, 30), st.integers(0, 3), min_size=1, max_size=14).filter(
            lambda judged: max(judged.values()) > 0
        ),
        st.permutations(range(31)).flatmap(lambda rows: st.integers(0, 31).map(lambda n: rows[:n])),
    ),
    min_size=1,
    max_size=5,
)


def ours(cases: Sequence[Case], names: Sequence[str]) -> dict[str, np.ndarray]:
    found = evaluate(
        rankings([found for _, found in cases]), judgements([judged for judged, _ in cases]), measures(*names)
    )
    return dict(zip(names, found.values(), strict=True))


def as_mappings(cases: Sequence[Case]) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, float]]]:
    """Qrels and a run by ids; a query without an answer is not in the run."""
    qrels = {str(i): {str(row): grade for row, grade in judged.items()} for i, (judged, _) in enumerate(cases)}
    run = {
        str(i): {str(row): float(-rank) for rank, row in enumerate(found)}
        for i, (_, found) in enumerate(cases)
        if found
    }
    return qrels, run


def assert_equal_to_trec_eval(cases: Sequence[Case]) -> None:
    qrels, run = as_mappings(cases)
    theirs = pytrec_eval.RelevanceEvaluator(qrels, ASKED).evaluate(run)
    for name, values in ours(cases, list(TREC)).items():
        expected = [theirs[str(i)][TREC[name]] if found else 0.0 for i, (_, found) in enumerate(cases)]
        assert values == pytest.approx(expected, abs=1e-9), name


@settings(max_examples=150, deadline=None)
@given(cases)
def test_measures_equal_those_of_trec_eval(cases: list[Case]) -> None:
    assert_equal_to_trec_eval(cases)


@pytest.mark.parametrize("grade", [-1, -2])
def test_a_negative_grade_is_what_it_is_in_trec_eval(grade: int) -> None:
    """In the pool but not judged for bpref and infAP; not relevant for all others, without a negative gain."""
    judged = {0: 1, 1: grade, 2: 0, 3: 2, 4: grade, 5: 0}
    assert_equal_to_trec_eval([(judged, [1, 9, 2, 0, 4, 3]), (judged, [2, 5, 3, 1]), (judged, [4, 1, 0])])


def test_a_negative_grade_is_a_judgement_all_the_same() -> None:
    made: list[Case] = [({0: 1, 1: 0, 7: -1}, [7, 8, 0, 9]), ({3: 1}, [4])]
    assert ours(made, ["Judged@3"])["Judged@3"].tolist() == by_ir_measures(made, ir_measures.Judged @ 3)


@pytest.mark.skipif(not shutil.which("perl"), reason="ir_measures computes ERR by a Perl script")
def test_err_is_that_of_gdeval() -> None:
    generator = np.random.default_rng(0)
    made: list[Case] = [
        ({int(row): int(generator.integers(0, 5)) for row in generator.choice(40, 12)} | {40: 1},
         generator.permutation(41)[:30].tolist())
        for _ in range(20)
    ]  # fmt: skip
    theirs = by_ir_measures(made, ir_measures.ERR @ 20)
    assert ours(made, ["ERR@20"])["ERR@20"] == pytest.approx(theirs, abs=6e-6)  # it prints five places


def by_ir_measures(cases: Sequence[Case], measure: ir_measures.Measure) -> list[float]:
    qrels, run = as_mappings(cases)
    found = {one.query_id: one.value for one in ir_measures.iter_calc([measure], qrels, run)}
    return [found[str(i)] for i in range(len(cases))]


@settings(max_examples=20, deadline=None)
@given(cases.map(lambda found: [(judged, answer or [0]) for judged, answer in found]))
def test_measures_equal_those_of_ir_measures(cases: list[Case]) -> None:
    asked = {
        "nDCG@10": ir_measures.nDCG @ 10, "MRR@10": ir_measures.RR @ 10, "MAP@5": ir_measures.AP @ 5,
        "Judged@10": ir_measures.Judged @ 10, "Hits@5": ir_measures.Success @ 5, "bpref": ir_measures.Bpref,
    }  # fmt: skip
    for name, measure in asked.items():
        assert ours(cases, [name])[name] == pytest.approx(by_ir_measures(cases, measure), abs=1e-9), name


@settings(max_examples=60, deadline=None)
@given(cases)
def test_err_and_rbp_are_a_reader_who_goes_down_the_ranking(cases: list[Case]) -> None:
    found = ours(cases, ["ERR", "ERR@3", "RBP(p=0.7)@4"])
    for place, (judged, answer) in enumerate(cases):
        grades = [max(judged.get(row, 0), 0) for row in answer]
        for cutoff, name in ((len(answer), "ERR"), (3, "ERR@3")):
            reading, expected = 1.0, 0.0
            for rank, grade in enumerate(grades[:cutoff], start=1):
                satisfied = (2**grade - 1) / 2**4
                expected += reading * satisfied / rank
                reading *= 1 - satisfied
            assert found[name][place] == pytest.approx(expected)
        persistent = 0.3 * sum(0.7**rank for rank, grade in enumerate(grades[:4]) if grade >= 1)
        assert found["RBP(p=0.7)@4"][place] == pytest.approx(persistent)


def test_a_grade_above_4_ends_the_scale_of_err() -> None:
    assert ours([({0: 6, 1: 3}, [1, 0])], ["ERR"])["ERR"][0] == pytest.approx(7 / 64 + (57 / 64) * (63 / 64) / 2)
    assert ours([({0: 5000}, [0])], ["ERR"])["ERR"][0] == 1.0


def real_text(docstrings: Mapping[str, tuple[str, str]], make_collection: object) -> tuple[Collection, Rankings]:
    """Summaries ask for their docstrings; a document is worth the words that it shares, so that many tie."""
    names = sorted(docstrings)
    collection: Collection = make_collection([Document(name, "", docstrings[name][1]) for name in names])  # type: ignore[operator]
    words = [set(docstrings[name][1].lower().split()) for name in names]
    queries = [Query(name, docstrings[name][0]) for name in names]
    hits = []
    for query in queries:
        asked = set(query.text.lower().split())
        scores = np.array([len(asked & held) for held in words])
        hits.append((np.flatnonzero(scores), scores[scores > 0].astype(float)))
    return collection, Rankings.from_hits(queries, hits).canonical(queries, collection.documents, 100)


@pytest.fixture
def real(
    docstrings: dict[str, tuple[str, str]], make_collection: object
) -> tuple[list[str], Judgements, Rankings, list[Case]]:
    """A run over real text with ties, graded judgements, and every seventh query without an answer."""
    collection, found = real_text(docstrings, make_collection)
    generator = np.random.default_rng(4)
    ids = collection.documents.ids()
    cases = []
    for place in range(len(found)):
        rows, _ = found.of(place)
        judged = {int(row): int(generator.integers(0, 4)) for row in generator.choice(len(ids), 15)} | {place: 2}
        judged |= {int(row): int(generator.integers(0, 4)) for row in rows[:5]}
        cases.append((judged, [] if place % 7 == 3 else rows.tolist()))
    assert max(len(answer) for _, answer in cases) > 20
    return ids, judgements([judged for judged, _ in cases]), rankings([answer for _, answer in cases]), cases


def test_on_real_text_trec_eval_agrees(real: tuple[list[str], Judgements, Rankings, list[Case]]) -> None:
    assert_equal_to_trec_eval(real[3])


@pytest.mark.parametrize("names", [RANX, pytest.param(RANX_TOO, marks=pytest.mark.slow)])  # it compiles for long
def test_on_real_text_ranx_agrees(
    real: tuple[list[str], Judgements, Rankings, list[Case]], names: dict[str, str]
) -> None:
    """ranx knows no query without an answer, so it is given one that finds an unjudged document."""
    _, judged, found, cases = real
    qrels, run = as_mappings([(judged, answer or [10**6]) for judged, answer in cases])
    graded = {query: {row: grade for row, grade in of.items() if grade > 0} for query, of in qrels.items()}
    binary = {query: dict.fromkeys(of, 1) for query, of in graded.items()}  # its RBP multiplies by the grade
    place = np.argsort(np.array([str(i) for i in range(len(cases))]))  # it sorts queries by id
    for (name, of), values in zip(names.items(), evaluate(found, judged, measures(*names)).values(), strict=True):
        theirs = ranx.Qrels(graded if "ndcg" in of else binary)
        expected = ranx.evaluate(theirs, ranx.Run(run), of, return_mean=False)
        assert values[place] == pytest.approx(expected, abs=1e-12), name
