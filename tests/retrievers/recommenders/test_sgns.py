"""SGNS: its loss and its draws against the formulas, and what goes with what or stands for what."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from same_answers import check_saved, check_seeded

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.tasks.complements import Complements
from retrievers.recommenders.item_pairs import Pairs, WithSynthetic, keeping
from retrievers.recommenders.options import SyntheticOptions
from retrievers.recommenders.sgns import SGNS
from retrievers.recommenders.skip_gram import SkipGram

MakeSequences = Callable[..., Collection]

TINY: dict[str, Any] = {
    "dimension": 8,
    "training": {"epochs": 30, "learning_rate": 0.05, "training_batch": 64, "negatives": 4, "patience": 30},
}
SEQUENCES = [np.array([0, 1, 2, 1]), np.array([3, 4])]
ALL = np.ones(5)


@pytest.fixture
def shop(make_sequences: MakeSequences) -> Collection:
    """A cup goes with a tea, a glass with a juice; nobody has two of one kind."""
    draws = np.random.default_rng(0)
    kinds = [("cup", "tea"), ("glass", "juice")]
    baskets = {}
    for user in range(400):
        ware, drink = kinds[user % 2]
        fillers = [f"filler-{number}" for number in draws.permutation(6)[:3]]
        basket = [f"{ware}-{draws.integers(3)}", f"{drink}-{draws.integers(3)}", *fillers]
        baskets[f"u{user}"] = [basket[place] for place in draws.permutation(5)]
    return make_sequences(baskets)


def fitted(collection: Collection, **options: Any) -> SGNS:
    return SGNS(**{**TINY, **options}).fit(collection.training_view())


def test_the_loss_is_of_the_pair_and_of_each_negative() -> None:
    torch.manual_seed(0)
    model = SkipGram(5, 3)
    torch.nn.init.normal_(model.output.weight)
    items, others, negatives = torch.tensor([0, 2]), torch.tensor([1, 3]), torch.tensor([[4, 2], [0, 1]])
    asking, against = (table.weight.detach().numpy().astype(np.float64) for table in (model.input, model.output))
    losses = []
    for item, other, drawn in zip(items.tolist(), others.tolist(), negatives.tolist(), strict=True):
        loss = np.log(1 + np.exp(-asking[item] @ against[other]))
        losses.append(loss + sum(np.log(1 + np.exp(asking[item] @ against[one])) for one in drawn))
    assert float(model.loss(items, others, negatives).detach()) == pytest.approx(np.mean(losses), rel=1e-6)


@pytest.mark.parametrize(
    ("window", "only_after", "expected"),
    [
        (0, False, {(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1), (3, 4), (4, 3)}),
        (1, False, {(0, 1), (1, 0), (1, 2), (2, 1), (3, 4), (4, 3)}),
        (0, True, {(0, 1), (0, 2), (1, 2), (2, 1), (3, 4)}),
        (1, True, {(0, 1), (1, 2), (2, 1), (3, 4)}),
    ],
)
def test_pairs_are_of_different_items_of_one_window(
    window: int, only_after: bool, expected: set[tuple[int, int]]
) -> None:
    pairs, generator = Pairs(SEQUENCES, window, only_after, 2, ALL), np.random.default_rng(0)
    drawn = Counter[tuple[int, int]]()
    for _ in range(200):
        items, others = pairs.drawn(generator)
        assert len(items) <= pairs.most == 12
        drawn.update(zip(items.tolist(), others.tolist(), strict=True))
    assert drawn.keys() == expected


def test_all_of_a_window_are_drawn_alike() -> None:
    pairs, generator = Pairs([np.arange(5)], 2, False, 1000, ALL), np.random.default_rng(0)
    items, others = pairs.drawn(generator)
    of_middle = np.bincount(others[items == 2], minlength=5) / 1000
    assert of_middle[[0, 1, 3, 4]] == pytest.approx(0.2, abs=0.04)  # a fifth is the item itself, and no pair


def test_frequent_items_are_passed_over() -> None:
    counts = np.array([0, 1, 9, 90])
    assert keeping(counts, 0).tolist() == [1, 1, 1, 1]
    assert keeping(counts, 0.09).tolist() == pytest.approx([1, 1, 1, np.sqrt(0.1)])
    pairs = Pairs([np.array([0, 1, 0, 2])], 0, False, 50, np.array([0.0, 1, 1]))
    items, others = pairs.drawn(np.random.default_rng(0))
    assert set(zip(items.tolist(), others.tolist(), strict=True)) == {(1, 2), (2, 1)}


VECTORS = np.array([[1.0, 0], [0, 1], [0.9, 0.1], [0.1, 0.9], [0, 0], [1, 0.1]])
"""Of six items: 2 and 5 are like 0, 3 is like 1, 4 has no text."""


def test_rare_items_go_with_what_goes_with_items_of_like_texts() -> None:
    pairs = Pairs([np.array([0, 1, 0, 1, 3])], 1, False, 20, np.ones(6))
    counts = np.array([2, 2, 0, 1, 0, 0])
    both = WithSynthetic(pairs, VECTORS, counts, 20, SyntheticOptions(below=2, neighbours=1))
    items, others = both.drawn(np.random.default_rng(0))
    assert len(items) <= both.most == pairs.most + 3 * 40
    found = set(zip(items.tolist(), others.tolist(), strict=True))
    assert found == {(0, 1), (1, 0), (1, 3), (3, 1)} | {(2, 1), (5, 1)} | {(3, 0)}
    assert (items == 2).sum() == 40


def test_without_frequent_items_there_are_no_synthetic_pairs() -> None:
    pairs = Pairs([np.array([0, 1])], 1, False, 2, np.ones(6))
    both = WithSynthetic(pairs, VECTORS, np.array([1, 1, 0, 0, 0, 0]), 2, SyntheticOptions(below=9))
    assert both.most == pairs.most
    for found, expected in zip(
        both.drawn(np.random.default_rng(0)), pairs.drawn(np.random.default_rng(0)), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_an_item_that_training_lacks_goes_with_what_goes_with_its_like(make_sequences: MakeSequences) -> None:
    baskets = {f"u{n}": ["open a file", "read a file", "close a file", "sort a list"] for n in range(20)}
    baskets |= {f"v{n}": ["bake some bread", "cut some bread", "eat some bread", "sort a list"] for n in range(20)}
    collection = make_sequences(
        {**baskets, "new": ["sort a list", "eat some bread", "open a folder", "open a folder"]}
    )
    system = fitted(collection, synthetic={"below": 2, "neighbours": 1})
    rows = collection.documents.rows
    (scores,) = system.scores([np.array([rows["open a folder"]])])
    assert scores[rows["read a file"]] > scores[rows["cut some bread"]]
    assert system.weights()
    assert not SGNS().weights()


def test_complements_stand_together_and_substitutes_beside_the_same(shop: Collection) -> None:
    system = fitted(shop)
    rows, asked = shop.documents.rows, [Query("q", "", ("cup-1",))]
    teas, cups = ([rows[f"{kind}-{number}"] for number in range(3)] for kind in ("tea", "cup"))
    goes_with = system.scores(system.read(asked))[0]
    others = [row for item, row in rows.items() if item.startswith(("juice", "glass", "cup"))]
    assert goes_with[teas].min() > goes_with[others].max()
    system.scored_by = "substitutes"
    like = system.scores(system.read(asked))[0]
    others = [row for item, row in rows.items() if item.startswith(("juice", "glass", "tea"))]
    assert like[cups].min() > like[others].max()


def test_two_tables_find_more_complements_than_one(shop: Collection) -> None:
    exam, system = Complements().on(shop), fitted(shop)
    found = {}
    for how in ("complements", "substitutes"):
        system.scored_by = how
        evaluation = exam.evaluate(system.retrieve(exam.queries, exam.reach))
        found[how] = evaluation.figures[0].value
    assert found["complements"] > found["substitutes"] + 0.1


@pytest.mark.parametrize("scored_by", ["complements", "substitutes"])
def test_what_no_pair_has_taught_is_neither_asked_with_nor_answered(
    make_sequences: MakeSequences, scored_by: str
) -> None:
    """Its vectors are those of the start, of which the outputs are zeros: more than most items' that are learned."""
    names = [f"item {number}" for number in range(6)]
    walks = {f"u{n}": [names[(n + step) % 6] for step in range(5 + n % 3)] for n in range(18)}
    walks["new"] = [*names[:4], "unheard of"]
    collection = make_sequences(walks)
    system = fitted(collection, scored_by=scored_by)
    new = collection.documents.rows["unheard of"]
    queries = [Query("a", "", (names[0],)), Query("b", "", (names[0], "unheard of")), Query("c", "", ("unheard of",))]
    answers = system.retrieve(queries, 7)
    assert answers.lengths.tolist() == [6, 6, 0]
    assert new not in answers.rows.tolist()
    np.testing.assert_array_equal(answers.of(0)[1], answers.of(1)[1])
    assert system.facts()["items_never_learned"] == {"input": 1, "output": 1}


