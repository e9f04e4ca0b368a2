"""The sequence models: what they score step by step is what they learn in one pass, whoever stands beside."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from retrievers.generative.beam import beam_search, exact_scores
from retrievers.generative.docids import Identifiers, semantic, with_collision_numbers
from retrievers.generative.options import DecoderOptions
from retrievers.recommenders.semantic_ids.decoder_only import DecoderOnly
from retrievers.recommenders.semantic_ids.encoder_decoder import EncoderDecoder
from retrievers.recommenders.semantic_ids.sequence_model import History, SequenceModel, Shape

ITEMS, LONGEST = 30, 6
HISTORIES = [np.array([3]), np.array([4, 9, 29, 0, 11]), np.array([7, 7, 2])]
USERS = np.array([0, 1, 2])


def equal_lengths() -> Identifiers:
    tokens = np.random.default_rng(0).integers(0, 4, (ITEMS, 2))
    return with_collision_numbers(Identifiers.of(tokens))


def unequal_lengths() -> Identifiers:
    return semantic(np.random.default_rng(0).normal(size=(ITEMS, 8)).astype(np.float32), branch=4, leaf_size=2)


KINDS = [
    {"architecture": "decoder-only"},
    {"architecture": "encoder-decoder", "reading": "codes"},
    {"architecture": "encoder-decoder", "reading": "items"},
]
EVERY = [
    pytest.param({**kind, "head": head}, named, id=f"{'-'.join(kind.values())}-{head}-{named.__name__}")
    for kind, head, named in product(KINDS, ["shared", "prefix"], [equal_lengths, unequal_lengths])
]


def made(identifiers: Identifiers, head: str = "shared", architecture: str = "", **kind: Any) -> SequenceModel:
    options = DecoderOptions(head=head, dimension=16, layers=2, heads=2, feed_forward=32)
    codes = torch.from_numpy(identifiers.tokens.astype(np.int64))
    shape = Shape(options, identifiers.trie().on("cpu"), codes, LONGEST, bins=3)
    if architecture == "decoder-only":
        return DecoderOnly(shape, last_only=True, seed=1).eval()
    return EncoderDecoder(shape, encoder_layers=2, seed=1, **kind).eval()


def history(items: list[np.ndarray], users: np.ndarray = USERS) -> History:
    return History.of(items, users[: len(items)], torch.device("cpu"))


@torch.no_grad()
def scores(model: SequenceModel, items: list[np.ndarray], users: np.ndarray = USERS) -> np.ndarray:
    """Shape [users, items]."""
    of_groups = exact_scores(model.stepper(history(items, users)), model.tables).numpy()
    found = np.empty_like(of_groups)
    found[:, model.tables.trie.items] = of_groups
    return found


@pytest.mark.parametrize(("kind", "named"), EVERY)
def test_the_loss_of_an_item_is_minus_its_score(kind: dict[str, Any], named: Any) -> None:
    identifiers = named()
    model = made(identifiers, **kind)
    found = scores(model, HISTORIES)
    lengths = (identifiers.tokens >= 0).sum(axis=1)
    for place, (items, user) in enumerate(zip(HISTORIES, USERS, strict=True)):
        for item in (0, 13, ITEMS - 1):
            window = history([np.append(items, item)], np.array([user]))
            loss = model.loss(window, 0.0).item() * lengths[item]
            assert found[place, item] == pytest.approx(-loss, abs=1e-4)


@pytest.mark.parametrize(("kind", "named"), EVERY)
def test_all_items_together_are_certain(kind: dict[str, Any], named: Any) -> None:
    """Where every path of the vocabulary is an identifier, as with a prefix head, probabilities sum to one."""
    total = np.exp(scores(made(named(), **kind), HISTORIES)).sum(axis=1)
    if kind["head"] == "prefix":
        assert total == pytest.approx(1, abs=1e-4)
    else:
        assert (total < 1).all()


@pytest.mark.parametrize(("kind", "named"), EVERY)
def test_wide_beams_find_what_exact_scoring_finds(kind: dict[str, Any], named: Any) -> None:
    model = made(named(), **kind)
    exact = scores(model, HISTORIES)
    beams = beam_search(model.stepper(history(HISTORIES)), model.tables, ITEMS)
    items = model.tables.trie.items[beams.groups.numpy()]
    np.testing.assert_allclose(np.take_along_axis(exact, items, axis=1), beams.log_probs.numpy(), atol=1e-4)
    assert (np.sort(items, axis=1) == np.arange(ITEMS)).all()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(kind.values()))
def test_a_history_beside_longer_ones_gets_the_same_scores(kind: dict[str, Any]) -> None:
    model = made(unequal_lengths(), **kind)
    together = scores(model, HISTORIES)
    for place, items in enumerate(HISTORIES):
        np.testing.assert_allclose(together[place], scores(model, [items], USERS[place:])[0], atol=1e-4)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(kind.values()))
def test_the_order_of_a_history_and_the_user_matter(kind: dict[str, Any]) -> None:
    model = made(equal_lengths(), **kind)
    (forth,), (back,) = scores(model, [np.array([1, 2, 3])]), scores(model, [np.array([3, 2, 1])])
    assert np.abs(forth - back).max() > 1e-3
    (other,) = scores(model, [np.array([1, 2, 3])], np.array([2]))
    assert np.abs(forth - other).max() > 1e-3


def test_a_decoder_only_model_learns_every_item_of_a_window_in_one_pass() -> None:
    identifiers = unequal_lengths()
    lengths = (identifiers.tokens >= 0).sum(axis=1)
    last = made(identifiers, architecture="decoder-only")
    every = made(identifiers, architecture="decoder-only")
    assert isinstance(every, DecoderOnly)
    every._last_only = False
    window = np.array([5, 8, 21, 14])
    parts = [last.loss(history([window[:end]]), 0.0).item() * lengths[window[end - 1]] for end in (2, 3, 4)]
    whole = every.loss(history([window]), 0.0).item()
    assert whole == pytest.approx(sum(parts) / lengths[window[1:]].sum(), abs=1e-5)
