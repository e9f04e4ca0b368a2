"""Published answers: small, exact in order and in ties, and refused when damaged."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.collections.collection import Collection
from bench.errors import BenchError
from bench.leaderboard.answers import (
    answers_by_query,
    publish_answers,
    publish_values,
    read_answers,
    read_values,
    short_scores,
)

finite = st.floats(allow_nan=False, allow_infinity=False, width=64)
answers = st.lists(st.lists(st.one_of(finite, st.sampled_from([0.0, 1.0, 1.0 + 2**-40, 1e-300]))), max_size=6)


@given(answers)
def test_short_scores_keep_every_order_and_every_tie_and_stay_as_they_are(lists: list[list[float]]) -> None:
    falling = [sorted(scores, reverse=True) for scores in lists]
    scores = np.array([score for one in falling for score in one], dtype=np.float64)
    owners = np.repeat(np.arange(len(falling)), [len(one) for one in falling]).astype(np.int64)
    short = short_scores(scores, owners)
    same = owners[1:] == owners[:-1]
    assert (np.sign(np.diff(short))[same] == np.sign(np.diff(scores))[same]).all()
    assert (short_scores(short, owners) == short).all()


def rankings_file(folder: Path, rows: list[tuple[str, str, float]]) -> Path:
    ranks: dict[str, int] = {}
    for query, _, _ in rows:
        ranks[query] = ranks.get(query, 0) + 1
    columns = {
        "query": [query for query, _, _ in rows],
        "document": [document for _, document, _ in rows],
        "rank": pa.array(list(range(1, len(rows) + 1)), pa.int64()),
        "score": [score for _, _, score in rows],
    }
    pq.write_table(pa.table(columns), folder / "rankings.parquet")
    return folder / "rankings.parquet"


@pytest.fixture
def small(make_collection: Any) -> Collection:
    texts = {"d 1": "a tree", "d2": "a green tree", "ü": "water"}
    found: Collection = make_collection(texts, {"q1": "tree", "q2": "water"}, {"q1": {"d 1": 1}, "q2": {"ü": 1}})
    return found


ROWS = [("q1", "d2", 2.25), ("q1", "d 1", 2.25), ("q2", "ü", 1 / 3), ("q2", "d2", -0.1)]


def test_answers_come_back_as_they_were(small: Collection, tmp_path: Path) -> None:
    publish_answers(rankings_file(tmp_path, ROWS), tmp_path / "a.parquet")
    found = read_answers(tmp_path / "a.parquet", small.queries(), small.documents)
    assert list(small.documents.ids(found.rows)) == ["d2", "d 1", "ü", "d2"]
    assert found.scores[0] == found.scores[1] == 2.25
    assert found.scores[2:] == pytest.approx([1 / 3, -0.1], rel=0.01)
    told = [(query, names) for query, names, _ in answers_by_query(tmp_path / "a.parquet")]
    assert told == [("q1", ["d2", "d 1"]), ("q2", ["ü", "d2"])]


def test_equal_answers_give_equal_bytes(tmp_path: Path) -> None:
    full = rankings_file(tmp_path, ROWS)
    publish_answers(full, tmp_path / "a.parquet")
    publish_answers(full, tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_no_answer_at_all_is_published_too(small: Collection, tmp_path: Path) -> None:
    empty = pa.table({"query": pa.array([], pa.string()), "document": pa.array([], pa.string()),
                      "rank": pa.array([], pa.int64()), "score": pa.array([], pa.float64())})  # fmt: skip
    pq.write_table(empty, tmp_path / "rankings.parquet")
    publish_answers(tmp_path / "rankings.parquet", tmp_path / "a.parquet")
    assert len(read_answers(tmp_path / "a.parquet", small.queries(), small.documents).rows) == 0
    assert list(answers_by_query(tmp_path / "a.parquet")) == []


def test_a_system_on_22_000_users_takes_a_few_hundred_kilobytes(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    users, items, depth = 22_000, 12_000, 11
    popular = generator.zipf(1.3, size=(users, depth)) % items
    scores = -np.sort(-generator.normal(size=(users, depth)), axis=1)
    columns = {
        "query": np.repeat([f"u{i}" for i in range(users)], depth),
        "document": np.char.add("B00", popular.ravel().astype(str)),
        "rank": np.tile(np.arange(1, depth + 1), users),
        "score": scores.ravel(),
    }
    pq.write_table(pa.table(columns), tmp_path / "rankings.parquet")
    publish_answers(tmp_path / "rankings.parquet", tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 900_000


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([("q9", "d2", 1.0)], "the unknown query 'q9'"),
        ([("q1", "d9", 1.0)], "the unknown document 'd9'"),
    ],
)
def test_answers_to_something_else_are_refused(
    small: Collection, tmp_path: Path, rows: list[tuple[str, str, float]], problem: str
) -> None:
    publish_answers(rankings_file(tmp_path, rows), tmp_path / "a.parquet")
    with pytest.raises(BenchError, match=problem):
        read_answers(tmp_path / "a.parquet", small.queries(), small.documents)


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"PAR1" + b"x" * 100 + b"PAR1"])
def test_damaged_answers_are_named_in_one_line(small: Collection, tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(damage)
    with pytest.raises(BenchError, match=r"a\.parquet cannot be read: [^\n]*; get the published folder again$"):
        read_answers(tmp_path / "a.parquet", small.queries(), small.documents)
    with pytest.raises(BenchError, match=r"a\.parquet cannot be read"):
        read_values(tmp_path / "a.parquet", ["q1"])


def test_answers_without_a_column_or_with_holes_are_refused(small: Collection, tmp_path: Path) -> None:
    pq.write_table(pa.table({"query": ["q1"], "document": ["d2"]}), tmp_path / "a.parquet")
    with pytest.raises(BenchError, match="cannot be read"):
        read_answers(tmp_path / "a.parquet", small.queries(), small.documents)
    holes = {"query": ["q1", None], "document": ["d2", "d2"], "rank": [1, 2], "score": [1.0, 0.5]}
    pq.write_table(pa.table(holes), tmp_path / "a.parquet")
    with pytest.raises(BenchError, match="without a query or a document"):
        read_answers(tmp_path / "a.parquet", small.queries(), small.documents)


def test_values_that_answers_do_not_give_come_back_for_the_same_queries_alone(tmp_path: Path) -> None:
    publish_values(["q1", "q2"], {"expected Recall@10": np.array([0.25, np.nan])}, tmp_path / "v.parquet")
    found = read_values(tmp_path / "v.parquet", ["q1", "q2"])
    np.testing.assert_array_equal(found["expected Recall@10"], [0.25, np.nan])
    with pytest.raises(BenchError, match="the values of other queries"):
        read_values(tmp_path / "v.parquet", ["q2", "q1"])
