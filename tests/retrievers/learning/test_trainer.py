"""The trainer, on a model small enough to see what it does."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.workplace import Workplace
from retrievers.generative.training import batches_by_length
from retrievers.learning.course import Course
from retrievers.learning.trainer import Batch, Learner, Plan, Rate, rise_and_fall, steady, straight, train


class Point(Learner):
    """One number that should become the targets' mean."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(1))
        self.fixed = nn.Parameter(torch.ones(1), requires_grad=False)


def plan(model: Point, evaluate: Any = None, nan: bool = False, noise: float = 0.0, **changes: Any) -> Plan:
    targets = torch.tensor([1.0, 2.0, torch.nan if nan else 3.0])

    def batches(_number: int, generator: np.random.Generator) -> list[Batch]:
        order = generator.permutation(12)
        return [(order[start : start + 4], order[start : start + 4] % 3) for start in range(0, 12, 4)]

    def loss(batch: Batch) -> Tensor:
        return ((model.place + noise * torch.randn(1) - targets[batch[1]]) ** 2).mean()

    optimizer = torch.optim.AdamW([model.place], lr=0.1)
    settings = {"epochs": 5, "rate": rise_and_fall(0.1), "seed": 0, "reseeds": True, **changes}
    return Plan(batches, 3, loss, optimizer, evaluate=evaluate, **settings)


def figures_of(*values: float) -> tuple[Any, list[float]]:
    """An evaluation that gives these values one after the other, and where the model stood each time."""
    given, places = iter(values), []

    def evaluate_with(model: Point) -> Mapping[str, float]:
        places.append(model.place.item())
        return {"MRR@10": next(given)}

    return evaluate_with, places


def silent(phase: str, done: int, total: int) -> None:
    pass


def known(course: Course) -> list[tuple[Any, ...]]:
    """All of a course but the seconds."""
    return [(epoch.number, epoch.loss, epoch.figures) for epoch in course.epochs]


def test_it_learns_and_says_so() -> None:
    model, told = Point(), []
    course = train(model, plan(model, epochs=30), Workplace.temporary(), lambda phase, *_: told.append(phase))
    assert abs(model.place.item() - 2) < 0.2
    losses = [epoch.loss or 0.0 for epoch in course.epochs]
    assert losses[-1] < losses[1]
    assert any(phase.startswith("epoch 2 of 30, loss ") and phase.endswith(" s an epoch") for phase in told)
    assert model.fixed.item() == 1


def test_the_start_is_epoch_0_and_stays_if_no_epoch_is_better() -> None:
    evaluate, _ = figures_of(0.5, 0.5, 0.4)
    model = Point()
    course = train(model, plan(model, lambda: evaluate(model), epochs=2), Workplace.temporary(), silent)
    assert course.epochs[0].number == course.chosen.number == 0
    assert course.epochs[0].loss is None
    assert model.place.item() == 0


def test_the_best_epoch_is_kept_and_the_first_of_equals() -> None:
    evaluate, places = figures_of(0.1, 0.5, 0.3, 0.5, 0.2, 0.4)
    model = Point()
    course = train(model, plan(model, lambda: evaluate(model)), Workplace.temporary(), silent)
    assert model.place.item() == places[1]
    assert course.chosen.number == 1


def test_without_held_out_queries_the_last_epoch_is_kept() -> None:
    model = Point()
    course = train(model, plan(model), Workplace.temporary(), silent)
    assert course.chosen.number == 5
    assert course.decided_by is None


def test_a_step_uphill_takes_the_gradient_from_there_and_comes_back() -> None:
    """Sharpness-aware minimisation, one step by hand: the gradient of (x - 2)^2 at 0 is -4, at -0.5 it is -5."""
    gradients, places = [], []

    class Watched(torch.optim.SGD):
        def step(self, *_: Any) -> None:  # type: ignore[override]
            (weight,) = self.param_groups[0]["params"]
            gradients.append(weight.grad.item())
            places.append(weight.item())

    for uphill in (0.0, 0.5):
        model = Point()
        one = plan(model, epochs=1, uphill=uphill, largest_gradient=None)
        whole = replace(
            one,
            batches=lambda *_: [(np.arange(3), np.arange(3))],
            optimizer=Watched([model.place], lr=0.1),
            loss=lambda batch, model=model: (model.place - 2) ** 2 @ torch.ones(1),
        )
        train(model, whole, Workplace.temporary(), silent)
    assert gradients == pytest.approx([-4, -5])
    assert places == [0, 0]


def test_with_steps_uphill_a_narrow_minimum_is_left() -> None:
    """A narrow well at 0 beside a wide one at 1.5: from the edge of the narrow one, plain steps go to its bottom."""

    def loss(model: Point) -> Tensor:
        return -1.1 * (-((model.place / 0.1) ** 2)).exp() - (-(((model.place - 1.5) / 0.8) ** 2)).exp()

    ends = []
    for uphill in (0.0, 0.3):
        model = Point()
        model.place.data.fill_(0.05)
        one = replace(
            plan(model, epochs=60, uphill=uphill, largest_gradient=None, rate=steady),
            loss=lambda _batch, model=model: loss(model).sum(),
            optimizer=torch.optim.SGD([model.place], lr=0.01),
        )
        train(model, one, Workplace.temporary(), silent)
        ends.append(model.place.item())
    assert abs(ends[0]) < 0.05
    assert ends[1] > 0.2


