"""A run file is a system like any other: what it does not say is an error, and nothing of it is timed."""

from pathlib import Path

import pytest

from bench.collections.collection import Collection
from bench.errors import BenchError
from bench.trec import write_run
from retrievers.composed.rerank import Rerank
from retrievers.lexical.bm25 import BM25
from retrievers.outside.run_file import RunFile


@pytest.fixture
def run(learnable: Collection, tmp_path: Path) -> Path:
    """What bm25 answers; query ids of this collection hold blanks."""
    queries = learnable.queries()
    write_run(tmp_path / "theirs.run.gz", BM25().fit(learnable).rankings(queries, 20), learnable.documents, "theirs")
    return tmp_path / "theirs.run.gz"


def test_it_answers_as_the_system_that_made_it(run: Path, learnable: Collection, tmp_path: Path) -> None:
    queries = learnable.queries()[::-1]
    system = RunFile(path=run).fit(learnable)
    expected = BM25().fit(learnable).rankings(queries, 7)
    assert system.rankings(queries, 7).rows.tolist() == expected.rows.tolist()
    (tmp_path / "index").mkdir()
    system.save(tmp_path / "index")
    loaded = RunFile(path=run)
    loaded.load(tmp_path / "index")
    assert loaded.retrieve(queries, 7).rows.tolist() == expected.rows.tolist()


def test_it_is_a_first_stage(run: Path, learnable: Collection) -> None:
    queries = learnable.queries()
    both = [
        Rerank(first=first, second="sbert", depth=6).fit(learnable).rankings(queries, 10)
        for first in ("bm25", {"retriever": "run-file", "path": str(run)})
    ]
    assert both[0].rows.tolist() == both[1].rows.tolist()


def test_a_query_that_it_lacks_is_an_error_or_has_no_answer(run: Path, learnable: Collection) -> None:
    others = learnable.queries("train")[:2]
    with pytest.raises(BenchError, match="does not answer the query .* \\(it has 10 others, such as"):
        RunFile(path=run).fit(learnable).rankings(others)
    empty = RunFile(path=run, missing="empty").fit(learnable).rankings(others)
    assert empty.lengths.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("q1 Q0 nowhere 1 2.5 tag", "theirs:1: the unknown document 'nowhere'"),
        ("q1 Q0 {id} 1 high tag", "theirs:1: .*high"),
        ("q1 Q0 {id} 1 2.5 tag\nq1 Q0 {id} 2 2.0 tag", "theirs:2: '.*' again for query 'q1'"),
    ],
)
def test_a_line_that_is_wrong_is_named(line: str, told: str, learnable: Collection, tmp_path: Path) -> None:
    path = tmp_path / "theirs"
    path.write_text(line.format(id=learnable.documents[0].id) + "\n")
    with pytest.raises(BenchError, match=told):
        RunFile(path=path).fit(learnable)


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(BenchError, match="there is no run file nowhere.run"):
        RunFile(path="nowhere.run").files()