def test_the_latest_items_ask_with_their_mean(shop: Collection) -> None:
    system = fitted(shop, latest=2, training={**TINY["training"], "epochs": 1})
    three, two = system.scores([np.array([5, 0, 1]), np.array([0, 1])])
    np.testing.assert_array_equal(three, two)
    first, second = system.scores([np.array([0]), np.array([1])])
    np.testing.assert_allclose(two, (first + second) / 2, atol=1e-6)


def test_the_seed_decides(shop: Collection) -> None:
    check_seeded(lambda seed: fitted(shop, training={**TINY["training"], "epochs": 1}, seed=seed), shop.queries())


def test_a_saved_system_answers_as_before(shop: Collection, tmp_path: Path) -> None:
    check_saved(fitted(shop, training={**TINY["training"], "epochs": 1}), SGNS(**TINY), shop.queries(), tmp_path)


def test_a_history_without_a_known_item_gets_no_answer(shop: Collection) -> None:
    system = fitted(shop, training={**TINY["training"], "epochs": 1})
    assert system.retrieve([Query("a", "", ("elsewhere",)), Query("b", "", ("cup-1",))], 3).lengths.tolist() == [0, 3]


def test_sequences_of_one_item_each_teach_nothing(make_sequences: MakeSequences) -> None:
    alone = make_sequences({f"u{n}": [f"item-{n}"] * 5 for n in range(4)})
    with pytest.raises(BenchError, match="no two different items stand together"):
        fitted(alone)