@pytest.mark.parametrize(("patience", "epochs"), [(1, 3), (2, 4), (3, 5), (None, 8)])
def test_patience_is_how_many_epochs_in_a_row_may_be_no_better(patience: int | None, epochs: int) -> None:
    evaluate, places = figures_of(0.1, 0.2, 0.3, 0.2, 0.3, 0.2, 0.1, 0.1, 0.9)
    model = Point()
    wanted = plan(model, lambda: evaluate(model), epochs=8, patience=patience)
    course = train(model, wanted, Workplace.temporary(), silent)
    assert course.epochs[-1].number == epochs
    assert model.place.item() == places[course.chosen.number]


class Interruption(Exception):
    pass


@pytest.mark.parametrize("reseeds", [True, False], ids=["draws by epoch", "draws that go on"])
@pytest.mark.parametrize("epoch", [1, 3, 5])
def test_an_interrupted_training_ends_as_one_that_was_not(tmp_path: Path, epoch: int, reseeds: bool) -> None:
    def trained(name: str, progress: Any) -> tuple[Course, float, Workplace]:
        model, workplace = Point(), Workplace(tmp_path / name, tmp_path)
        wanted = plan(model, lambda: {"MRR@10": -abs(model.place.item() - 1)}, noise=0.3, reseeds=reseeds)
        with torch.random.fork_rng():
            torch.manual_seed(7)
            return train(model, wanted, workplace, progress), model.place.item(), workplace

    def interrupt(phase: str, done: int, _total: int) -> None:
        if phase.startswith(f"epoch {epoch} of") and done == 2:
            raise Interruption

    expected, place, _ = trained("a", silent)
    with pytest.raises(Interruption):
        trained("b", interrupt)
    course, again, workplace = trained("b", silent)
    assert known(course) == known(expected)
    assert again == place
    assert workplace.reused_seconds > 0
    assert not (tmp_path / "b").exists()


def test_a_damaged_checkpoint_is_told_and_the_training_begins_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def trained(name: str, progress: Any) -> tuple[Course, float, Workplace]:
        model, workplace = Point(), Workplace(tmp_path / name, tmp_path)
        wanted = plan(model, lambda: {"MRR@10": -abs(model.place.item() - 1)}, noise=0.3, reseeds=True)
        return train(model, wanted, workplace, progress), model.place.item(), workplace

    def interrupt(phase: str, done: int, _total: int) -> None:
        if phase.startswith("epoch 2 of") and done == 2:
            raise Interruption

    expected, place, _ = trained("a", silent)
    with pytest.raises(Interruption):
        trained("b", interrupt)
    weights = tmp_path / "b" / "own" / "best.safetensors"
    content = bytearray(weights.read_bytes())
    content[-2] ^= 1
    weights.write_bytes(content)
    course, again, workplace = trained("b", silent)
    assert (known(course), again) == (known(expected), place)
    assert workplace.reused_seconds == 0
    assert "b/own was damaged (best.safetensors has changed) and is made again" in caplog.text


def test_the_record_of_the_course_says_what_each_epoch_came_to() -> None:
    evaluate, _ = figures_of(0.1, 0.5, 0.3)
    model = Point()
    course = train(model, plan(model, lambda: evaluate(model), epochs=2), Workplace.temporary(), silent)
    data = json.loads(json.dumps(course.as_data()))
    assert (data["decided_by"], data["chosen_epoch"]) == ("MRR@10", 1)
    assert [(epoch["epoch"], epoch["MRR@10"]) for epoch in data["epochs"]] == [(0, 0.1), (1, 0.5), (2, 0.3)]
    assert data["epochs"][0]["loss"] is None
    assert data["epochs"][1]["loss"] > 0
    assert all(epoch["seconds"] > 0 for epoch in data["epochs"])
    assert Course.of_data(data) == course


def test_a_loss_that_is_no_number_is_an_error() -> None:
    model = Point()
    with pytest.raises(BenchError, match="epoch 1: the loss is not a number; lower training.learning_rate"):
        train(model, plan(model, nan=True), Workplace.temporary(), silent)


def test_weights_of_another_model_are_refused() -> None:
    with pytest.raises(BenchError, match="run again with --fresh"):
        Point().restore({"elsewhere": torch.zeros(1)})


@pytest.mark.parametrize(
    ("rate", "shares"),
    [
        (steady, [1, 1, 1, 1]),
        (rise_and_fall(0.5), [0.5, 1, 0.5, 0]),
        (straight(0.5), [0, 0.5, 1, 0.5]),
        (straight(0), [1, 0.75, 0.5, 0.25]),
    ],
)
def test_rates_rise_and_fall(rate: Rate, shares: list[float]) -> None:
    assert [rate(step, 4) for step in (1, 2, 3, 4)] == pytest.approx(shares)


def test_batches_hold_every_example_once_those_of_like_length_together() -> None:
    lengths = np.random.default_rng(0).integers(1, 50, 1000)
    batches = list(batches_by_length(lengths, 16))
    assert sorted(np.concatenate(batches).tolist()) == list(range(1000))
    assert max(map(len, batches)) == 16
    within = np.mean([np.ptp(lengths[batch]) for batch in batches])
    assert within < np.ptp(lengths) / 3
