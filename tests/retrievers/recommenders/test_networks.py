"""The networks of sequence models: against their equations, and what their states may see."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from retrievers.recommenders.gated_attention import GatedAttention
from retrievers.recommenders.gru4rec import GRU4Rec
from retrievers.recommenders.hstu import HSTU
from retrievers.recommenders.next_item import ItemTable, NextItemModel
from retrievers.recommenders.recurrent import Recurrent
from retrievers.recommenders.sequential import SequentialRecommender
from retrievers.recommenders.transformer import Block, LiGR, Shape, Transformer

SHAPE = Shape(items=12, dimension=8, layers=1, heads=2, longest=6, dropout=0.0, expansion=2)

NETWORKS: dict[str, Callable[[], NextItemModel]] = {
    "sasrec": lambda: Transformer(SHAPE),
    "esasrec": lambda: Transformer(SHAPE._replace(block="ligr")),
    "gru4rec": lambda: Recurrent(ItemTable(12, 8), 1, 6, 0.0),
    "hstu": lambda: GatedAttention(ItemTable(12, 8), 2, 2, 6, 0.0),
}

Weights = dict[str, np.ndarray]


def seeded(make: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    torch.manual_seed(0)
    made = make().eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight += 0.1 * torch.randn_like(weight)
    return made


def of(module: torch.nn.Module) -> Weights:
    return {name: weight.detach().numpy().astype(np.float64) for name, weight in module.named_parameters()}


def linear(x: np.ndarray, weights: Weights, name: str) -> np.ndarray:
    return x @ weights[f"{name}.weight"].T + weights.get(f"{name}.bias", 0.0)


def norm(x: np.ndarray, weights: Weights, name: str) -> np.ndarray:
    scaled = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def attended(asking: np.ndarray, asked: np.ndarray, weights: Weights, heads: int) -> np.ndarray:
    """Softmax attention of one sequence, position by position and head by head."""
    length, dimension = asking.shape
    size = dimension // heads
    queries = linear(asking, weights, "attention.queries")
    keys, values = np.split(linear(asked, weights, "attention.keys_and_values"), 2, axis=-1)
    found = np.zeros((length, dimension))
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        for place in range(length):
            scores = keys[: place + 1, part] @ queries[place, part] / np.sqrt(size)
            shares = np.exp(scores) / np.exp(scores).sum()
            found[place, part] = shares @ values[: place + 1, part]
    return linear(found, weights, "attention.out")


@pytest.fixture
def x() -> np.ndarray:
    """One sequence's vectors, of shape [length, dimension]."""
    return np.random.default_rng(0).normal(size=(5, 8))


def run(module: torch.nn.Module, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return module(torch.tensor(x[None], dtype=torch.float32))[0].numpy()


def test_the_transformer_block_is_that_of_sasrecs_code(x: np.ndarray) -> None:
    block = seeded(lambda: Block(SHAPE))
    weights = of(block)
    normalised = norm(x, weights, "norms.0")
    middle = norm(normalised + attended(normalised, x, weights, 2), weights, "norms.1")
    hidden = np.maximum(linear(middle, weights, "feed_forward.0"), 0)
    expected = middle + linear(hidden, weights, "feed_forward.3")
    np.testing.assert_allclose(run(block, x), expected, atol=1e-5)


def test_ligr_gates_both_parts_by_the_input_as_it_is(x: np.ndarray) -> None:
    block = seeded(lambda: LiGR(SHAPE))
    weights = of(block)
    h = norm(x, weights, "norms.0")
    middle = x + sigmoid(linear(x, weights, "gates.0")) * attended(h, h, weights, 2)
    h = norm(middle, weights, "norms.1")
    gated = linear(h, weights, "gate")
    swiglu = linear(gated * sigmoid(gated) * linear(h, weights, "up"), weights, "down")
    expected = middle + sigmoid(linear(middle, weights, "gates.1")) * swiglu
    np.testing.assert_allclose(run(block, x), expected, atol=1e-5)


def test_a_layer_of_hstu_is_its_three_equations(x: np.ndarray) -> None:
    layer = seeded(lambda: GatedAttention(ItemTable(12, 8), 1, 2, 6, 0.0)).layers[0]
    weights = of(layer)
    parts = linear(norm(x, weights, "before"), weights, "parts")
    gate, values, queries, keys = np.split(parts * sigmoid(parts), 4, axis=-1)
    found = np.zeros_like(x)
    for head in (slice(0, 4), slice(4, 8)):
        for place in range(len(x)):
            for other in range(place + 1):
                score = queries[place, head] @ keys[other, head] + weights["distances"][place - other]
                found[place, head] += score * sigmoid(score) * values[other, head] / (place + 1)
    expected = x + linear(norm(found, weights, "after") * gate, weights, "out")
    np.testing.assert_allclose(run(layer, x), expected, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_state_does_not_see_what_comes_after_it_nor_padding(name: str) -> None:
    model = seeded(NETWORKS[name])
    first, second = model(torch.tensor([[1, 2, 3, 4]])), model(torch.tensor([[1, 2, 9, 0]]))
    torch.testing.assert_close(first[:, :2], second[:, :2])
    assert not torch.allclose(first[:, 2:], second[:, 2:])
    histories = [np.array([4]), np.array([1, 2, 3, 4, 5]), np.array([7, 8])]
    together = model.last_states(histories)
    alone = torch.cat([model.last_states([history]) for history in histories])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("kind", [GRU4Rec, HSTU])
def test_they_learn_what_comes_next(months: Collection, kind: type[SequentialRecommender]) -> None:
    training = {"training_batch": 16, "epochs": 20, "learning_rate": 0.02, "patience": 20}
    system = kind(dimension=16, dropout=0.1, loss="cross-entropy", training=training).fit(months.training_view())
    history = tuple(months.documents.ids([3, 4, 5]))
    rows, scores = system.retrieve([Query("q", "", history)], 12).of(0)
    assert next(row for row in rows[np.argsort(-scores)] if row not in (3, 4, 5)) == 6


def test_the_dimension_is_a_multiple_of_the_heads() -> None:
    with pytest.raises(BenchError, match="dimension 30 is no multiple of heads 4"):
        HSTU.from_options("hstu", {"dimension": 30, "heads": 4})
