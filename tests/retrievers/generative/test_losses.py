"""Soft targets at every prefix, against the distribution over documents that they come from."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from retrievers.generative.decoder import Decoder, Encoded
from retrievers.generative.docids import semantic
from retrievers.generative.losses import Masses, SoftTargets, prefix_lengths, prefix_margin_losses, token_losses
from retrievers.generative.options import DecoderOptions
from retrievers.generative.trie import Trie


def tree(items: int = 30, seed: int = 0) -> Trie:
    vectors = np.random.default_rng(seed).standard_normal((items, 4))
    return semantic(vectors, branch=3, leaf_size=4, seed=seed).trie()


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 40), st.integers(0, 5))
def test_a_states_mass_is_the_sum_of_the_documents_below_it(items: int, seed: int) -> None:
    trie = tree(items, seed)
    probabilities = torch.rand(3, items, generator=torch.Generator().manual_seed(seed)).softmax(dim=1)
    masses = Masses(trie.on("cpu"))(probabilities)
    expected = torch.zeros(3, trie.states)
    parents = np.repeat(np.arange(trie.states), np.diff(trie.indptr))
    for group, final in enumerate(trie.final_states):
        for item in trie.items[trie.group_indptr[group] : trie.group_indptr[group + 1]]:
            state = int(final)
            while True:
                expected[:, state] += probabilities[:, item]
                if not state:
                    break
                state = int(parents[state - 1])
    torch.testing.assert_close(masses, expected)


def test_the_targets_of_a_path_multiply_to_the_documents_probability() -> None:
    trie = tree()
    tables = trie.on("cpu")
    probabilities = torch.rand(1, 30, generator=torch.Generator().manual_seed(1)).softmax(dim=1)
    soft = SoftTargets(Masses(tables)(probabilities), 1.0)
    vectors = np.random.default_rng(0).standard_normal((30, 4))
    identifiers = semantic(vectors, branch=3, leaf_size=4, seed=0).tokens
    for item, path in enumerate(identifiers):
        product, state = 1.0, torch.zeros(1, dtype=torch.long)
        for level, token in enumerate(path[path >= 0].tolist()):
            wanted = soft.after(tables, level, torch.zeros(1, dtype=torch.long), state)
            tokens = wanted.tokens.expand_as(wanted.probabilities)
            product *= float(wanted.probabilities[tokens == token].sum())
            state = tables.advance(state, torch.tensor([token]))
        assert product == pytest.approx(float(probabilities[0, item]), rel=1e-4)


def test_a_soft_target_is_the_librarys_cross_entropy_with_probabilities() -> None:
    trie = tree()
    tables = trie.on("cpu")
    probabilities = torch.rand(5, 30, generator=torch.Generator().manual_seed(1)).softmax(dim=1)
    wanted = SoftTargets(Masses(tables)(probabilities), 1.0).after(
        tables, 0, torch.arange(5), torch.zeros(5, dtype=torch.long)
    )
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(2))
    targets = torch.zeros(5, dtype=torch.long)
    expected = functional.cross_entropy(logits, wanted.probabilities[:, :3], reduction="none")
    torch.testing.assert_close(token_losses(logits, targets, 0.0, wanted), expected)
    half = token_losses(logits, targets, 0.0, wanted._replace(share=0.5))
    hard = functional.cross_entropy(logits, targets, reduction="none")
    torch.testing.assert_close(half, (expected + hard) / 2)


@pytest.mark.parametrize("head", ["shared", "prefix"])
def test_a_teachers_distribution_is_what_the_model_comes_to(head: str) -> None:
    trie = tree(9)
    tables = trie.on("cpu")
    identifiers = semantic(np.random.default_rng(0).standard_normal((9, 4)), branch=3, leaf_size=4, seed=0).tokens
    options = DecoderOptions(head=head, dimension=16, heads=2, feed_forward=32, dropout=0)
    decoder = Decoder(options, tables, 6, seed=0)
    generator = torch.Generator().manual_seed(1)
    encoded = Encoded(torch.randn(1, 3, 6, generator=generator), torch.ones(1, 3, dtype=torch.bool))
    probabilities = torch.rand(1, 9, generator=generator).mul(4).softmax(dim=1)
    soft = SoftTargets(Masses(tables)(probabilities).expand(9, -1), 1.0)
    every = Encoded(encoded.states.expand(9, -1, -1), encoded.mask.expand(9, -1))
    optimizer = torch.optim.Adam(decoder.parameters(), lr=0.02)
    for _ in range(150):
        loss = decoder(every, torch.from_numpy(identifiers).long(), 0.0, soft).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = -decoder.eval()(every, torch.from_numpy(identifiers).long()).sum(dim=1).detach()
    torch.testing.assert_close(found.exp(), probabilities[0], atol=0.02, rtol=0)


@pytest.mark.parametrize(("levels", "lengths"), [(32, [4, 8, 16, 32]), (8, [2, 4, 8]), (3, [3]), (1, [1])])
def test_margins_are_learned_at_an_eighth_a_quarter_half_and_all_of_an_identifier(
    levels: int, lengths: list[int]
) -> None:
    assert prefix_lengths(levels) == lengths


def test_a_prefixs_margin_should_be_the_longer_the_nearer_the_teachers() -> None:
    """RIPOR's figures for 32 levels: 1/2, 3/4, 7/8 and all of the teacher's margin."""
    drawn = torch.randn(2, 3, 32, generator=torch.Generator().manual_seed(0))
    margins = torch.tensor([[1.0, -2.0], [0.5, 3.0]])
    for query in range(2):
        expected = 0.0
        for length, share in ((4, 0.5), (8, 0.75), (16, 0.875), (32, 1.0)):
            sums = [float(drawn[query, document, :length].sum()) for document in range(3)]
            expected += sum((sums[0] - sums[1 + n] - share * float(margins[query, n])) ** 2 for n in range(2)) / 2
        assert float(prefix_margin_losses(drawn, margins)[query]) == pytest.approx(expected / 4, rel=1e-5)


def test_documents_with_a_common_prefix_have_no_margin_there() -> None:
    scores = torch.tensor([[[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 2.0]]], requires_grad=True)
    prefix_margin_losses(scores, torch.tensor([[2.0]])).sum().backward()
    assert scores.grad is not None
    torch.testing.assert_close(scores.grad[0, 0], -scores.grad[0, 1])
