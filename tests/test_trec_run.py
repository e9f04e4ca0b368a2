"""TREC files: other tools see the ranking that was exported, and what is written comes back."""

import gzip
from collections.abc import Callable, Iterator, Mapping
from math import log2
from pathlib import Path

import ir_measures
import numpy as np
import pytest
import pytrec_eval
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.collections.collection import Collection, Query
from bench.errors import BadLine, BenchError
from bench.rankings import Rankings
from bench.trec import read_run, write_qrels, write_run

MakeCollection = Callable[..., Collection]

SENTENCES = {
    "heron": "A heron waits in shallow water.",
    "Heron": "Herons nest in tall trees.",
    "otter": "An otter closes its ears under water.",
    "eel 2": "Eels cross wet meadows at night.",
    "eel 10": "Eels spawn in the open sea.",
    "pike%": "A pike lies still among reeds.",
    "newt": "A newt grows back a lost leg.",
    "swan": "Swans keep one partner.",
    "kingfisher": "A kingfisher dives head first.",
    "möwe": "A gull follows the plough.",
    "dragonfly": "A dragonfly hunts in flight.",
    "frog": "A frog drinks through its skin.",
}
QUESTIONS = {f"q{number}": f"which animal, question {number}" for number in range(40)}


@pytest.fixture
def pond(make_collection: MakeCollection) -> Collection:
    """Queries with graded judgements, some negative, some on a few of the documents only."""
    source = np.random.default_rng(7)
    qrels = {
        query_id: {name: int(source.integers(-1, 4)) for name in SENTENCES if source.random() < 0.6}
        for query_id in QUESTIONS
    }
    return make_collection(SENTENCES, QUESTIONS, qrels)


def tied_rankings(collection: Collection, levels: np.ndarray) -> Rankings:
    """Canonical rankings with many equal scores, taken from `levels`."""
    source = np.random.default_rng(3)
    scores = source.choice(levels, size=(len(collection.queries()), len(collection)))
    rankings = Rankings.from_scores(collection.queries(), scores, 10)
    return rankings.canonical(collection.queries(), collection.documents, 10)


def oracle(rankings: Rankings, collection: Collection) -> dict[str, dict[str, float]]:
    """nDCG@10 with linear gains, RR and AP of each query, by their definitions, from the ranks alone."""
    figures: dict[str, dict[str, float]] = {"nDCG@10": {}, "RR": {}, "AP": {}}
    for position, (query_id, rows, _) in enumerate(rankings):
        grades = dict(zip(*(part.tolist() for part in collection.qrels().of(position)), strict=True))
        gains = [max(grades.get(row, 0), 0) for row in rows.tolist()]
        best = sorted((max(grade, 0) for grade in grades.values()), reverse=True)
        relevant = sum(gain > 0 for gain in best)
        hits = [rank for rank, gain in enumerate(gains, start=1) if gain > 0]
        figures["nDCG@10"][query_id] = _dcg(gains[:10]) / _dcg(best[:10]) if relevant else 0.0
        figures["RR"][query_id] = 1 / hits[0] if hits else 0.0
        precisions = [found / rank for found, rank in enumerate(hits, start=1)]
        figures["AP"][query_id] = sum(precisions) / relevant if relevant else 0.0
    return figures


def _dcg(gains: list[int]) -> float:
    return sum(gain / log2(rank + 1) for rank, gain in enumerate(gains, start=1))


TIES = {
    "few levels": np.array([0.0, 0.25, 1.0]),
    "all equal": np.array([0.5]),
    "equal in float32 only": 0.9 + 1e-9 * np.arange(6),
    "large integers": 1e8 + np.arange(6.0),
    "beyond float32": np.array([-1e300, -1e39, 1e39, 1e300]),
    "around zero": np.array([-1e-300, -1e-45, -0.0, 0.0, 1e-45, 1e-300]),
}


