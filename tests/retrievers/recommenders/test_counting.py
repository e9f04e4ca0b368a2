"""Popularity, Markov and item-kNN: against counting by hand, on what they may see, and on Amazon Beauty."""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from next_items import next_item_figures

from bench.collections.catalogue import open_dataset
from bench.collections.collection import Collection, Query
from bench.collections.histories import training_sequences
from bench.errors import BenchError
from bench.retriever import Retriever
from retrievers.recommenders.item_knn import ItemKNN
from retrievers.recommenders.markov import Markov
from retrievers.recommenders.popularity import Popularity

MakeSequences = Callable[..., Collection]

SYSTEMS: list[type[Retriever]] = [Popularity, Markov, ItemKNN]

READERS = {
    "ada": ["emma", "persuasion", "middlemarch", "villette", "shirley"],
    "bo": ["emma", "persuasion", "emma", "persuasion", "villette", "shirley"],
    "cy": ["persuasion", "middlemarch", "emma", "shirley"],
    "di": ["villette", "emma", "persuasion"],
}


def scores(system: Retriever, collection: Collection, *history: str) -> dict[str, float]:
    """Every answer to one history, by id."""
    rows, values = system.retrieve([Query("q", "", history)], len(collection)).of(0)
    return dict(zip(collection.documents.ids(rows), values.tolist(), strict=True))


def fitted(system: Retriever, collection: Collection) -> Retriever:
    system.fit(collection.training_view())
    return system


def test_training_sequences_lack_the_last_two_items(make_sequences: MakeSequences) -> None:
    collection = make_sequences(READERS)
    learnt = [collection.documents.ids(rows) for rows in training_sequences(collection.training_view())]
    assert learnt == [items[:-2] for items in READERS.values()]


def test_popularity_counts_training_interactions_with_repeats(make_sequences: MakeSequences) -> None:
    collection = make_sequences(READERS)
    expected = Counter(item for items in READERS.values() for item in items[:-2])
    found = scores(fitted(Popularity(), collection), collection, "emma")
    assert found == {item: expected[item] for item in collection.documents.ids()}
    assert found["shirley"] == 0


def test_markov_counts_what_came_next_and_breaks_ties_by_popularity(make_sequences: MakeSequences) -> None:
    collection = make_sequences(READERS)
    found = scores(fitted(Markov(), collection), collection, "villette", "emma")
    followers = Counter(
        after for items in READERS.values() for before, after in pairwise(items[:-2]) if before == "emma"
    )
    assert {item: math.floor(score) for item, score in found.items()} == {
        item: followers[item] for item in collection.documents.ids()
    }
    rest = sorted((item for item in found if not followers[item]), key=found.__getitem__, reverse=True)
    assert rest == sorted(rest, key=scores(fitted(Popularity(), collection), collection).__getitem__, reverse=True)


def knn_by_hand(readers: Mapping[str, list[str]], history: list[str], decay: float, latest: int) -> dict[str, float]:
    sets = [set(items[:-2]) for items in readers.values()]
    items = {item for of_user in readers.values() for item in of_user}

    def cosine(first: str, second: str) -> float:
        both = sum(first in of_user and second in of_user for of_user in sets)
        alone = [sum(item in of_user for of_user in sets) for item in (first, second)]
        return both / math.sqrt(alone[0] * alone[1]) if both else 0.0

    weighted = [(item, decay**back) for back, item in enumerate(reversed(history[-latest:]))]
    totals = {
        other: sum(weight * cosine(item, other) for item, weight in weighted if item != other) for other in items
    }
    return {item: total for item, total in totals.items() if total}


