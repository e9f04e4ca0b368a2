"""A run in any form that `bench score` reads is a system."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from retrievers.outside.run_file import RunFile

ASKED = [Query("q 1", "harbour"), Query("q2", "bread")]


@pytest.fixture
def collection(make_collection: Callable[..., Collection]) -> Collection:
    return make_collection(
        {"d1": "the harbour pilot", "d2": "bread with rye"}, {query.id: query.text for query in ASKED}
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("run.trec", "q%201 Q0 d1 1 2 x\nq%201 Q0 d2 2 1 x\nq2 Q0 d2 1 1 x\n"),
        ("run.tsv", "q%201\td1\t1\nq%201\td2\t2\nq2\td2\t1\n"),
        ("run.json", json.dumps({"q 1": {"d2": 1.0, "d1": 2.0}, "q2": {"d2": 1.0}})),
    ],
)
def test_every_form_gives_its_answers(tmp_path: Path, collection: Collection, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    found = RunFile(path=tmp_path / name).fit(collection).retrieve(ASKED, 10)
    assert [rows.tolist() for _, rows, _ in found] == [[0, 1], [1]]


def test_a_repeated_document_is_refused_or_its_first_counts(tmp_path: Path, collection: Collection) -> None:
    path = tmp_path / "run.trec"
    path.write_text("q2 Q0 d1 1 3 x\nq2 Q0 d2 2 2 x\nq2 Q0 d1 3 1 x\n")
    with pytest.raises(BenchError, match="'d1' again for query 'q2'"):
        RunFile(path=path).fit(collection).retrieve(ASKED[1:], 10)
    found = RunFile(path=path, repeats="first").fit(collection).retrieve(ASKED[1:], 10)
    assert found.rows.tolist() == [0, 1]