@pytest.fixture(params=TIES)
def exported(request: pytest.FixtureRequest, pond: Collection, tmp_path: Path) -> tuple[Rankings, Path, Path]:
    """Tied rankings with their run file and the file of judgements."""
    rankings = tied_rankings(pond, TIES[request.param])
    write_run(tmp_path / "run.txt", rankings, pond.documents, "tied")
    write_qrels(tmp_path / "qrels.txt", pond)
    return rankings, tmp_path / "run.txt", tmp_path / "qrels.txt"


def test_ir_measures_sees_the_exported_ranking(exported: tuple[Rankings, Path, Path], pond: Collection) -> None:
    rankings, run, qrels = exported
    measures = [ir_measures.nDCG @ 10, ir_measures.RR, ir_measures.AP]
    expected = oracle(rankings, pond)
    seen = 0
    for metric in ir_measures.iter_calc(
        measures, ir_measures.read_trec_qrels(str(qrels)), ir_measures.read_trec_run(str(run))
    ):
        assert metric.value == pytest.approx(expected[str(metric.measure)][metric.query_id], abs=1e-6)
        seen += 1
    assert seen == 3 * len(QUESTIONS)


def test_pytrec_eval_sees_the_exported_ranking(exported: tuple[Rankings, Path, Path], pond: Collection) -> None:
    rankings, run, qrels = exported
    names = {"ndcg_cut_10": "nDCG@10", "recip_rank": "RR", "map": "AP"}
    with qrels.open() as judged, run.open() as answers:
        evaluator = pytrec_eval.RelevanceEvaluator(pytrec_eval.parse_qrel(judged), set(names))
        results = evaluator.evaluate(pytrec_eval.parse_run(answers))
    expected = oracle(rankings, pond)
    assert set(results) == set(QUESTIONS)
    for query_id, figures in results.items():
        for measure, name in names.items():
            assert figures[measure] == pytest.approx(expected[name][query_id], abs=1e-6)


def lines(path: Path) -> Iterator[tuple[str, str, np.float32]]:
    for line in path.read_text().splitlines():
        query, _, document, _, score, _ = line.split()
        yield query, document, np.float32(score)


def test_scores_fall_strictly_in_float32(exported: tuple[Rankings, Path, Path]) -> None:
    rankings, run, _ = exported
    before: dict[str, np.float32] = {}
    for query, _, score in lines(run):
        assert np.isfinite(score)
        assert query not in before or score < before[query]
        before[query] = score
    assert len(before) == len(rankings)


def test_scores_that_float32_tells_apart_are_written_as_they_are(pond: Collection, tmp_path: Path) -> None:
    question = pond.queries()[0]
    scores = [3.5, 1 / 3, 1e-20, 0.0, -2.0]
    rankings = Rankings.from_hits([question], [(range(5), scores)])  # type: ignore[list-item]
    write_run(tmp_path / "run.txt", rankings, pond.documents, "plain")
    assert [score for *_, score in lines(tmp_path / "run.txt")] == np.array(scores, dtype=np.float32).tolist()


def test_a_line_has_the_six_fields_of_trec(make_collection: MakeCollection, tmp_path: Path) -> None:
    collection = make_collection({"newt": "A newt.", "swan": "A swan."}, {"q1": "who swims"})
    rankings = Rankings.from_hits(collection.queries(), [([1, 0], [2.0, 1.5])])
    write_run(tmp_path / "run.txt", rankings, collection.documents, "my system")
    assert (tmp_path / "run.txt").read_text() == "q1 Q0 swan 1 2 my%20system\nq1 Q0 newt 2 1.5 my%20system\n"


def test_ids_stand_as_they_are_unless_one_holds_white_space(make_collection: MakeCollection, tmp_path: Path) -> None:
    for names, written in (
        (["50%", "a%20b", "ü"], ["50%", "a%20b", "ü"]),
        (["50%", "a b", "ü", "x\u2003y"], ["50%25", "a%20b", "ü", "x%E2%80%83y"]),
    ):
        collection = make_collection(dict.fromkeys(names, "text"), {"q": "what"}, {"q": dict.fromkeys(names, 1)})
        scores = np.arange(len(names), 0, -1, dtype=np.float64)
        rankings = Rankings.from_scores(collection.queries(), scores[None, :], 10)
        write_run(tmp_path / "run.txt", rankings, collection.documents, "t")
        write_qrels(tmp_path / "qrels.txt", collection)
        assert [document for _, document, _ in lines(tmp_path / "run.txt")] == written
        judged = [line.split() for line in (tmp_path / "qrels.txt").read_text().splitlines()]
        assert judged == [["q", "0", document, "1"] for document in written]


