"""Queries by whether training asks for their documents: by hand, against sets, and how a search tells them apart."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.collections.collection import Collection, Document, Rules, read_collection
from bench.collections.writer import CollectionWriter
from bench.rankings import Rankings
from bench.tasks.search import Search

Judged = Mapping[str, Mapping[str, int]]

TRAINING: Judged = {"t1": {"bread": 1}, "t2": {"soup": 0}}
"""It asks for the bread, and knows that the soup is no answer."""
ASKED: Judged = {"q1": {"bread": 1}, "q2": {"soup": 2}, "q3": {"bread": 0, "salad": 1}, "q4": {"bread": 1, "cake": 1}}


def searched(folder: Path, training: Judged, asked: Judged, **rules: str) -> Collection:
    documents = sorted({document for judged in (*training.values(), *asked.values()) for document in judged})
    with CollectionWriter(folder) as writer:
        for document in documents:
            writer.document(Document(document, "", f"how to make {document}"), "documents")
        for split, judged in (("train", training), ("test", asked)):
            for query, grades in judged.items():
                writer.query(split, query, f"{query} of {split}", "queries")
                for document, grade in grades.items():
                    writer.judgement(split, query, document, grade, "judgements")
    return read_collection(folder, "kitchen", Rules(**rules))


def test_a_search_tells_them_apart_and_says_how_many_there_are(tmp_path: Path) -> None:
    exam = Search().on(searched(tmp_path, TRAINING, ASKED))
    assert exam.slices["nDCG@10 in training"].tolist() == [True, False, False, True]
    assert exam.slices["nDCG@10 not in training"].tolist() == [False, True, True, False]
    assert list(exam.columns)[-2:] == ["nDCG@10 in training", "nDCG@10 not in training"]
    assert exam.definition.endswith(
        "; 2 of them have a relevant document that a training query asks for too, 2 have none"
    )
    alphabetical = Rankings.from_hits(exam.queries, [([0], [1.0]), ([0], [1.0]), ([2], [1.0]), ([0], [1.0])])
    figures = {figure.measure: figure for figure in exam.evaluate(alphabetical).figures}
    assert figures["nDCG@10 in training"].value == pytest.approx((1 + 1 / (1 + 1 / np.log2(3))) / 2)
    assert figures["nDCG@10 not in training"].value == pytest.approx(1 / 2)
    assert figures["nDCG@10 in training"].n == 2


@pytest.mark.parametrize(
    ("training", "asked", "split"),
    [
        ({"t1": {"soup": 1}}, {"q1": {"bread": 1}, "q2": {"cake": 1}}, "test"),
        ({"t1": {"bread": 1}}, {"q1": {"bread": 1}, "q2": {"bread": 1, "cake": 1}}, "test"),
        (TRAINING, ASKED, "train"),
    ],
    ids=["none of its documents", "all its queries", "training itself is asked"],
)
def test_nothing_is_told_apart_where_all_are_alike(
    tmp_path: Path, training: Judged, asked: Judged, split: str
) -> None:
    exam = Search().on(searched(tmp_path, training, asked, split=split))
    assert not exam.slices
    assert not any("training" in name for name in exam.columns)
    assert "training" not in exam.definition


grades = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 2), min_size=1, max_size=4)


@given(st.lists(grades, max_size=4), st.lists(grades, min_size=1, max_size=5), st.sampled_from([1, 2]))
def test_each_query_is_in_the_part_that_its_sets_say(
    tmp_path_factory: pytest.TempPathFactory, training: list[dict[str, int]], asked: list[dict[str, int]], least: int
) -> None:
    def relevant(judged: Mapping[str, int]) -> set[str]:
        return {document for document, grade in judged.items() if grade >= least}

    expected = [bool(relevant(one) & set().union(*map(relevant, training))) for one in asked if relevant(one)]
    if not expected:
        return
    collection = searched(
        tmp_path_factory.mktemp("kitchen"),
        {f"t{number}": judged for number, judged in enumerate(training)},
        {f"q{number}": judged for number, judged in enumerate(asked)},
        minimum_relevance=str(least),
    )
    slices = Search().on(collection).slices
    assert [mask.tolist() for name, mask in slices.items() if "not" not in name] == (
        [expected] if len(set(expected)) > 1 else []
    )
