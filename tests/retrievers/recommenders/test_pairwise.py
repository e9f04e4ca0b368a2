"""BPR and LightGCN: their loss and their graph against the formulas in numpy, and what they learn."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.collections.collection import Collection, Document, Query, Rules, read_collection
from bench.collections.sources.protocols import leave_one_out
from bench.collections.sources.recbole import RecBole
from bench.collections.sources.sequences import InWords, Item
from bench.collections.writer import CollectionWriter
from bench.errors import BenchError
from retrievers.recommenders import factors
from retrievers.recommenders.bpr import BPR
from retrievers.recommenders.factors import Factors, Propagated
from retrievers.recommenders.lightgcn import LightGCN
from retrievers.recommenders.pairwise import PairwiseRecommender

MakeSequences = Callable[..., Collection]

OWNED = np.array([[0, 0, 1, 2, 2, 2], [0, 1, 1, 0, 2, 3]])
"""Each user with an item; item 4 is nobody's."""

TRAINING = {"epochs": 30, "learning_rate": 0.05, "training_batch": 64, "patience": 30, "regularisation": 0.0}


def test_the_graph_spreads_vectors_by_both_degrees() -> None:
    torch.manual_seed(0)
    model = Propagated(3, 5, 4, 2, OWNED)
    adjacency = np.zeros((8, 8))
    for user, item in OWNED.T:
        adjacency[user, 3 + item] = adjacency[3 + item, user] = 1
    degrees = np.maximum(adjacency.sum(axis=1), 1)
    smooth = adjacency / np.sqrt(degrees[:, None] * degrees)
    start = np.concatenate([model.users.weight.detach().numpy(), model.items.weight.detach().numpy()])
    expected = (start + smooth @ start + smooth @ smooth @ start) / 3
    users, items = model.final_arrays()
    np.testing.assert_allclose(np.concatenate([users, items]), expected, atol=1e-6)


def test_gradients_come_back_over_the_graph_as_over_its_matrix() -> None:
    torch.manual_seed(0)
    graph, given = factors.graph_of(3, 5, OWNED), torch.randn(8, 4)
    dense, found = graph.to_dense(), []
    for product in (lambda vectors: factors.spread(graph, vectors, 2)[-1], lambda vectors: dense @ (dense @ vectors)):
        vectors = given.clone().requires_grad_()
        (product(vectors).square() * torch.arange(4)).sum().backward()
        found.append(vectors.grad)
    torch.testing.assert_close(*found)


def test_the_loss_is_of_the_margin_and_of_the_vectors_squares() -> None:
    torch.manual_seed(0)
    model = Factors(3, 5, 4)
    batch = (np.array([0, 2]), np.array([1, 3]), np.array([4, 1]))
    users, items = (vectors.astype(np.float64) for vectors in model.final_arrays())
    losses = []
    for user, owned, other in zip(*batch, strict=True):
        margin = users[user] @ items[owned] - users[user] @ items[other]
        squares = sum(float(vector @ vector) for vector in (users[user], items[owned], items[other]))
        losses.append(np.log(1 + np.exp(-margin)) + 0.3 * squares / 2)
    found = factors._loss(model, batch, 0.3)
    assert float(found.detach()) == pytest.approx(np.mean(losses), rel=1e-6)


def test_every_interaction_is_once_in_an_epoch_against_an_item_that_its_user_lacks() -> None:
    others = factors._Others(OWNED, 5)
    generator = np.random.default_rng(0)
    drawn = set()
    for _ in range(50):
        parts = list(factors._batches(OWNED, others, 4, generator))
        owners, items, against = (np.concatenate(part) for part in zip(*parts, strict=True))
        assert sorted(zip(owners, items, strict=True)) == sorted(map(tuple, OWNED.T))
        drawn |= set(zip(owners.tolist(), against.tolist(), strict=True))
    has = set(map(tuple, OWNED.T.tolist()))
    assert drawn == {(user, item) for user in range(3) for item in range(5)} - has


@pytest.fixture
def tastes(make_sequences: MakeSequences) -> Collection:
    """Half of the users have items of one kind, the others of another."""
    draws = np.random.default_rng(0)
    kinds = [[f"tea-{number}" for number in range(8)], [f"coffee-{number}" for number in range(8)]]
    return make_sequences({f"u{user}": draws.permutation(kinds[user % 2])[:7].tolist() for user in range(40)})