def test_a_part_of_the_queries_is_named_as_all_of_them_are(make_collection: MakeCollection, tmp_path: Path) -> None:
    queries = {"two words": "who swims", "50%": "who dives", "a%20b": "who flies", "a b": "who hunts"}
    collection = make_collection({"newt": "A newt."}, queries, {name: {"newt": 1} for name in queries})
    write_qrels(tmp_path / "qrels.txt", collection)
    named = [line.split()[0] for line in (tmp_path / "qrels.txt").read_text().splitlines()]
    assert named == ["two%20words", "50%", "a%2520b", "a%20b"]
    for query, name in zip(collection.queries(), named, strict=True):
        write_run(tmp_path / "run.txt", Rankings.from_hits([query], [([0], [1.0])]), collection.documents, "t")
        assert [found for found, *_ in lines(tmp_path / "run.txt")] == [name]
        read = read_run(tmp_path / "run.txt", collection.queries(), collection.documents)
        assert [query_id for query_id, rows, _ in read if len(rows)] == [query.id]


letters = st.characters(codec="utf-8")
some_id = st.one_of(
    st.text(letters, min_size=1, max_size=6),
    st.text(st.sampled_from(" %20ab\"'\t\n\u00a0\u3000é検"), min_size=1, max_size=6),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    documents=st.lists(some_id, min_size=1, max_size=6, unique=True),
    queries=st.lists(some_id, min_size=1, max_size=4, unique=True),
    name=st.sampled_from(["run.txt", "run.txt.gz"]),
    data=st.data(),
)
def test_any_ids_and_scores_come_back_in_their_order(
    make_collection: MakeCollection,
    tmp_path: Path,
    documents: list[str],
    queries: list[str],
    name: str,
    data: st.DataObject,
) -> None:
    collection = make_collection(dict.fromkeys(documents, "text"), dict.fromkeys(queries, "what"))
    number = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, 1.0])
    rows = st.lists(st.integers(0, len(documents) - 1), unique=True)
    hits = [[(row, data.draw(number)) for row in data.draw(rows)] for _ in queries]
    parts = [([row for row, _ in hit], [score for _, score in hit]) for hit in hits]
    asked = collection.queries()
    rankings = Rankings.from_hits(asked, parts).canonical(asked, collection.documents, 100)
    write_run(tmp_path / name, rankings, collection.documents, "any")
    read = read_run(tmp_path / name, asked, collection.documents).canonical(asked, collection.documents, 100)
    assert list(read.query_ids) == list(rankings.query_ids)
    assert read.offsets.tolist() == rankings.offsets.tolist()
    assert read.rows.tolist() == rankings.rows.tolist()
    with np.errstate(over="ignore"):
        near = np.clip(rankings.scores, -3.4028234e38, 3.4028234e38)
    np.testing.assert_allclose(read.scores, near, rtol=1e-5, atol=1e-40)


def test_equal_rankings_give_equal_bytes(pond: Collection, tmp_path: Path) -> None:
    rankings = tied_rankings(pond, TIES["few levels"])
    for name in ("one.gz", "two.gz", "one.txt"):
        write_run(tmp_path / name, rankings, pond.documents, "same")
    assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "two.gz").read_bytes()
    assert gzip.decompress((tmp_path / "one.gz").read_bytes()) == (tmp_path / "one.txt").read_bytes()


