from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from safetensors.torch import load_model, save_model
from torch.nn import functional

from bench.errors import BenchError
from retrievers.generative.beam import beam_search, exact_scores
from retrievers.generative.beam_items import items_of
from retrievers.generative.decoder import Decoder, Encoded
from retrievers.generative.docids import Identifiers, atomic, centroids, semantic
from retrievers.generative.heads import PrefixAdaptiveHead, PrefixHead, additive_start, prefix_start
from retrievers.generative.options import DecoderOptions, DocumentHead
from retrievers.generative.trie import Trie

ENCODER_DIMENSION = 12
HEADS = get_args(DocumentHead)
SMALL = {"dimension": 16, "heads": 2, "feed_forward": 32}


@pytest.fixture(autouse=True)
def untouched_random_state() -> Iterator[None]:
    """Nothing draws from the random numbers of the whole process, except where it trains with dropout."""
    with torch.random.fork_rng():
        yield


def encoded(queries: int = 3, length: int = 5) -> Encoded:
    generator = torch.Generator().manual_seed(1)
    states = torch.randn(queries, length, ENCODER_DIMENSION, generator=generator)
    return Encoded(states, torch.arange(length) < torch.arange(length, length - queries, -1)[:, None])


def uneven_trie() -> Trie:
    return Trie.build(
        np.array([[0, 1, 2], [0, 1, 0], [1, -1, -1], [2, 5, -1], [2, 0, 1], [0, 6, 2], [0, 1, 2]]), [4, 7, 3]
    )


def decoder_of(trie: Trie, head: DocumentHead = "shared", layers: int = 2, **options: object) -> Decoder:
    return Decoder(DecoderOptions(head=head, layers=layers, **SMALL), trie.on("cpu"), ENCODER_DIMENSION, **options)


def sequences_of(trie: Trie) -> torch.Tensor:
    """The identifier of each group, padded."""
    paths = torch.full((trie.groups, trie.levels), -1)
    parents = np.repeat(np.arange(trie.states), np.diff(trie.indptr))
    for group, state in enumerate(trie.final_states):
        tokens = []
        while state:
            tokens.append(trie.tokens[state - 1])
            state = parents[state - 1]
        paths[group, : len(tokens)] = torch.tensor(tokens[::-1])
    return paths


@pytest.mark.parametrize("one_vocabulary", [False, True])
@pytest.mark.parametrize("head", HEADS)
def test_step_by_step_it_predicts_what_it_is_trained_for(head: DocumentHead, one_vocabulary: bool) -> None:
    trie = uneven_trie()
    if one_vocabulary:
        trie = Trie.build(sequences_of(trie).numpy(), [7, 7, 7])
    decoder = decoder_of(trie, head, one_vocabulary=one_vocabulary).eval()
    queries = encoded()
    scores = exact_scores(decoder.stepper(queries), trie.on("cpu"))
    for group, sequence in enumerate(sequences_of(trie)):
        losses = decoder(queries, sequence.expand(3, -1))
        assert (losses[:, sequence < 0] == 0).all()
        torch.testing.assert_close(scores[:, group], -losses.sum(dim=1))
    beams = beam_search(decoder.stepper(queries), trie.on("cpu"), 20)
    torch.testing.assert_close(beams.log_probs, scores.sort(dim=1, descending=True).values)


@torch.no_grad()
@pytest.mark.parametrize("head", HEADS)
def test_cached_steps_equal_those_from_the_start(head: DocumentHead) -> None:
    trie = Trie.build(np.array(list(np.ndindex(3, 3, 3))), [3, 3, 3])
    decoder, queries = decoder_of(trie, head).eval(), encoded()
    tokens = torch.tensor([[[2, 0], [1, 1]], [[0, 0], [2, 1]], [[1, 2], [0, 1]]])  # of each query's two beams
    parents = torch.tensor([[1, 0], [0, 0], [1, 1]])
    stepper = decoder.stepper(queries)
    stepper.start()
    stepper.step(tokens[..., 0], torch.zeros_like(parents))
    found = stepper.step(tokens[..., 1], parents)
    for query in range(3):
        for beam in range(2):
            prefix = [tokens[query, parents[query, beam], 0], tokens[query, beam, 1]]
            one = Encoded(queries.states[query : query + 1], queries.mask[query : query + 1])
            losses = [decoder(one, torch.tensor([[*prefix, last]]))[0, 2] for last in range(3)]
            torch.testing.assert_close(found[query, beam].log_softmax(dim=0), -torch.stack(losses))


