"""Ada-Retrieval: its adapters against their equations, the order of its pages, and what it learns over any base."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from next_items import next_item_figures
from same_answers import check_saved, check_seeded

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from retrievers.recommenders.ada_retrieval import AdaRetrieval
from retrievers.recommenders.next_item import ItemTable
from retrievers.recommenders.options import NextItemTrainingOptions
from retrievers.recommenders.recurrent import Recurrent
from retrievers.recommenders.rounds import Round, Rounds, allowed, ordered, rounds_plan

MakeSequences = Callable[..., Collection]

TRAINING = {"training_batch": 16, "epochs": 20, "learning_rate": 0.02}
TINY: dict[str, Any] = {
    "base": {"dimension": 16, "training": TRAINING},
    "rounds": 3,
    "page": 2,
    "training": {**TRAINING, "epochs": 3, "learning_rate": 0.005},
}
STILL = {"training": {**TRAINING, "epochs": 1, "learning_rate": 1e-9}}
"""So that the base's weights stay as they are."""


def fitted(collection: Collection, **options: Any) -> AdaRetrieval:
    return AdaRetrieval(**{**TINY, **options}).fit(collection.training_view())


@pytest.fixture
def network() -> Rounds:
    """Over nine items, as after some training."""
    torch.manual_seed(0)
    model = Rounds(Recurrent(ItemTable(9, 4), 1, 5, 0.0), rounds=3, page=2, dropout=0.0).eval()
    with torch.no_grad():
        for weight in (model.gain, model.outer.weight, model.outer.bias, model.filter):
            weight.copy_(torch.randn_like(weight))
    return model


HISTORIES = [np.array([0, 3]), np.array([5, 1, 2, 8])]


def test_items_are_read_in_the_context_of_the_filtered_answers(network: Rounds) -> None:
    vectors, pages = torch.randn(2, 3, 4), [torch.randn(2, 2, 4), torch.randn(2, 2, 4)]
    weights = network.filter.detach().numpy()
    filtered = []
    for page in pages:
        frequencies = np.fft.rfft(page.numpy(), axis=1, norm="ortho") * (weights[..., 0] + 1j * weights[..., 1])
        filtered.append(page.numpy() + np.fft.irfft(frequencies, n=2, axis=1, norm="ortho"))
    context = np.concatenate(filtered, axis=1)
    scores = np.exp(np.einsum("hid,hcd->hic", vectors.numpy(), context) / 2)
    attended = np.einsum("hic,hcd->hid", scores / scores.sum(axis=2, keepdims=True), context)
    expected = vectors.numpy() + network.gain.detach().numpy() * attended
    np.testing.assert_allclose(network._in_context(vectors, pages).detach().numpy(), expected, atol=1e-5)


def test_users_move_by_what_a_recurrent_unit_keeps_of_the_rounds_before(network: Rounds) -> None:
    users, before = torch.randn(2, 4), [torch.randn(2, 4), torch.randn(2, 4)]
    state = torch.zeros(1, 2, 4)
    for one in before:
        _, state = network.earlier(one[:, None], state)
    joined = torch.cat([users, state[0]], dim=1)
    expected = users + torch.relu(joined @ network.inner.weight.T + network.inner.bias) @ network.outer.weight.T
    torch.testing.assert_close(network._moved(users, before), expected + network.outer.bias)


def test_each_round_answers_with_the_best_that_is_left(network: Rounds) -> None:
    first, second, third = network(HISTORIES, allowed(HISTORIES, 9, hides=True))
    for place, history in enumerate(HISTORIES):
        assert np.flatnonzero(~first.left[place].numpy()).tolist() == sorted(history.tolist())
        for one, after in ((first, second), (second, third)):
            gone = one.left[place] & ~after.left[place]
            assert int(gone.sum()) == 2
            assert float(one.scores[place][gone].min()) >= float(one.scores[place][after.left[place]].max())
    assert not torch.allclose(first.users, second.users)


def test_what_is_dropped_of_an_item_is_dropped_wherever_it_is_read() -> None:
    """In the history, in every page, and where states are compared: one mask for all of a step."""
    torch.manual_seed(0)
    table = ItemTable(9, 4, dropout=0.5)
    model = Rounds(Recurrent(table, 1, 5, 0.0), rounds=3, page=2, dropout=0.0).train()
    read: list[torch.Tensor] = []
    table.register_forward_hook(lambda module, given, found: read.append(found))
    model(HISTORIES, torch.ones(2, 9, dtype=torch.bool))
    assert len(read) == 1
    torch.testing.assert_close(read[0][:-1], table.compared)