def test_rankings_that_are_not_in_order_are_refused(pond: Collection, tmp_path: Path) -> None:
    rankings = Rankings.from_hits(pond.queries()[:1], [([0, 1], [1.0, 2.0])])
    with pytest.raises(BenchError, match="query 'q0': scores rise along the ranking"):
        write_run(tmp_path / "run.txt", rankings, pond.documents, "t")
    assert list(tmp_path.iterdir()) == []


def read_text(path: Path, content: str, documents: Mapping[str, str], make: MakeCollection) -> Rankings:
    path.write_text(content)
    collection = make(documents, {"q1": "who swims", "q2": "who dives"})
    return read_run(path, collection.queries(), collection.documents)


BIRDS = {"coot": "A coot has a white front.", "grebe": "A grebe carries its young."}


def test_an_external_run_is_ordered_by_score_and_not_by_rank(tmp_path: Path, make_collection: MakeCollection) -> None:
    content = "q2 Q0 coot 1 0.5 x\n\nq2\tQ0  grebe 2 7e-1 x\n"
    read = read_text(tmp_path / "run.txt", content, BIRDS, make_collection)
    assert read.lengths.tolist() == [0, 2]
    queries = [Query("q1", ""), Query("q2", "")]
    ordered = read.canonical(queries, make_collection(BIRDS).documents, 10)
    assert [part.tolist() for part in ordered.of(1)] == [[1, 0], [0.7, 0.5]]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("q1 Q0 coot 1 0.5", "5 fields .*; expected 6 blank-separated fields: query Q0 document rank score tag"),
        ("q1 Q0 the coot 1 0.5 x", "7 fields"),
        ("q1 Q0 coot 1 high x", "the score is 'high'; expected a finite number"),
        ("q1 Q0 coot 1 nan x", "the score is 'nan'"),
        ("q1 Q0 coot 1 -inf x", "the score is '-inf'"),
        ("q1 Q0 coot 1 1e999 x", "the score is '1e999'"),
        (
            "q9 Q0 coot 1 1 x",
            "the unknown query 'q9'; expected a query of the collection, of any split; leave out",
        ),
        ("q1 Q0 duck 1 1 x", "the unknown document 'duck'; expected a document of the collection"),
        ("q1 Q0 grebe 5 0.1 x", "'grebe' again for query 'q1'; expected a document once for each query"),
    ],
)
def test_a_bad_run_line_is_refused_with_its_place(
    tmp_path: Path, make_collection: MakeCollection, line: str, complaint: str
) -> None:
    with pytest.raises(BadLine, match=rf"run\.txt:3: {complaint}"):
        read_text(tmp_path / "run.txt", f"q1 Q0 grebe 1 0.5 x\n\n{line}\n", BIRDS, make_collection)


def test_a_run_that_is_not_there_is_named(tmp_path: Path, pond: Collection) -> None:
    with pytest.raises(BenchError, match=r"absent\.txt cannot be read"):
        read_run(tmp_path / "absent.txt", pond.queries(), pond.documents)


def test_a_header_of_ir_metadata_is_passed_over_and_lines_keep_their_numbers(
    tmp_path: Path, make_collection: MakeCollection
) -> None:
    header = "# ir_metadata.start\n# tag: x\n# a: [1, 2, 3, 4]\n\n# ir_metadata.end\n"
    read = read_text(tmp_path / "run.txt", f"{header}q1 Q0 grebe 1 0.5 x\n", BIRDS, make_collection)
    assert len(read.rows) == 1
    with pytest.raises(BenchError, match=r"run\.txt:7: 5 fields"):
        read_text(tmp_path / "run.txt", f"{header}q1 Q0 grebe 1 0.5 x\nq1 Q0 grebe 1 0.5\n", BIRDS, make_collection)


def test_a_query_that_is_called_like_a_comment_is_a_query(tmp_path: Path, make_collection: MakeCollection) -> None:
    collection = make_collection(BIRDS, {"#": "what floats"})
    (tmp_path / "run.txt").write_text("# Q0 grebe 1 0.5 x\n")
    assert len(read_run(tmp_path / "run.txt", collection.queries(), collection.documents).rows) == 1