def test_the_encoders_states_are_never_copied_for_the_beams() -> None:
    decoder = decoder_of(uneven_trie()).eval()
    seen = []
    for layer in decoder.layers:
        layer.to_encoder.register_forward_pre_hook(lambda _, given: seen.append(len(given[1].keys)))
        layer.to_encoder.keys_values.register_forward_hook(lambda *_: seen.append("computed"))
    beam_search(decoder.stepper(encoded()), uneven_trie().on("cpu"), 20)
    assert seen == ["computed"] * 2 + [3] * 2 * 3


def test_padding_says_nothing() -> None:
    decoder, queries = decoder_of(uneven_trie(), "prefix").eval(), encoded()
    other = queries.states.masked_fill(~queries.mask[..., None], 7.0)
    one = exact_scores(decoder.stepper(queries), uneven_trie().on("cpu"))
    torch.testing.assert_close(
        exact_scores(decoder.stepper(Encoded(other, queries.mask)), uneven_trie().on("cpu")), one
    )


@pytest.mark.parametrize("head", HEADS)
def test_a_query_without_a_token_is_answered_with_numbers(head: DocumentHead) -> None:
    queries = encoded()
    nothing = Encoded(queries.states, torch.zeros_like(queries.mask))
    decoder = decoder_of(uneven_trie(), head)
    assert beam_search(decoder.eval().stepper(nothing), uneven_trie().on("cpu"), 3).log_probs.isfinite().all()
    loss = decoder.train().loss(nothing, sequences_of(uneven_trie())[:3])
    loss.backward()
    assert all(weight.grad.isfinite().all() for weight in decoder.parameters() if weight.grad is not None)


def test_a_prefix_has_output_vectors_of_its_own() -> None:
    trie = uneven_trie()
    decoder = decoder_of(trie, "prefix").eval()
    scores = exact_scores(decoder.stepper(encoded()), trie.on("cpu"))
    torch.testing.assert_close(scores.logsumexp(dim=1), torch.zeros(3), atol=1e-5, rtol=0)
    assert decoder.head.vectors.shape[0] == trie.states - 1


@torch.no_grad()
def test_with_a_prefix_adaptive_head_a_token_has_other_output_vectors_after_another_prefix() -> None:
    """NCI's decoder; with a shared head they are the same everywhere."""
    trie, queries = uneven_trie(), encoded()
    decoder = decoder_of(trie, "prefix-adaptive").eval()
    head, memory = decoder.head, decoder.look_at(queries)
    assert isinstance(head, PrefixAdaptiveHead)
    prefixes = [[0, 1], [2, 0], [0, 6]]
    states = decoder.tables.paths(torch.tensor(prefixes))[:, 2].expand(3, -1)
    vectors = head.output_vectors(memory.asked, 2, states)
    assert vectors.shape == (3, 3, 3, 16)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert (vectors[:, one] - vectors[:, other]).abs().amax(dim=-1).min() > 1e-3
    assert (vectors[0] - vectors[1]).abs().amax(dim=-1).min() > 1e-3, "the query has a say too"
    hidden = torch.randn(3, 3, 16)
    expected = (vectors @ hidden[..., None])[..., 0] + head.outputs[2].bias
    torch.testing.assert_close(head(hidden, memory.asked, 2, states), expected)