@pytest.mark.parametrize("kind", [BPR, LightGCN])
def test_they_learn_what_kind_a_user_likes(tastes: Collection, kind: type[PairwiseRecommender]) -> None:
    system = kind(dimension=8, training=TRAINING).fit(tastes.training_view())
    asked = tastes.queries()
    answers = system.retrieve(asked, 8)
    liked = [
        item.partition("-")[0] == query.history[0].partition("-")[0]
        for place, query in enumerate(asked)
        for item in tastes.documents.ids(answers.of(place)[0])
    ]
    assert np.mean(liked) > 0.9


def test_lightgcn_without_steps_is_bpr(tastes: Collection) -> None:
    training = {**TRAINING, "epochs": 3}
    first = BPR(dimension=8, training=training).fit(tastes.training_view())
    second = LightGCN(dimension=8, layers=0, training=training).fit(tastes.training_view())
    asked = tastes.queries()
    np.testing.assert_allclose(first.retrieve(asked, 5).scores, second.retrieve(asked, 5).scores, rtol=1e-5)


def test_a_user_who_is_not_known_gets_no_answer(tastes: Collection) -> None:
    system = BPR(dimension=8, training={**TRAINING, "epochs": 1}).fit(tastes.training_view())
    answers = system.retrieve([Query("nobody", "", ("tea-1",)), Query("u1", "", ())], 3)
    assert answers.lengths.tolist() == [0, 3]


def test_all_questions_of_a_user_are_answered_for_that_user(tastes: Collection) -> None:
    system = BPR(dimension=8, training={**TRAINING, "epochs": 1}).fit(tastes.training_view())
    answers = system.retrieve([Query("u1", "", ()), Query("u1#2", "", ("coffee-1",), of="u1")], 3)
    np.testing.assert_array_equal(answers.of(0)[0], answers.of(1)[0])


def test_sequences_of_one_user_teach_one_vector(tastes: Collection) -> None:
    asked = tastes.queries("train")
    halves = [replace(query, id=f"{query.id}#2", of=query.id) for query in asked]
    queries = {**tastes.split_queries, "train": [*asked, *halves]}
    twice = tastes.qrels("train").take(np.tile(np.arange(len(asked)), 2))
    doubled = replace(tastes, split_queries=queries, split_qrels={**tastes.split_qrels, "train": twice})
    training = {**TRAINING, "epochs": 2}
    with_more, alone = (BPR(dimension=4, training=training).fit(one.training_view()) for one in (doubled, tastes))
    assert with_more.facts()["parameters_learned"] == alone.facts()["parameters_learned"]
    np.testing.assert_array_equal(*(one.retrieve(asked, 5).scores for one in (with_more, alone)))


def test_users_alone_have_vectors_where_questions_are_asked_too(tmp_path: Path) -> None:
    """Questions in words stand before the users in the same split: they are no users, and move nobody's row."""
    walks = {f"u{user}": [f"tea-{(user + step) % 8}" for step in range(6)] for user in range(12)}
    items = [Item(Document(f"tea-{number}", f"tea {number}", ""), "tea") for number in range(8)]
    words = [InWords("train", f"q{number}", f"what is tea {number}", f"tea-{number}") for number in range(8)]
    with CollectionWriter(tmp_path) as writer:
        RecBole(folder=tmp_path).ask(writer, items, leave_one_out(walks), in_words=words)
    mixed = read_collection(tmp_path, "tea house", Rules(mixed=True))
    order = np.arange(len(mixed.queries("train")))[::-1]
    queries = {**mixed.split_queries, "train": [mixed.queries("train")[place] for place in order.tolist()]}
    turned = replace(
        mixed, split_queries=queries, split_qrels={**mixed.split_qrels, "train": mixed.qrels("train").take(order)}
    )
    assert not turned.queries("train")[0].history
    asked = turned.asking("users").queries("test")
    with_words, alone = (
        BPR(dimension=4, training={**TRAINING, "epochs": 2}).fit(one.training_view()).retrieve(asked, 5)
        for one in (turned, turned.asking("users"))
    )
    np.testing.assert_array_equal(with_words.scores, alone.scores)


def test_a_saved_model_answers_the_same(tastes: Collection, tmp_path: Path) -> None:
    system = LightGCN(dimension=8, training={**TRAINING, "epochs": 2}).fit(tastes.training_view())
    system.save(tmp_path)
    loaded = LightGCN(dimension=8)
    loaded.load(tmp_path)
    asked = tastes.queries()
    np.testing.assert_array_equal(loaded.retrieve(asked, 5).scores, system.retrieve(asked, 5).scores)
    assert loaded.facts() == system.facts()


def test_they_need_the_validation_split(make_sequences: MakeSequences) -> None:
    asked = make_sequences({"u": ["a", "b", "c", "d", "e"]}, split="valid")
    with pytest.raises(BenchError, match="bpr chooses its weights on the split 'valid'"):
        BPR().fit(asked.training_view())
