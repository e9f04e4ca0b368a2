"""Codebooks learned by gradient: their losses by hand, dead codes, and where they start."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from bench.progress import no_progress
from retrievers.clustering import nearest
from retrievers.recommenders.semantic_ids.autoencoders import Encoded, residual_vq, rq_vae, vq_vae
from retrievers.recommenders.semantic_ids.descent import Training, train
from retrievers.recommenders.semantic_ids.quantisers import PartsQuantiser, ResidualQuantiser, Rules
from retrievers.residual import decoded, quantise, residual_k_means

BOOKS = [np.array([[1.0, 0], [0, 1]], dtype=np.float32), np.array([[0.5, 0], [0, -0.5]], dtype=np.float32)]
VECTORS = torch.tensor([[1.4, 0.1], [0.2, 0.8], [0.9, -0.6]])


def training(steps: int, seed: int = 0) -> Training:
    return Training(steps, 3e-3, seed, no_progress)


@pytest.fixture(scope="module")
def clustered() -> np.ndarray:
    """Four hundred vectors around ten far-apart points, standardised."""
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((10, 16)) * 4
    vectors = (centres[generator.integers(0, 10, 400)] + generator.standard_normal((400, 16)) / 4).astype(np.float32)
    return (vectors - vectors.mean(axis=0)) / vectors.std()


def test_the_residual_loss_is_that_of_the_paper() -> None:
    described, loss = ResidualQuantiser(BOOKS, Rules(commitment=0.25, revive=False))(VECTORS)
    expected = 0.0
    for vector, sum_of_codes in zip(VECTORS.numpy(), described.detach().numpy(), strict=True):
        rest = vector
        for book in BOOKS:
            code = book[((book - rest) ** 2).sum(axis=1).argmin()]
            expected += 1.25 * float(((rest - code) ** 2).mean()) / len(VECTORS)
            rest = rest - code
        np.testing.assert_allclose(sum_of_codes, vector - rest, atol=1e-6)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_parts_have_codes_of_their_own() -> None:
    books = [np.array([[0.0], [1.0]], dtype=np.float32), np.array([[-0.5], [0.5]], dtype=np.float32)]
    described, _ = PartsQuantiser(books, Rules(0.25, False))(VECTORS)
    torch.testing.assert_close(described, torch.tensor([[1.0, 0.5], [0.0, 0.5], [1.0, -0.5]]))


def test_the_gradient_of_what_follows_passes_straight_through() -> None:
    vectors = VECTORS.clone().requires_grad_()
    described, _ = ResidualQuantiser(BOOKS, Rules(0.25, False))(vectors)
    (described * torch.tensor([1.0, 2.0])).sum().backward()
    torch.testing.assert_close(vectors.grad, torch.tensor([[1.0, 2.0]]).expand(3, 2))


def test_codes_are_drawn_to_vectors_and_vectors_to_codes() -> None:
    vectors = torch.tensor([[1.2, 0.0]], requires_grad=True)
    quantiser = PartsQuantiser(BOOKS[:1], Rules(commitment=0.5, revive=False))
    _, loss = quantiser(vectors)
    loss.backward()
    torch.testing.assert_close(vectors.grad, torch.tensor([[0.5 * 0.2, 0.0]]))
    torch.testing.assert_close(quantiser.books[0].grad, torch.tensor([[-0.2, 0.0], [0.0, 0.0]]))


def test_only_codes_that_went_unused_are_moved_to_vectors() -> None:
    far = np.array([[1.0, 0], [50, 50], [0, 1], [70, 70]], dtype=np.float32)
    quantiser = PartsQuantiser([far], Rules(0.25, revive=True))
    quantiser(VECTORS)
    quantiser.revive()
    book = quantiser.books[0].detach()
    torch.testing.assert_close(book[[0, 2]], torch.from_numpy(far[[0, 2]]))
    assert all(any(torch.equal(code, vector) for vector in VECTORS) for code in book[[1, 3]])
    kept = PartsQuantiser([far], Rules(0.25, revive=False))
    kept(VECTORS)
    kept.revive()
    torch.testing.assert_close(kept.books[0].detach(), torch.from_numpy(far))


def used(encoded: Encoded) -> int:
    """Codes of all levels that some item has."""
    return sum(len(np.unique(level)) for level in quantise(encoded.latents, encoded.books)[0].T)


def test_revival_leaves_fewer_codes_unused(clustered: np.ndarray) -> None:
    with_revival, without = (
        rq_vae(clustered, 2, 64, 8, Rules(0.25, revive), training(120)) for revive in (True, False)
    )
    assert used(with_revival) > used(without)


def test_rq_vae_starts_with_codebooks_of_all_items(clustered: np.ndarray) -> None:
    encoded = rq_vae(clustered, 2, 10, 8, Rules(0.25, True), training(0))
    expected = residual_k_means(encoded.latents, 2, 10, 0)
    for book, of_k_means in zip(encoded.books, expected, strict=True):
        np.testing.assert_allclose(book, of_k_means)


def test_vq_vae_codes_parts_of_the_latent(clustered: np.ndarray) -> None:
    encoded = vq_vae(clustered, 3, 10, 8, Rules(0.25, True), training(0))
    assert encoded.latents.shape == (400, 6)  # the 8 asked for, shared evenly by 3
    assert [book.shape for book in encoded.books] == [(10, 2)] * 3
    assert vq_vae(clustered, 3, 10, 1, Rules(0.25, True), training(0)).latents.shape == (400, 3)


def test_refined_codebooks_describe_better_than_k_means_alone(clustered: np.ndarray) -> None:
    def left(encoded: Encoded) -> float:
        tokens, _ = quantise(encoded.latents, encoded.books)
        return float(np.square(decoded(tokens, encoded.books)[-1] - clustered).mean())

    start, end = (residual_vq(clustered, 2, 8, Rules(0.25, True), training(steps)) for steps in (0, 150))
    np.testing.assert_array_equal(end.latents, clustered)
    assert left(end) < left(start)


def test_refining_scaled_residuals_brings_codes_nearer(clustered: np.ndarray) -> None:
    def apart(encoded: Encoded) -> float:
        _, given = quantise(encoded.latents, encoded.books, normalise=True)
        return float(np.square(given - encoded.books[-1][nearest(given, encoded.books[-1])]).mean())

    start, end = (residual_vq(clustered, 2, 8, Rules(0.25, True), training(n), True) for n in (0, 100))
    assert apart(end) < apart(start)


def test_a_trained_autoencoder_describes_the_clusters(clustered: np.ndarray) -> None:
    encoded = rq_vae(clustered, 2, 16, 8, Rules(0.25, True), training(300))
    tokens, _ = quantise(encoded.latents, encoded.books)
    assert np.square(encoded.decode(decoded(tokens, encoded.books)[-1]) - clustered).mean() < 0.1


def test_training_leaves_the_global_generator_alone(clustered: np.ndarray) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    rq_vae(clustered, 1, 4, 4, Rules(0.25, True), training(2))
    torch.testing.assert_close(torch.rand(3), expected)


class Mean(torch.nn.Module):
    """Learns the mean of what it is shown, and counts."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = torch.nn.Parameter(torch.zeros(1))
        self.seen: list[int] = []
        self.passes = 0

    def loss(self, vectors: torch.Tensor) -> torch.Tensor:
        self.seen.extend(vectors[:, 0].int().tolist())
        return functional.mse_loss(self.mean.expand_as(vectors), vectors)

    def pass_ended(self) -> None:
        self.passes += 1


def test_a_pass_is_over_every_item_and_only_whole_passes_end() -> None:
    model = Mean()
    items = torch.arange(2500.0)[:, None]
    train(model, items, training(7))
    assert sorted(model.seen[:2500]) == sorted(model.seen[2500:5000]) == list(range(2500))
    assert model.seen[:2500] != model.seen[2500:5000]
    assert len(model.seen) == 2 * 2500 + 834  # batches are equally large, so that none is of a few items
    assert model.passes == 2