@torch.no_grad()
def test_a_prefix_that_no_identifier_has_tells_a_prefix_adaptive_head_nothing() -> None:
    decoder = decoder_of(uneven_trie(), "prefix-adaptive").eval()
    head, asked = decoder.head, decoder.look_at(encoded()).asked
    nowhere = torch.full((3, 1), -1)
    torch.testing.assert_close(head.factors(asked, 2, nowhere), head.factors(asked, 0, torch.zeros_like(nowhere)))


@torch.no_grad()
def test_an_additive_head_starts_as_the_search_by_the_sums_of_codes() -> None:
    drawn = torch.randn(50, ENCODER_DIMENSION, generator=torch.Generator().manual_seed(0))
    vectors = functional.normalize(drawn, dim=1)
    identifiers = Identifiers.of(np.random.default_rng(0).integers(0, 5, (50, 3)))
    start = additive_start(identifiers, vectors.numpy(), ENCODER_DIMENSION)
    sums = sum(book[tokens] for book, tokens in zip(start.books, identifiers.tokens.T, strict=True))
    left = vectors.numpy().copy()  # each level's codes are the means of what the levels before it left
    for book, tokens in zip(start.books, identifiers.tokens.T, strict=True):
        for token in range(5):
            np.testing.assert_allclose(book[token], left[tokens == token].mean(axis=0), atol=1e-6)
        left -= book.numpy()[tokens]
    np.testing.assert_allclose(vectors.numpy() - left, sums, atol=1e-6)
    trie = identifiers.trie()
    decoder = decoder_of(trie, "additive", start=start).eval()
    queries = encoded()
    asked = functional.normalize(queries.means(), dim=1)
    expected = 20 * asked @ torch.as_tensor(sums).T
    found = exact_scores(decoder.stepper(queries), trie.on("cpu"), normalise="none")
    beams = beam_search(decoder.stepper(queries), trie.on("cpu"), trie.groups, normalise="none")
    for query, (items, scores) in enumerate(items_of(beams, trie)):
        np.testing.assert_allclose(scores, expected[query, items], atol=1e-4)
        assert (np.diff(scores) <= 0).all()
    torch.testing.assert_close(found.amax(dim=1), expected.amax(dim=1), atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("head", HEADS)
def test_the_scores_of_several_documents_at_once_are_those_of_each_alone(head: DocumentHead) -> None:
    trie, queries = uneven_trie(), encoded()
    decoder = decoder_of(trie, head).eval()
    sequences = sequences_of(trie)
    found = decoder.scores(queries, sequences.expand(3, -1, -1))
    assert (found[:, sequences < 0] == 0).all()
    exact = exact_scores(decoder.stepper(queries), trie.on("cpu"), normalise="none")
    torch.testing.assert_close(found.sum(dim=-1), exact)


@pytest.mark.parametrize("few", [0, 1000], ids=["gathered", "multiplied by all"])
@torch.no_grad()
def test_the_logits_of_a_prefix_are_inner_products_with_its_childrens_vectors(
    few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrievers.generative.heads._FEW", few)
    tables = uneven_trie().on("cpu")
    head = PrefixHead(16, tables, None)
    head.bias.normal_()
    hidden, states = torch.randn(4, 16), torch.tensor([1, 3, 2, -1])
    logits = head(hidden, None, 1, states)
    for row, state in enumerate(states):
        for token in range(7):
            child = int(tables.advance(state, torch.tensor(token)))
            expected = head.vectors[child - 1] @ head.project(hidden[row]) + head.bias[child - 1]
            assert logits[row, token] == (pytest.approx(float(expected), abs=1e-5) if child >= 0 else -torch.inf)


def test_started_from_centroids_it_follows_the_nearest_ones_before_it_is_trained() -> None:
    vectors = torch.randn(50, ENCODER_DIMENSION, generator=torch.Generator().manual_seed(0))
    vectors = functional.normalize(vectors, dim=1)
    trie = semantic(vectors.numpy(), branch=3, leaf_size=4).trie()
    decoder = decoder_of(trie, "prefix", start=prefix_start(trie, vectors.numpy(), ENCODER_DIMENSION, 0)).eval()
    queries = Encoded(vectors[:, None] * 3, torch.ones(50, 1, dtype=torch.bool))
    scores = exact_scores(decoder.stepper(queries), trie.on("cpu"))
    sizes = torch.tensor([len(branch) for branch in branches(trie)])
    nearest = vectors @ torch.from_numpy(centroids(trie, vectors.numpy()))[1:4].T
    first = (nearest * 20 + sizes.log()).log_softmax(dim=1)
    reached = torch.stack([scores[:, branch].logsumexp(dim=1) for branch in branches(trie)], dim=1)
    torch.testing.assert_close(reached, first, atol=1e-4, rtol=1e-4)
    found = [items[0] for items, _ in items_of(beam_search(decoder.stepper(queries), trie.on("cpu"), 50), trie)]
    assert np.mean(np.array(found) == np.arange(50)) > 0.9


def test_the_spread_of_a_clusters_documents_raises_it_as_the_variance_of_their_cosines_does() -> None:
    """Against the variance itself: the log of a mean of exp(x) is about the mean of x and half its variance."""
    drawn = torch.randn(60, ENCODER_DIMENSION, generator=torch.Generator().manual_seed(0))
    vectors = functional.normalize(1 + drawn / 2)  # alike, as sentences of one subject are
    trie = semantic(vectors.numpy(), branch=3, leaf_size=8).trie()
    start = prefix_start(trie, vectors.numpy(), ENCODER_DIMENSION, rank=ENCODER_DIMENSION)
    decoder = decoder_of(trie, "prefix", start=start).eval()
    products = vectors @ vectors.T
    documents = [trie.items[branch] for branch in branches(trie)]
    expected = torch.stack(
        [
            20 * products[:, below].mean(dim=1)
            + np.log(len(below))
            + 200 * products[:, below].var(dim=1, unbiased=False)
            for below in documents
        ],
        dim=1,
    )
    queries = Encoded(vectors[:, None] * 3, torch.ones(60, 1, dtype=torch.bool))
    scores = exact_scores(decoder.stepper(queries), trie.on("cpu"))
    reached = torch.stack([scores[:, branch].logsumexp(dim=1) for branch in branches(trie)], dim=1)
    torch.testing.assert_close(reached, expected.log_softmax(dim=1), atol=1e-3, rtol=1e-3)
    exact = torch.stack([(20 * products[:, below]).logsumexp(dim=1) for below in documents], dim=1)
    first_order = prefix_start(trie, vectors.numpy(), ENCODER_DIMENSION, 0)
    before = exact_scores(decoder_of(trie, "prefix", start=first_order).eval().stepper(queries), trie.on("cpu"))
    lesser = torch.stack([before[:, branch].logsumexp(dim=1) for branch in branches(trie)], dim=1)
    wanted = exact.log_softmax(dim=1)
    assert (reached - wanted).abs().mean() < (lesser - wanted).abs().mean()


def test_a_start_without_vectors_has_the_shape_of_the_one_that_it_stands_for() -> None:
    vectors = np.random.default_rng(0).standard_normal((60, ENCODER_DIMENSION)).astype(np.float32)
    for trie in (semantic(vectors, branch=3, leaf_size=8).trie(), atomic(60).trie()):
        for rank in (0, 2, 100):
            made, empty = (prefix_start(trie, given, ENCODER_DIMENSION, rank) for given in (vectors, None))
            assert [one.shape for one in made] == [one.shape for one in empty]
            assert torch.equal(made.owners, empty.owners)


def branches(trie: Trie) -> list[list[int]]:
    """The groups under each of the first level's states."""
    firsts = sequences_of(trie)[:, 0]
    return [(firsts == token).nonzero()[:, 0].tolist() for token in range(3)]


def test_atomic_identifiers_without_layers_are_a_linear_classifier_of_the_mean_state() -> None:
    trie, queries = atomic(30).trie(), encoded()
    decoder = decoder_of(trie, layers=0).eval()
    scores = exact_scores(decoder.stepper(queries), trie.on("cpu"))
    means = torch.stack([states[mask].mean(dim=0) for states, mask in zip(*queries, strict=True)])
    hidden = decoder.norm(decoder.start + decoder.project_mean(means))
    torch.testing.assert_close(scores, decoder.head.outputs[0](hidden).log_softmax(dim=1))
    beams = beam_search(decoder.stepper(queries), trie.on("cpu"), 5)
    assert beams.groups.tolist() == scores.topk(5).indices.tolist()


@pytest.mark.parametrize("head", HEADS)
def test_learns_which_query_asks_for_which_item(head: DocumentHead) -> None:
    trie, queries = uneven_trie(), encoded(6, 8)
    targets = sequences_of(trie)
    decoder = decoder_of(trie, head, layers=1)
    optimizer = torch.optim.Adam(decoder.parameters(), lr=0.01)
    torch.manual_seed(0)
    for _ in range(40):
        optimizer.zero_grad()
        decoder.loss(queries, targets, label_smoothing=0.05).backward()
        optimizer.step()
    beams = beam_search(decoder.eval().stepper(queries), trie.on("cpu"), 3)
    assert beams.groups[:, 0].tolist() == list(range(6))
    assert (beams.log_probs[:, 0] > np.log(0.5)).all()


def test_the_loss_is_the_mean_over_tokens_with_the_librarys_label_smoothing() -> None:
    trie, queries = uneven_trie(), encoded(6, 8)
    decoder = decoder_of(trie).eval()
    targets = sequences_of(trie)
    by_level = []
    for level in range(3):
        rows = targets[:, level] >= 0
        stepper = decoder.stepper(Encoded(queries.states[rows], queries.mask[rows]))
        logits = stepper.start()
        for before in range(level):
            logits = stepper.step(targets[rows, before, None], torch.zeros_like(targets[rows, before, None]))[:, 0]
        wanted = targets[rows, level]
        by_level.append(functional.cross_entropy(logits, wanted, label_smoothing=0.1, reduction="none"))
    torch.testing.assert_close(decoder.loss(queries, targets, label_smoothing=0.1), torch.cat(by_level).mean())


@pytest.mark.parametrize("head", HEADS)
def test_the_seed_decides_all_weights_and_nothing_else_is_disturbed(head: DocumentHead) -> None:
    state = torch.random.get_rng_state()
    one, same, other = (decoder_of(uneven_trie(), head, seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["start"], other["start"])


@pytest.mark.parametrize("head", HEADS)
def test_answers_the_same_after_it_was_saved_and_loaded(head: DocumentHead, tmp_path: Path) -> None:
    trie = uneven_trie()
    before, after = decoder_of(trie, head, seed=1).eval(), decoder_of(trie, head, seed=2).eval()
    save_model(before, str(tmp_path / "decoder.safetensors"))
    load_model(after, str(tmp_path / "decoder.safetensors"))
    found = [exact_scores(decoder.stepper(encoded()), trie.on("cpu")) for decoder in (before, after)]
    assert torch.equal(*found)


def test_refuses_options_that_do_not_fit() -> None:
    trie = uneven_trie()
    with pytest.raises(BenchError, match="layers=0 fits identifiers of one token, not of 3"):
        decoder_of(trie, layers=0)
    with pytest.raises(BenchError, match="heads=3 does not divide dimension=16"):
        Decoder(DecoderOptions(dimension=16, heads=3), trie.on("cpu"), ENCODER_DIMENSION)
    with pytest.raises(BenchError, match="cannot start a head"):
        decoder_of(trie, "prefix", start=prefix_start(trie, None, 5, 0))
