"""SASRec: what its states may see, that it learns an order, how its weights are chosen and kept."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from merging import merged
from next_items import next_item_figures
from safetensors.numpy import load_file

from bench.collections.catalogue import open_dataset
from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.workplace import Workplace
from retrievers.learning.trainer import train
from retrievers.recommenders import next_item
from retrievers.recommenders.gru4rec import GRU4Rec
from retrievers.recommenders.hstu import HSTU
from retrievers.recommenders.losses import cross_entropy
from retrievers.recommenders.next_item import ItemTable, NextItemLoss, NextItemModel, next_item_plan
from retrievers.recommenders.options import BlockKind, NextItemTrainingOptions
from retrievers.recommenders.sasrec import SASRec
from retrievers.recommenders.transformer import Shape, Transformer

MakeSequences = Callable[..., Collection]

TINY = {
    "dimension": 16,
    "layers": 1,
    "heads": 2,
    "dropout": 0.1,
    "loss": "cross-entropy",
    "training": {"training_batch": 16, "epochs": 20, "learning_rate": 0.02},
}
ONE_EPOCH = {"epochs": 1}


BLOCKS: tuple[BlockKind, ...] = get_args(BlockKind)


def network(items: int = 12, block: BlockKind = "transformer") -> Transformer:
    torch.manual_seed(0)
    return Transformer(Shape(items, 16, 2, 2, 8, 0.0, block)).eval()


def losing(model: NextItemModel) -> NextItemLoss:
    return lambda states, targets: cross_entropy(states, targets, model.items.weight[:-1])


def fitted(collection: Collection, **options: object) -> SASRec:
    return SASRec(**merged(TINY, options)).fit(collection.training_view())


@pytest.mark.parametrize("block", BLOCKS)
def test_a_state_does_not_see_what_comes_after_it(block: BlockKind) -> None:
    model = network(block=block)
    rows = torch.tensor([[1, 2, 3, 4, 5]])
    changed = torch.tensor([[1, 2, 3, 9, 0]])
    first, second = model(rows), model(changed)
    torch.testing.assert_close(first[:, :3], second[:, :3])
    assert not torch.allclose(first[:, 3:], second[:, 3:])


def test_the_order_of_a_history_matters() -> None:
    states = network().last_states([np.array([1, 2, 3]), np.array([2, 1, 3])])
    assert not torch.allclose(states[0], states[1])


def test_a_history_beside_longer_ones_has_the_same_state() -> None:
    model = network()
    histories = [np.array([4]), np.array([1, 2, 3, 4, 5]), np.array([7, 8])]
    together = model.last_states(histories)
    for state, history in zip(together, histories, strict=True):
        torch.testing.assert_close(state, model.last_states([history])[0])


def test_of_a_long_history_the_latest_items_count() -> None:
    model = network()
    torch.testing.assert_close(model.last_states([np.arange(12)]), model.last_states([np.arange(4, 12)]))


def test_scores_are_of_items_and_not_of_the_padding() -> None:
    model = network()
    state = model.last_states([np.array([1])])
    torch.testing.assert_close(model.item_scores(state), state @ model.items.weight[:12].T)


def test_the_loss_is_the_mean_over_every_item_with_one_before_it() -> None:
    model = network()
    sequences = [np.array([1, 2, 3, 4]), np.array([5, 6])]
    one_by_one = [
        torch.log_softmax(model.item_scores(model(torch.tensor(sequence[None, :-1]))[0, place]), dim=0)[target]
        for sequence in sequences
        for place, target in enumerate(sequence[1:])
    ]
    loss = next_item._loss(model, losing(model), sequences, usual=2)
    torch.testing.assert_close(loss, -torch.stack(one_by_one).mean())


def test_an_item_counts_as_much_in_a_batch_of_long_sequences_as_in_one_of_short_ones() -> None:
    model = network()
    short, long = np.array([5, 6]), np.array([1, 2, 3, 4, 7, 8])
    apart = [next_item._loss(model, losing(model), [one], usual=3) for one in (short, long)]
    together = next_item._loss(model, losing(model), [short, long], usual=3)
    torch.testing.assert_close(torch.stack(apart).mean(), together)


def test_numbers_of_items_are_dropped_while_training_alike_where_they_are_read_and_compared() -> None:
    table = ItemTable(50, 16, dropout=0.5)
    rows = torch.arange(51)
    read = table(rows)
    torch.testing.assert_close(read[:-1], table.compared)
    kept = read[:-1] != 0
    assert 0.4 < float(kept.float().mean()) < 0.6
    torch.testing.assert_close(read[:-1][kept], 2 * table.weight[:-1][kept])
    assert not torch.equal(table(rows), read)
    table.eval()
    torch.testing.assert_close(table(rows), table.weight)
    assert torch.equal(table.compared, table.weight[:-1])


def test_the_dropout_of_items_is_an_option_of_every_network_that_compares_them() -> None:
    tables = [kind(item_dropout=0.25).network(9).items for kind in (SASRec, GRU4Rec, HSTU)]
    assert [table._dropout for table in tables] == [0.25] * 3


def test_places_are_counted_from_the_end() -> None:
    model = network()
    assert model.places(torch.tensor([[3, 4, 5], [6, 12, 12]])).tolist() == [[5, 6, 7], [7, 7, 7]]


def test_the_weights_of_the_best_epoch_are_kept() -> None:
    model = network()
    values, weights = iter([0.0, 0.1, 0.5, 0.4, 0.3, 0.2, 0.9]), []

    def validate() -> dict[str, float]:
        weights.append(model.items.weight.detach().clone())
        return {"nDCG@10": next(values)}

    sequences = [np.array([1, 2, 3]), np.array([4, 5, 6])]
    options = NextItemTrainingOptions(epochs=50, patience=3, training_batch=2, learning_rate=0.01)
    plan = next_item_plan(model, sequences, losing(model), options, validate, 0)
    course = train(model, plan, Workplace.temporary(), lambda *told: None)
    assert [epoch.number for epoch in course.epochs] == [0, 1, 2, 3, 4, 5]
    assert course.chosen.number == 2
    assert course.chosen.figures == {"nDCG@10": 0.5}
    torch.testing.assert_close(model.items.weight.detach(), weights[2])


def test_it_learns_what_comes_next(months: Collection) -> None:
    system = fitted(months)
    history = tuple(months.documents.ids([3, 4, 5]))
    rows, scores = system.retrieve([Query("q", "", history)], 12).of(0)
    assert next(row for row in rows[np.argsort(-scores)] if row not in (3, 4, 5)) == 6
    assert next_item_figures(system, months)["MRR@10"] > 0.9


def test_the_seed_decides_the_weights(months: Collection) -> None:
    first, same, other = (fitted(months, training={"epochs": 2}, seed=seed) for seed in (1, 1, 2))
    asked = months.queries()[:3]
    answers = [system.retrieve(asked, 12).scores for system in (first, same, other)]
    np.testing.assert_array_equal(answers[0], answers[1])
    assert not np.allclose(answers[0], answers[2])


class Interruption(Exception):
    pass


def test_an_interrupted_training_goes_on_to_the_same_end(months: Collection, tmp_path: Path) -> None:
    whole = fitted(months, training={"epochs": 5})
    system = SASRec(**merged(TINY, {"training": {"epochs": 5}}))
    system.work_in(Workplace(tmp_path / "checkpoints", tmp_path / "common"))

    def interrupt(phase: str, done: int, _total: int) -> None:
        if phase.startswith("epoch 4 of") and done == 2:
            raise Interruption

    system.report_to(interrupt)
    with pytest.raises(Interruption):
        system.fit(months.training_view())
    told: list[str] = []
    system.report_to(lambda phase, *_: told.append(phase))
    system.fit(months.training_view())
    assert not any(phase.startswith("epoch 3 of") for phase in told)
    asked = months.queries()
    np.testing.assert_array_equal(system.retrieve(asked, 5).scores, whole.retrieve(asked, 5).scores)


def test_fitting_leaves_the_global_generator_alone(months: Collection) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    fitted(months, training=ONE_EPOCH)
    torch.testing.assert_close(torch.rand(3), expected)


def test_a_saved_model_answers_the_same(months: Collection, tmp_path: Path) -> None:
    system = fitted(months, training=ONE_EPOCH)
    system.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"items.json", "facts.json", "model.safetensors"}
    assert load_file(tmp_path / "model.safetensors")["items.weight"].shape == (13, 16)
    loaded = SASRec(**merged(TINY, {"training": ONE_EPOCH}))
    loaded.load(tmp_path)
    asked = months.queries()
    np.testing.assert_array_equal(loaded.retrieve(asked, 5).scores, system.retrieve(asked, 5).scores)
    assert loaded.facts() == system.facts()
    assert system.facts()["training"]["chosen_epoch"] == 1


def test_a_history_without_a_known_item_has_no_answer(months: Collection) -> None:
    system = fitted(months, training=ONE_EPOCH)
    answers = system.retrieve([Query("a", "", ("july",)), Query("b", "", ("july", "month-03"))], 5)
    assert answers.lengths.tolist() == [0, 5]


def test_it_needs_the_validation_split(months: Collection, make_sequences: MakeSequences) -> None:
    with pytest.raises(BenchError, match="sasrec chooses its weights on the split 'valid'"):
        fitted(make_sequences({"u": ["a", "b", "c", "d", "e"]}, split="valid"))


def test_sequences_of_one_item_teach_no_order(make_sequences: MakeSequences) -> None:
    with pytest.raises(BenchError, match="what is left to learn from, .* is shorter than 2 items"):
        fitted(make_sequences({"u": ["a", "b", "c"], "v": ["b", "c", "d"]}))


def test_training_that_diverges_is_an_error_and_no_figure(months: Collection) -> None:
    with pytest.raises(BenchError, match=r"lower training.learning_rate"):
        fitted(months, training={"learning_rate": 1e30})
    with pytest.raises(BenchError, match=r"the training diverged; lower training.learning_rate \(1e\+30\)"):
        fitted(months, training={"learning_rate": 1e30, "training_batch": 1000})


def test_the_dimension_is_a_multiple_of_the_heads() -> None:
    with pytest.raises(BenchError, match="dimension 30 is no multiple of heads 4"):
        SASRec.from_options("sasrec", {"dimension": 30, "heads": 4})


@pytest.mark.real_data
@pytest.mark.slow
def test_on_amazon_beauty_it_recalls_more_than_those_that_count(data_folder: Path) -> None:
    collection = open_dataset(f"recbole:{data_folder / 'amazon-beauty'}").collection
    system = SASRec(item_dropout=0.2, training={"epochs": 90, "decided_by": "Recall@10"})
    system.fit(collection.training_view())
    assert next_item_figures(system, collection)["Recall@10"] >= 0.085  # item-kNN .065, a Markov chain .067
