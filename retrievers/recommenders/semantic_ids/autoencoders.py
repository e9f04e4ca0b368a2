"""Codebooks learned by gradient, of the item vectors themselves or of what an autoencoder makes of them."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from retrievers.clustering import k_means
from retrievers.recommenders.semantic_ids.descent import Training, train
from retrievers.recommenders.semantic_ids.quantisers import PartsQuantiser, Quantiser, ResidualQuantiser, Rules
from retrievers.residual import residual_k_means

_HIDDEN = 256


class Encoded(NamedTuple):
    """Item vectors as an autoencoder sees them.

    latents: float32 of shape [items, latent]
    books: the codebook of each level
    decoder: makes vectors of shape [items, dimension] of latents
    """

    latents: np.ndarray
    books: list[np.ndarray]
    decoder: nn.Module

    @torch.no_grad()
    def decode(self, latents: np.ndarray) -> np.ndarray:
        """The item vectors that latents, of shape [items, latent], stand for."""
        return self.decoder(torch.from_numpy(latents)).numpy()


class AutoEncoder(nn.Module):
    """Between `encoder` and `decoder`, the codes nearest to the latent take its place."""

    def __init__(self, encoder: nn.Module, quantiser: Quantiser, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.quantiser, self.decoder = encoder, quantiser, decoder

    def loss(self, vectors: Tensor) -> Tensor:
        described, codebook_loss = self.quantiser(self.encoder(vectors))
        return functional.mse_loss(self.decoder(described), vectors) + codebook_loss

    def pass_ended(self) -> None:
        self.quantiser.revive()

    @torch.no_grad()
    def encoded(self, vectors: Tensor) -> Encoded:
        books = [book.detach().numpy().copy() for book in self.quantiser.books]
        return Encoded(self.encoder(vectors).numpy(), books, self.decoder)


def residual_vq(
    vectors: np.ndarray, levels: int, codes: int, rules: Rules, training: Training, normalise: bool = False
) -> Encoded:
    """Residual k-means' codebooks of the vectors, refined together by gradient (Ju et al. 2025, arXiv 2507.22224)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        books = residual_k_means(vectors, levels, codes, training.seed, normalise)
        model = AutoEncoder(nn.Identity(), ResidualQuantiser(books, rules, normalise), nn.Identity())
        return _trained(model, vectors, training)


def rq_vae(vectors: np.ndarray, levels: int, codes: int, latent: int, rules: Rules, training: Training) -> Encoded:
    """An autoencoder with residual codebooks, which start by k-means of all items (TIGER, arXiv 2305.05065)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        encoder, decoder = _networks(vectors.shape[1], latent)
        books = residual_k_means(_latents(encoder, vectors), levels, codes, training.seed)
        return _trained(AutoEncoder(encoder, ResidualQuantiser(books, rules), decoder), vectors, training)


def vq_vae(vectors: np.ndarray, levels: int, codes: int, latent: int, rules: Rules, training: Training) -> Encoded:
    """An autoencoder with a codebook for each of `levels` parts of its latent (van den Oord et al. 2017).

    The parts share the `latent` dimensions evenly, and have one at least.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        encoder, decoder = _networks(vectors.shape[1], max(1, latent // levels) * levels)
        parts = np.split(_latents(encoder, vectors), levels, axis=1)
        books = [
            k_means(
                np.ascontiguousarray(part), min(codes, len(part)), training.seed + level, near_mean=True
            ).centroids
            for level, part in enumerate(parts)
        ]
        return _trained(AutoEncoder(encoder, PartsQuantiser(books, rules), decoder), vectors, training)


def _networks(dimension: int, latent: int) -> tuple[nn.Module, nn.Module]:
    def network(*sizes: int) -> nn.Module:
        first, hidden, last = sizes
        return nn.Sequential(nn.Linear(first, hidden), nn.ReLU(), nn.Linear(hidden, last))

    return network(dimension, _HIDDEN, latent), network(latent, _HIDDEN, dimension)


@torch.no_grad()
def _latents(encoder: nn.Module, vectors: np.ndarray) -> np.ndarray:
    return encoder(torch.from_numpy(vectors)).numpy()


def _trained(model: AutoEncoder, vectors: np.ndarray, training: Training) -> Encoded:
    items = torch.from_numpy(vectors)
    train(model, items, training)
    return model.encoded(items)
