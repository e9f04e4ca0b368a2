"""Items whose vectors a network makes of something: once for all questions, when nothing is learned any more."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from bench.collections.collection import Collection
from retrievers.recommenders.ilm import ILM
from retrievers.recommenders.item_queries import QueriedItems
from retrievers.recommenders.next_item import MadeItems
from retrievers.recommenders.piece_table import PieceTable
from retrievers.recommenders.sequential import NextItemRecommender
from retrievers.recommenders.sid_features import SIDFeatures
from retrievers.recommenders.towers import FeaturedItems
from retrievers.recommenders.two_tower import TwoTower

MakeSequences = Callable[..., Collection]

WORDS = ["add two numbers", "compress a file", "draw a number", "join two paths", "read a line", "sort a list"]
TRAINING = {"epochs": 2, "training_batch": 16}


@pytest.mark.parametrize(
    ("system", "items"),
    [
        (ILM(dimension=16, training=TRAINING), QueriedItems),
        (TwoTower(dimension=16, training=TRAINING), FeaturedItems),
        (SIDFeatures(dimension=16, tokenizer={"codes": 4, "levels": 2}, training=TRAINING), PieceTable),
    ],
    ids=["ilm", "two-tower", "sid-features"],
)
def test_items_are_made_for_the_last_time_at_the_end_of_training_or_when_loaded(
    system: NextItemRecommender,
    items: type[MadeItems],
    make_sequences: MakeSequences,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    walks = {f"u{start}": [WORDS[(start + step) % len(WORDS)] for step in range(5)] for start in range(12)}
    collection = make_sequences(walks)
    system.fit(collection.training_view())
    system.save(tmp_path)
    loaded = type(system)(**system.options())
    loaded.load(tmp_path)
    expected = system.copied_network().eval().scores([np.array([0, 1])]).detach()

    def again(_: Any) -> Tensor:
        raise AssertionError("the items were made again")

    monkeypatch.setattr(items, "make", again)
    for one in (system, loaded):
        np.testing.assert_allclose(one.scores([np.array([0, 1])]), expected, atol=1e-6)
