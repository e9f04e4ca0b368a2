"""The training loop, on a model small enough to see what it does."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.workplace import Workplace
from retrievers.generative.decoder import Encoded
from retrievers.generative.examples import Example, Examples
from retrievers.generative.options import TrainingOptions
from retrievers.generative.training import Course, Learner, chosen_epoch, train


class Point(Learner):
    """One number that should become the targets' mean."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(1))
        self.fixed = nn.Parameter(torch.ones(1), requires_grad=False)

    def loss(self, encoded: Encoded, targets: Tensor, label_smoothing: float) -> Tensor:
        return ((self.place - targets.float()) ** 2).mean()


def course(evaluate: Any = None, loss_is_nan: bool = False, **options: Any) -> Course:
    made = [Example([number], number % 3) for number in range(12)]
    targets = torch.tensor([[1.0], [2.0], [torch.nan if loss_is_nan else 3.0]])
    encoded = Encoded(torch.zeros(1, 1, 1), torch.ones(1, 1, dtype=torch.bool))
    return Course(
        examples=Examples.of(made[:4], made[4:]),
        lengths=np.ones(12),
        ratio=0,
        distil=0,
        read=lambda numbers: encoded,
        targets=targets,
        evaluate=evaluate,
        options=TrainingOptions(**{"epochs": 5, "learning_rate": 0.1, "training_batch": 4, **options}),
        seed=0,
    )


def silent(phase: str, done: int, total: int) -> None:
    pass


def test_it_learns_and_says_so() -> None:
    model, told = Point(), []
    history = train(model, course(epochs=30), Workplace.temporary(), lambda phase, *_: told.append(phase))
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

    history = train(model, course(evaluate), Workplace.temporary(), silent)
    assert model.place.item() == places[1]
    assert chosen_epoch(history)["epoch"] == 1


def test_without_held_out_queries_the_last_epoch_is_kept() -> None:
    history = train(Point(), course(), Workplace.temporary(), silent)
    assert chosen_epoch(history)["epoch"] == 5


class Interruption(Exception):
    pass


@pytest.mark.parametrize("epoch", [1, 3, 5])
def test_an_interrupted_training_ends_as_one_that_was_not(tmp_path: Path, epoch: int) -> None:
    whole, parts = Point(), Point()
    expected = train(whole, course(), Workplace(tmp_path / "a", tmp_path), silent)

    def interrupt(phase: str, done: int, _total: int) -> None:
        if phase.startswith(f"epoch {epoch} of") and done == 2:
            raise Interruption

    with pytest.raises(Interruption):
        train(parts, course(), Workplace(tmp_path / "b", tmp_path), interrupt)
    again, workplace = Point(), Workplace(tmp_path / "b", tmp_path)
    assert train(again, course(), workplace, silent) == expected
    assert again.place.item() == whole.place.item()
    assert workplace.reused_seconds > 0
    assert not (tmp_path / "b").exists()


def test_a_loss_that_is_no_number_is_an_error() -> None:
    with pytest.raises(BenchError, match="epoch 1: the loss is not a number; lower learning_rate"):
        train(Point(), course(loss_is_nan=True), Workplace.temporary(), silent)


def test_weights_of_another_model_are_refused() -> None:
    with pytest.raises(BenchError, match="run again with --fresh"):
        Point().restore({"elsewhere": torch.zeros(1)})