def test_an_answer_is_page_after_page_and_then_the_rest() -> None:
    left = torch.tensor([[True, True, True, True, True, False]])
    first = Round(torch.zeros(1, 1), torch.tensor([[5.0, -1, 3, 0, 1, 99]]), left)
    second = Round(
        torch.zeros(1, 1), torch.tensor([[9.0, 7, -1, 2, 8, 99]]), left & torch.tensor([[False] + [True] * 5])
    )
    third = Round(torch.zeros(1, 1), torch.tensor([[9.0, 1, 2, 3, 4, 99]]), second.left & (torch.arange(6) != 4))
    assert np.argsort(-ordered([first, second, third])[0]).tolist() == [0, 4, 3, 2, 1, 5]


def test_small_catalogues_are_answered_whole() -> None:
    torch.manual_seed(0)
    model = Rounds(Recurrent(ItemTable(2, 4), 1, 5, 0.0), rounds=4, page=5, dropout=0.0).eval()
    histories = [np.array([1])]
    found = ordered(model(histories, allowed(histories, 2, hides=True)))
    assert np.isfinite(found).all()
    assert found.argmax() == 0


def test_the_loss_is_the_sum_over_rounds_each_counting_less(network: Rounds) -> None:
    sequences = [np.array([0, 3]), np.array([5, 1])]
    plan = rounds_plan(
        network, lambda users, _: users.sum(), sequences, False, 0.5, NextItemTrainingOptions(), dict, 0
    )
    histories = [np.array([0]), np.array([5])]
    rounds = network(histories, allowed(histories, 9, hides=False))
    expected = sum(one.users.sum() * 0.5**place for place, one in enumerate(rounds))
    torch.testing.assert_close(plan.loss((np.array([0, 1]), np.array([1, 1]))), expected)


def test_every_sequence_is_learned_from_one_of_its_places(network: Rounds) -> None:
    sequences = [np.arange(length) for length in (2, 3, 5, 2, 4)]
    options = NextItemTrainingOptions(training_batch=2)
    plan = rounds_plan(network, lambda users, _: users.sum(), sequences, False, 0.5, options, dict, 0)
    generator, seen = np.random.default_rng(0), set[tuple[int, int]]()
    for _ in range(50):
        places, cuts = (np.concatenate(part) for part in zip(*plan.batches(1, generator), strict=True))
        assert sorted(places.tolist()) == list(range(5))
        seen |= set(zip(places.tolist(), cuts.tolist(), strict=True))
    assert seen == {(place, cut) for place, one in enumerate(sequences) for cut in range(1, len(one))}


@pytest.mark.parametrize("base", ["sasrec", "gru4rec", "hstu"])
def test_at_the_start_it_answers_as_its_base_does(months: Collection, base: str) -> None:
    system = fitted(months, base={"retriever": base, "dimension": 16, "training": TRAINING}, **STILL)
    asked = months.queries()
    answers, of_base = (one.rankings(asked, 12) for one in (system, system.base))
    for place, query in enumerate(asked):
        had = {months.documents.rows[item] for item in query.history}
        expected = [row for row in of_base.of(place)[0] if row not in had]
        assert answers.of(place)[0][: len(expected)].tolist() == expected


def test_it_learns_what_comes_next_and_looks_elsewhere_in_later_rounds(months: Collection) -> None:
    system = fitted(months, training={**TRAINING, "epochs": 20})
    assert next_item_figures(system, months)["MRR@10"] > 0.9
    assert system.facts()["training"]["decided_by"] == "nDCG@10"
    assert system.facts()["parameters_learned"] > system.facts()["parts"]["base"]["parameters_learned"]


def test_the_place_of_its_parts_is_not_taken_for_damage(months: Collection, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        fitted(months)
    assert not [record for record in caplog.records if "damaged" in record.getMessage()]


def test_the_seed_decides(months: Collection) -> None:
    check_seeded(lambda seed: fitted(months, seed=seed), months.queries())


def test_a_saved_system_answers_as_before(months: Collection, tmp_path: Path) -> None:
    check_saved(fitted(months), AdaRetrieval(**TINY), months.queries(), tmp_path)


def test_a_history_without_a_known_item_gets_no_answer(months: Collection) -> None:
    answers = fitted(months).retrieve([Query("a", "", ("elsewhere",)), Query("b", "", ("month-03",))], 5)
    assert answers.lengths.tolist() == [0, 5]


def test_a_base_that_is_no_network_of_sequences_is_refused() -> None:
    with pytest.raises(BenchError, match="base: Markov is no network of sequences; take sasrec"):
        AdaRetrieval(base="markov")