item = st.sampled_from("abcdefgh")
readers = st.dictionaries(item, st.lists(item, min_size=3, max_size=9), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(readers.filter(lambda r: any(len(s) > 3 for s in r.values())), st.data())
def test_item_knn_is_the_cosine_of_who_has_both(
    make_sequences: MakeSequences, readers: dict[str, list[str]], data: st.DataObject
) -> None:
    collection = make_sequences(readers)
    known = st.sampled_from(collection.documents.ids())
    history = data.draw(st.lists(known, min_size=1, max_size=6))
    decay, latest = data.draw(st.sampled_from([0.7, 1.0])), data.draw(st.integers(1, 6))
    system = fitted(ItemKNN(decay=decay, latest=latest), collection)
    expected = knn_by_hand(readers, history, decay, latest)
    assert scores(system, collection, *history) == pytest.approx(expected)


@pytest.mark.parametrize("system", SYSTEMS)
def test_nothing_held_out_is_learnt(make_sequences: MakeSequences, system: type[Retriever]) -> None:
    collection = make_sequences(READERS)
    held_out = {user: [*items[:-2], "shirley", "shirley"] for user, items in READERS.items()}
    other = make_sequences({**held_out, "ada": READERS["ada"], "di": READERS["di"]})
    view = collection.training_view()
    only_train = replace(
        view,
        split_queries={"train": view.split_queries["train"]},
        split_qrels={"train": view.split_qrels["train"]},
    )
    found = [scores(fitted(system(), of), of, "emma", "villette") for of in (collection, only_train, other)]
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("system", SYSTEMS)
def test_unknown_items_of_a_history_are_passed_over(make_sequences: MakeSequences, system: type[Retriever]) -> None:
    collection = make_sequences(READERS)
    ready = fitted(system(), collection)
    assert scores(ready, collection, "ulysses", "emma", "dubliners") == scores(ready, collection, "emma")
    assert scores(ready, collection, "ulysses") == scores(ready, collection)


def test_without_any_known_item_only_item_knn_has_no_answer(make_sequences: MakeSequences) -> None:
    collection = make_sequences(READERS)
    assert scores(fitted(ItemKNN(), collection), collection) == {}
    by_popularity = [list(scores(fitted(system(), collection), collection)) for system in (Popularity, Markov)]
    assert by_popularity[0] == by_popularity[1]


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_saved_index_answers_the_same(
    make_sequences: MakeSequences, tmp_path: Path, system: type[Retriever]
) -> None:
    collection = make_sequences(READERS)
    ready = fitted(system(), collection)
    ready.save(tmp_path)
    loaded = system()
    loaded.load(tmp_path)
    assert scores(loaded, collection, "emma", "villette") == scores(ready, collection, "emma", "villette")


@pytest.mark.parametrize("system", SYSTEMS)
def test_batches_do_not_change_answers(
    make_sequences: MakeSequences, monkeypatch: pytest.MonkeyPatch, system: type[Retriever]
) -> None:
    collection = make_sequences(READERS)
    ready = fitted(system(), collection)
    questions = collection.queries()
    whole = ready.retrieve(questions, 3)
    monkeypatch.setattr(system, "cells", 2 * len(collection))
    parts = ready.retrieve(questions, 3)
    assert parts.rows.tolist() == whole.rows.tolist()
    np.testing.assert_array_equal(parts.scores, whole.scores)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_search_collection_has_no_sequences(
    make_collection: Callable[..., Collection], system: type[Retriever]
) -> None:
    with pytest.raises(BenchError, match="small has no sequences to learn from; give recommenders a collection of"):
        fitted(system(), make_collection({"a": "Bread."}, {"q": "bake"}, {"q": {"a": 1}}))


@pytest.fixture(scope="module")
def beauty(data_folder: Path) -> Collection:
    return open_dataset(f"recbole:{data_folder / 'amazon-beauty'}").collection


@pytest.mark.real_data
def test_item_knn_on_amazon_beauty_equals_the_figures_measured_by_hand(beauty: Collection) -> None:
    found = next_item_figures(fitted(ItemKNN(), beauty), beauty)
    assert found["Recall@5"] == pytest.approx(0.0465, abs=1e-3)
    assert found["Recall@10"] == pytest.approx(0.0648, abs=1e-3)
    assert found["nDCG@5"] == pytest.approx(0.0335, abs=1e-3)
    assert found["nDCG@10"] == pytest.approx(0.0395, abs=1e-3)


@pytest.mark.real_data
def test_popularity_and_markov_on_amazon_beauty_equal_the_figures_measured_by_hand(beauty: Collection) -> None:
    popularity = next_item_figures(fitted(Popularity(), beauty), beauty)
    assert popularity["Recall@10"] == pytest.approx(0.0115, abs=1e-3)
    assert popularity["nDCG@10"] == pytest.approx(0.0055, abs=1e-3)
    markov = next_item_figures(fitted(Markov(), beauty), beauty)
    assert markov["Recall@10"] == pytest.approx(0.0668, abs=1e-3)
    assert markov["nDCG@10"] == pytest.approx(0.0439, abs=1e-3)
