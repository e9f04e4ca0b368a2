"""The training loop, on a model small enough to see what it does."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.workplace import Workplace
from retrievers.generative.options import CourseOptions
from retrievers.learning.training import Batch, Course, Learner, batches_by_length, chosen_epoch, train


class Point(Learner):
    """One number that should become the targets' mean."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(1))
        self.fixed = nn.Parameter(torch.ones(1), requires_grad=False)


def course(model: Point, evaluate: Any = None, loss_is_nan: bool = False, **options: Any) -> Course:
    targets = torch.tensor([1.0, 2.0, torch.nan if loss_is_nan else 3.0])

    def epoch(generator: np.random.Generator) -> list[Batch]:
        order = generator.permutation(12)
        return [(order[start : start + 4], order[start : start + 4] % 3) for start in range(0, 12, 4)]

    def loss(batch: Batch) -> Tensor:
        return ((model.place - targets[batch[1]]) ** 2).mean()

    settings = CourseOptions(**{"epochs": 5, "learning_rate": 0.1, **options})
    return Course(epoch, loss, evaluate, settings, seed=0)


def silent(phase: str, done: int, total: int) -> None:
    pass


def test_it_learns_and_says_so() -> None:
    model, told = Point(), []
    history = train(model, course(model, epochs=30), Workplace.temporary(), lambda phase, *_: told.append(phase))
    assert abs(model.place.item() - 2) < 0.2
    assert history[-1]["loss"] < history[1]["loss"]
    assert any(phase.startswith("epoch 2 of 30, loss ") for phase in told)
    assert model.fixed.item() == 1


def test_the_best_epoch_is_kept_and_the_first_of_equals() -> None:
    figures = iter([0.1, 0.5, 0.3, 0.5, 0.2, 0.4])
    places = []
    model = Point()

    def evaluate() -> dict[str, float]:
        places.append(model.place.item())
        return {"MRR@10": next(figures), "Hits@1": 0.0}

    history = train(model, course(model, evaluate), Workplace.temporary(), silent)
    assert model.place.item() == places[1]
    assert chosen_epoch(history)["epoch"] == 1


def test_without_held_out_queries_the_last_epoch_is_kept() -> None:
    model = Point()
    history = train(model, course(model), Workplace.temporary(), silent)
    assert chosen_epoch(history)["epoch"] == 5


class Interruption(Exception):
    pass


@pytest.mark.parametrize("epoch", [1, 3, 5])
def test_an_interrupted_training_ends_as_one_that_was_not(tmp_path: Path, epoch: int) -> None:
    whole, parts = Point(), Point()
    expected = train(whole, course(whole), Workplace(tmp_path / "a", tmp_path), silent)

    def interrupt(phase: str, done: int, _total: int) -> None:
        if phase.startswith(f"epoch {epoch} of") and done == 2:
            raise Interruption

    with pytest.raises(Interruption):
        train(parts, course(parts), Workplace(tmp_path / "b", tmp_path), interrupt)
    again, workplace = Point(), Workplace(tmp_path / "b", tmp_path)
    assert train(again, course(again), workplace, silent) == expected
    assert again.place.item() == whole.place.item()
    assert workplace.reused_seconds > 0
    assert not (tmp_path / "b").exists()


def test_a_loss_that_is_no_number_is_an_error() -> None:
    model = Point()
    with pytest.raises(BenchError, match="epoch 1: the loss is not a number; lower learning_rate"):
        train(model, course(model, loss_is_nan=True), Workplace.temporary(), silent)


def test_weights_of_another_model_are_refused() -> None:
    with pytest.raises(BenchError, match="run again with --fresh"):
        Point().restore({"elsewhere": torch.zeros(1)})


def test_batches_hold_every_example_once_those_of_like_length_together() -> None:
    lengths = np.random.default_rng(0).integers(1, 50, 1000)
    batches = list(batches_by_length(lengths, 16))
    assert sorted(np.concatenate(batches).tolist()) == list(range(1000))
    assert max(map(len, batches)) == 16
    within = np.mean([np.ptp(lengths[batch]) for batch in batches])
    assert within < np.ptp(lengths) / 3
