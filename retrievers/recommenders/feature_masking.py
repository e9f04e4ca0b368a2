"""Which features of an item are hidden from a view of it: correlated ones together (Yao et al. 2021, section 3.2)."""

import numpy as np
import torch
from torch import Tensor


def most_correlated(features: np.ndarray) -> np.ndarray:
    """Shape [features, features]: for each feature all, itself first, then by their mutual information with it.

    features: int64 of shape [items, features], the value of each; equal information is ordered by number
    """
    count = features.shape[1]
    information = np.array([[mutual_information(one, other) for other in features.T] for one in features.T])
    information[np.diag_indices(count)] = np.inf
    return np.argsort(-information, axis=1, kind="stable")


def mutual_information(first: np.ndarray, second: np.ndarray) -> float:
    """In nats, of two features by their values on the same items, as they are counted."""
    pairs = np.stack([first, second], axis=1)
    return _entropy(first) + _entropy(second) - _entropy(np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1))


def _entropy(values: np.ndarray) -> float:
    shares = np.unique(values, return_counts=True)[1] / len(values)
    return float(-(shares * np.log(shares)).sum())


def correlated_halves(count: int, order: Tensor) -> Tensor:
    """Mask of shape [count, features]: each time the first half of a row of `order`, drawn at random."""
    seeds = torch.randint(len(order), (count,), device=order.device)
    return _first_half(order[seeds])


def random_halves(count: int, features: int, device: torch.device) -> Tensor:
    """Mask of shape [count, features]: each time a half of them, drawn at random."""
    return _first_half(torch.rand(count, features, device=device).argsort(dim=1))


def _first_half(order: Tensor) -> Tensor:
    half = order[:, : order.shape[1] // 2]
    return torch.zeros_like(order, dtype=torch.bool).scatter(1, half, value=True)
