"""SASRec over pieces of identifiers: its table, what it learns, and what it knows of items by pieces."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from merging import merged
from next_items import next_item_figures
from same_answers import check_saved, check_seeded, check_unknown, without_texts

from bench.collections.collection import Collection
from bench.errors import BenchError
from retrievers.recommenders.piece_table import PieceTable
from retrievers.recommenders.sid_features import SIDFeatures
from retrievers.recommenders.transformer import Shape, Transformer

MakeSequences = Callable[..., Collection]

TINY: dict[str, Any] = {
    "dimension": 16,
    "tokenizer": {"codes": 4, "levels": 3},
    "training": {"training_batch": 16, "epochs": 30, "learning_rate": 0.02},
}
PIECES = torch.tensor([[0, 2], [0, -1], [1, 2]])


def fitted(collection: Collection, **options: Any) -> SIDFeatures:
    return SIDFeatures(**merged(TINY, options)).fit(collection.training_view())


def test_an_item_is_the_sum_of_its_pieces() -> None:
    torch.manual_seed(0)
    network = Transformer(Shape(3, 8, 1, 2, 6, 0.0), PieceTable(PIECES, 3, 8, 0.0)).eval()
    weight = network.items.weight
    vectors = torch.stack([weight[0] + weight[2], weight[0], weight[1] + weight[2]])
    torch.testing.assert_close(
        network.items(torch.tensor([[2, 0, 3]]))[0], torch.stack([*vectors[[2, 0]], weight[3]])
    )
    assert not weight[3].any(), "no item"
    torch.testing.assert_close(network.items.compared, vectors)
    states = torch.randn(2, 8)
    torch.testing.assert_close(network.item_scores(states), states @ vectors.T)


def test_what_is_dropped_is_dropped_alike_where_items_are_read_and_compared() -> None:
    table = PieceTable(PIECES, 3, 64, 0.5).train()
    torch.nn.init.ones_(table.weight)
    torch.testing.assert_close(table(torch.arange(3)), table.compared)
    assert set(table.compared[1].unique().tolist()) == {0, 2}


def test_no_item_stays_nothing_after_training(months: Collection) -> None:
    assert not fitted(months, training={"epochs": 2})._model.items.weight[-1].any()


@pytest.mark.parametrize(
    "pieces", [{"kind": "n-gram", "codes": 1}, {"kind": "n-gram"}, {"kind": "unigram"}, {"kind": "bpe"}]
)
def test_it_learns_what_comes_next_by_identifiers_of_their_own(months: Collection, pieces: dict[str, Any]) -> None:
    system = fitted(months, pieces=pieces, tokenizer={"kind": "random"})
    assert next_item_figures(system, months)["MRR@10"] > 0.9


def test_with_items_as_pieces_it_is_sasrec(months: Collection) -> None:
    system = fitted(months, pieces={"kind": "item"}, tokenizer={"kind": "random"})
    assert next_item_figures(system, months)["MRR@10"] > 0.9
    assert system.facts()["pieces"] == {"vectors": 12, "of_an_item": 1.0}
    assert len(set(system.identifier_groups().tolist())) == 12


@pytest.fixture
def with_codes(tmp_path: Path) -> Path:
    """Months and their copies have the same first code; the second tells the copy."""
    mapping = {f"month-{number:02}": [f"<a_{number}>", "<b_0>"] for number in range(12)}
    path = tmp_path / "codes.json"
    path.write_text(json.dumps(mapping | {"copy-05": ["<a_5>", "<b_1>"]}))
    return path


@pytest.fixture
def partly_new(make_sequences: MakeSequences) -> Collection:
    """The months' walks, and one that comes to an item that training lacks."""
    names = [f"month-{number:02}" for number in range(12)]
    walks = {
        f"u{start}-{n}": [names[(start + step) % 12] for step in range(n)] for start in range(12) for n in (5, 6, 8)
    }
    return make_sequences({"new": [*names[1:5], "copy-05"], **walks})


def test_an_item_that_training_lacks_is_known_by_its_pieces(partly_new: Collection, with_codes: Path) -> None:
    options = {"kind": "mapping", "mapping": str(with_codes), "codes": 12}
    system = fitted(partly_new, tokenizer=options, pieces={"kind": "n-gram", "codes": 1})
    vectors = torch.nn.functional.normalize(system._model.items.compared, dim=1)
    nearest = (vectors @ vectors[partly_new.documents.rows["copy-05"]]).topk(2).indices.tolist()
    assert partly_new.documents.ids(nearest) == ["copy-05", "month-05"]
    (query,) = [query for query in partly_new.queries() if query.id == "new"]
    assert "copy-05" in partly_new.documents.ids(system.rankings([query], 3).of(0)[0])


def test_what_training_lacks_is_no_negative(partly_new: Collection) -> None:
    system = fitted(partly_new, loss="cross-entropy", tokenizer={"kind": "random"}, training={"epochs": 1})
    model, new = system._model, partly_new.documents.rows["copy-05"]
    states, targets = torch.randn(3, 16), torch.tensor([1, 3, 5])
    model.items(targets)
    logits = states @ model.items.compared.T
    assert new not in targets
    logits[:, new] = -torch.inf
    torch.testing.assert_close(
        system.loss_of(model)(states, targets), torch.nn.functional.cross_entropy(logits, targets)
    )


def test_items_of_one_identifier_are_told_apart_by_nothing(make_sequences: MakeSequences) -> None:
    items = ["-", "--", "join two paths", "open a file", "close a file", "sort a list"]
    walks = {f"u{n}": [items[(n + step) % 6] for step in range(5 + n % 5)] for n in range(24)}
    collection = make_sequences(walks)
    system = fitted(collection)
    groups = system.identifier_groups()
    assert groups[0] == groups[1]
    first, second = system.docids()[:2]
    assert first == second
    assert len(system.vocabularies()) == 3
    (scores,) = system.scores([np.array([2, 3])])
    assert scores[0] == scores[1]


def test_the_seed_decides(months: Collection) -> None:
    check_seeded(lambda seed: fitted(months, training={"epochs": 2}, seed=seed), months.queries())


@pytest.mark.parametrize("rows", [0, 5])
def test_a_saved_system_answers_as_before(months: Collection, tmp_path: Path, rows: int) -> None:
    options = merged(TINY, {"training": {"epochs": 2}, "pieces": {"rows": rows}})
    check_saved(fitted(months, **options), SIDFeatures(**options), months.queries(), tmp_path)


def test_a_history_without_a_known_item_gets_no_answer(months: Collection) -> None:
    system = fitted(months, training={"epochs": 1})
    check_unknown(system)


def test_a_catalogue_without_text_is_refused(make_sequences: MakeSequences) -> None:
    with pytest.raises(BenchError, match="text"):
        fitted(without_texts(make_sequences))


def test_weights_are_those_of_an_encoder_where_codes_come_from_texts() -> None:
    assert SIDFeatures().weights()
    assert not SIDFeatures(tokenizer={"kind": "collaborative"}).weights()
