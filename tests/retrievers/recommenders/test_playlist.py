"""Vectors of whole sequences: what is read and written, whose items are answers, and for how much."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from merging import merged
from next_items import next_item_figures
from same_answers import check_saved, check_seeded, check_unknown
from torch.nn import functional

from bench.collections.collection import Collection
from bench.collections.histories import training_sequences
from retrievers.recommenders.playlist import Playlist
from retrievers.recommenders.sequence_autoencoder import SequenceAutoencoder

TINY: dict[str, Any] = {"hidden": 16, "neighbours": 6, "training": {"epochs": 20, "learning_rate": 0.01}}


def fitted(collection: Collection, **options: Any) -> Playlist:
    return Playlist(**merged(TINY, options)).fit(collection.training_view())


@pytest.fixture
def network() -> SequenceAutoencoder:
    torch.manual_seed(0)
    return SequenceAutoencoder(torch.randn(6, 5), hidden=4, dropout=0.0).eval()


def test_a_vector_is_what_each_direction_has_read_after_its_last_item(network: SequenceAutoencoder) -> None:
    sequences = [np.array([3, 1, 4]), np.array([2])]
    found = network(*network.padded(sequences))
    for vector, sequence in zip(found, sequences, strict=True):
        states, _ = network.encoder(network.vectors[torch.from_numpy(sequence)][None])
        torch.testing.assert_close(vector, torch.cat([states[0, -1, :4], states[0, 0, 4:]]))


def test_the_loss_is_that_of_writing_every_item_after_the_vector_and_those_before(
    network: SequenceAutoencoder,
) -> None:
    sequences = [np.array([3, 1, 4]), np.array([2])]
    rows, lengths = network.padded(sequences)
    losses = []
    for vector, sequence in zip(network(rows, lengths), sequences, strict=True):
        state, before = torch.tanh(network.bridge(vector))[None], torch.zeros(5)
        for item in sequence.tolist():
            _, state = network.decoder(before[None], state)
            losses.append(functional.cross_entropy(network.outputs(state[0]), torch.tensor(item)))
            before = network.vectors[item]
    torch.testing.assert_close(network.loss(rows, lengths), torch.stack(losses).mean())


@pytest.mark.parametrize("vectors", ["seq2seq", "bag"])
def test_an_item_is_worth_the_cosines_of_the_nearest_sequences_that_have_it(months: Collection, vectors: str) -> None:
    system = fitted(months, vectors=vectors, training={"epochs": 2})
    sequences = training_sequences(months)
    history = np.array([3, 4, 5])
    read = system._read([*sequences, history])
    cosines = read[:-1] @ read[-1]
    expected = np.zeros(12)
    for place in np.argsort(-cosines, kind="stable")[:6]:
        expected[np.unique(sequences[place])] += cosines[place]
    sixth, seventh = np.sort(cosines)[::-1][5:7]
    assert sixth > seventh, "which sequences are the nearest is certain"
    (scores,) = system.scores([history])
    np.testing.assert_allclose(scores[expected > 0], expected[expected > 0], rtol=1e-5)
    assert np.isneginf(scores[expected == 0]).all()


def test_a_bag_does_not_know_the_order_of_a_sequence_and_the_network_does(months: Collection) -> None:
    forth, back = np.array([3, 4, 5, 6]), np.array([6, 5, 4, 3])
    for vectors, alike in (("bag", True), ("seq2seq", False)):
        first, second = fitted(months, vectors=vectors, training={"epochs": 2})._read([forth, back])
        assert np.allclose(first, second, atol=1e-5) == alike


def test_it_learns_to_write_the_sequences(months: Collection) -> None:
    course = fitted(months, training={"epochs": 80, "patience": 80}).facts()["training"]
    assert course["epochs"][-1]["loss"] < 0.3 * np.log(12)


@pytest.mark.parametrize("vectors", ["seq2seq", "bag"])
def test_near_sequences_have_what_comes_next(months: Collection, vectors: str) -> None:
    """Four of nine answers that are not in the history would be right by chance in a tenth of the cases."""
    assert next_item_figures(fitted(months, vectors=vectors), months)["MRR@10"] > 0.3


def test_the_seed_decides(months: Collection) -> None:
    check_seeded(lambda seed: fitted(months, training={"epochs": 2}, seed=seed), months.queries())


@pytest.mark.parametrize("vectors", ["seq2seq", "bag"])
def test_a_saved_system_answers_as_before(months: Collection, tmp_path: Path, vectors: str) -> None:
    options: dict[str, Any] = {"vectors": vectors, "training": {"epochs": 2}}
    check_saved(fitted(months, **options), Playlist(**merged(TINY, options)), months.queries(), tmp_path)


def test_a_history_without_a_known_item_gets_no_answer(months: Collection) -> None:
    check_unknown(fitted(months, training={"epochs": 1}))
