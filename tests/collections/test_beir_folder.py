"""A collection as a BEIR folder."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.collections.beir_folder import write_beir
from bench.collections.catalogue import open_dataset
from bench.collections.collection import Collection, Document
from bench.errors import BenchError

MakeCollection = Callable[..., Collection]


def content(collection: Collection) -> object:
    ids = collection.documents.ids()
    judged = {
        split: {
            (query, ids[row], int(grade))
            for i, query in enumerate(collection.qrels(split).query_ids)
            for row, grade in zip(*collection.qrels(split).of(i), strict=True)
        }
        for split in collection.splits
    }
    queries = {split: {(query.id, query.text) for query in collection.queries(split)} for split in collection.splits}
    return list(collection.documents), queries, judged


@pytest.mark.parametrize("spec", ["limit", "pydoc-1k"])
def test_a_collection_comes_back_the_same(spec: str, tmp_path: Path) -> None:
    written = CliRunner().invoke(app, ["convert", spec, "--to", str(tmp_path / "beir")])
    assert written.exit_code == 0, written.output
    assert content(open_dataset(str(tmp_path / "beir")).collection) == content(open_dataset(spec).collection)


def test_what_the_form_has_no_room_for_is_refused_and_nothing_is_left(
    make_collection: MakeCollection, make_sequences: MakeCollection, tmp_path: Path
) -> None:
    with pytest.raises(BenchError, match="holds a tab or an end of line"):
        write_beir(make_collection([Document("a\tb", "", "text")]), tmp_path / "beir")
    with pytest.raises(BenchError, match="asks by histories"):
        write_beir(make_sequences({"u": ["a", "b", "c", "d"]}), tmp_path / "beir")
    assert not list(tmp_path.glob("[!.]*"))
    with pytest.raises(BenchError, match="is there already"):
        write_beir(make_collection({"a": "text"}), tmp_path)
