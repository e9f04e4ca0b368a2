"""The trainer of everything that learns in epochs: a checkpoint after each, one record, the choice of the best."""

import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from bench.errors import BenchError
from bench.progress import Progress
from bench.seals import is_whole, seal
from bench.store import new_folder
from bench.workplace import Workplace
from retrievers.learning.course import Course, Epoch
from retrievers.learning.repeatable import repeatable

Batch = tuple[np.ndarray, ...]
"""Arrays of one length: what says which examples are learned from at once."""

Rate = Callable[[int, int], float]
"""The share of the highest learning rate at a step, counted from 1, of so many."""

_EPOCHS_APART = 10_007
"""Times the seed, so that no epoch of one seed draws as an early epoch of the next one does."""


class Learner(nn.Module):
    """A model that `train` trains; parameters that do not require gradients are not its own."""

    def learned(self) -> dict[str, Tensor]:
        """The weights that training changes."""
        return {name: weight.detach() for name, weight in self.named_parameters() if weight.requires_grad}

    def restore(self, weights: Mapping[str, Tensor]) -> None:
        """Take weights that `learned` gave. Raises BenchError if they are another model's."""
        own = self.learned()
        if own.keys() != weights.keys():
            raise BenchError("the saved weights are not those of this model; run again with --fresh")
        for name, weight in own.items():
            weight.copy_(weights[name])


@dataclass(frozen=True)
class Plan:
    """What is learned and how.

    batches: those of an epoch, from its number (the first is 1) and what draws them
    steps: batches of an epoch, at most
    loss: the mean loss of a batch
    optimizer: of the model's own weights, with the highest learning rate of each group
    rate: what of it is applied at a step
    epochs: the most
    seed: of all draws
    reseeds: each epoch's draws depend on the seed and its number alone; else they follow those before it, which go on
        in torch's generator from where it stands
    evaluate: figures on held-out queries; None where there are none
    decided_by: the figure that chooses the epoch, if there are any
    patience: epochs in a row that are no better than the best, after which training stops; None: it does not
    largest_gradient: length to which longer gradients are cut; None: none is
    uphill: length of a step along the gradient, at whose end the gradient is taken again for the weights as they were
        (sharpness-aware minimisation, Foret et al. 2021, arXiv 2010.01412, equations 2 and 3); 0: none
    bfloat16: compute losses in it, with weights in float32
    rate_option: the option that sets the highest learning rate, for the error of a training that diverges
    """

    batches: Callable[[int, np.random.Generator], Sequence[Batch]]
    steps: int
    loss: Callable[[Batch], Tensor]
    optimizer: torch.optim.Optimizer
    rate: Rate
    epochs: int
    seed: int
    reseeds: bool
    evaluate: Callable[[], Mapping[str, float]] | None
    decided_by: str = "MRR@10"
    patience: int | None = None
    largest_gradient: float | None = 1.0
    uphill: float = 0.0
    bfloat16: bool = False
    rate_option: str = "training.learning_rate"


def train(model: Learner, plan: Plan, workplace: Workplace, progress: Progress) -> Course:
    """Train the model and leave it with the weights of the best epoch, of which the start is epoch 0.

    After every epoch a checkpoint is written. A training that was interrupted goes on behind the last one and comes
    to the same end, because the checkpoint has all that draws depend on. Without held-out queries the last epoch is
    the best. Raises BenchError when the loss is not a number.
    """
    trainer = _Trainer(model, plan, workplace, progress)
    trainer.resume()
    while trainer.goes_on():
        trainer.one_epoch()
    trainer.take_best()
    return trainer.course


class _Trainer:
    def __init__(self, model: Learner, plan: Plan, workplace: Workplace, progress: Progress) -> None:
        self.model, self.plan, self.workplace, self.progress = model, plan, workplace, progress
        self.device = next(model.parameters()).device
        self.folder = workplace.checkpoints / "own"  # parts of a composed system have theirs beside it
        self.course = Course(plan.decided_by if plan.evaluate else None)
        self.generator = np.random.default_rng(plan.seed)
        self.best: dict[str, Tensor] = {}
        self.steps_done = 0
        for group in plan.optimizer.param_groups:
            group["highest"] = group["lr"]

    def goes_on(self) -> bool:
        """Whether there is another epoch."""
        number, patience = len(self.course.epochs), self.plan.patience
        if not number:
            return True
        waited = number - 1 - self.course.chosen.number
        return number <= self.plan.epochs and (patience is None or waited < patience)

    def one_epoch(self) -> None:
        """Epoch 0 looks at the model as it starts; each later one trains."""
        start, number = perf_counter(), len(self.course.epochs)
        if self.plan.reseeds:
            torch.manual_seed(self.plan.seed * _EPOCHS_APART + number)
            self.generator = np.random.default_rng([self.plan.seed, number])
        with repeatable(self.device):
            loss = self._learn(number) if number else None
        self.model.eval()
        figures = dict(self.plan.evaluate()) if self.plan.evaluate else {}
        self.course.epochs.append(Epoch(number, loss, figures, perf_counter() - start))
        if self.course.chosen.number == number:
            self.best = {name: weight.clone() for name, weight in self.model.learned().items()}
        if self.goes_on():
            self._write_checkpoint()

    def _learn(self, number: int) -> float:
        """Train through an epoch. Returns the mean loss of its examples."""
        self.model.train()
        total, seen = 0.0, 0
        for done, batch in enumerate(self.plan.batches(number, self.generator), start=1):
            self._set_rate()
            total += self._step(batch, number) * len(batch[0])
            seen += len(batch[0])
            self.progress(self._phase(number, total / seen), done, self.plan.steps)
        return total / seen

    def _set_rate(self) -> None:
        self.steps_done += 1
        share = self.plan.rate(self.steps_done, self.plan.steps * self.plan.epochs)
        for group in self.plan.optimizer.param_groups:
            group["lr"] = group["highest"] * share

    def _step(self, batch: Batch, number: int) -> float:
        value = self._take_gradient(batch, number)
        own = [weight for weight in self.model.parameters() if weight.requires_grad]
        if self.plan.uphill:
            with _moved_uphill(own, self.plan.uphill):
                self._take_gradient(batch, number)
        if self.plan.largest_gradient is not None:
            nn.utils.clip_grad_norm_(own, self.plan.largest_gradient)
        self.plan.optimizer.step()
        return value

    def _take_gradient(self, batch: Batch, number: int) -> float:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.plan.bfloat16):
            loss = self.plan.loss(batch)
        value = loss.item()
        if not math.isfinite(value):
            raise BenchError(f"epoch {number}: the loss is not a number; lower {self.plan.rate_option}")
        self.plan.optimizer.zero_grad()
        loss.backward()
        return value

    def _phase(self, number: int, loss: float) -> str:
        most = "" if self.plan.patience is None else "at most "
        last = self.course.epochs[-1]
        seen = [f"held-out {name} {value:.3f}" for name, value in last.figures.items()]
        took = [f"{last.seconds:.0f} s an epoch"] if last.number else []
        return ", ".join([f"epoch {number} of {most}{self.plan.epochs}", f"loss {loss:.2f}", *seen, *took])

    def _write_checkpoint(self) -> None:
        number = self.course.epochs[-1].number
        self.progress(f"epoch {number} done, writing a checkpoint", self.plan.steps, self.plan.steps)
        state = {
            "course": self.course.as_data(),
            "steps": self.steps_done,
            "generator": self.generator.bit_generator.state,
        }
        with new_folder(self.folder) as draft:
            save_file(storable(self.model.learned()), draft / "model.safetensors")
            save_file(storable(self.best), draft / "best.safetensors")
            save_file(_optimizer_state(self.plan.optimizer), draft / "optimizer.safetensors")
            save_file(_random_state(self.device), draft / "random.safetensors")
            (draft / "state.json").write_text(json.dumps(state))
            seal(draft)

    def resume(self) -> None:
        """Take up the last checkpoint, if there is one as it was written."""
        if not is_whole(self.folder):
            return
        state = json.loads((self.folder / "state.json").read_text())
        self.course = Course.of_data(state["course"])
        self.steps_done = state["steps"]
        self.generator.bit_generator.state = state["generator"]
        self.workplace.reused_seconds += self.course.seconds
        self.model.restore(load_file(self.folder / "model.safetensors"))
        self.best = load_file(self.folder / "best.safetensors")
        _load_optimizer(self.plan.optimizer, load_file(self.folder / "optimizer.safetensors"))
        _set_random_state(load_file(self.folder / "random.safetensors"), self.device)

    def take_best(self) -> None:
        """Give the model the weights of the best epoch."""
        self.model.restore(self.best)
        self.model.eval()
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(OSError):  # another part's are there too, or nothing was written
            self.folder.parent.rmdir()


@contextmanager
def _moved_uphill(weights: Sequence[Tensor], length: float) -> Iterator[None]:
    """Within the block the weights are so far away along their gradient; afterwards they are where they were."""
    moved = [(weight, weight.grad) for weight in weights if weight.grad is not None]
    before = [weight.detach().clone() for weight, _ in moved]
    norm = nn.utils.get_total_norm([gradient for _, gradient in moved])
    with torch.no_grad():
        for weight, gradient in moved:
            weight.add_(gradient, alpha=length / max(float(norm), 1e-12))
    try:
        yield
    finally:
        with torch.no_grad():
            for (weight, _), old in zip(moved, before, strict=True):
                weight.copy_(old)


def steady(_step: int, _steps: int) -> float:
    """The highest rate throughout."""
    return 1.0


def rise_and_fall(warm_up: float) -> Rate:
    """Rise evenly in that part of the training, then fall as a cosine does."""

    def rate(step: int, steps: int) -> float:
        rising = warm_up * steps
        fallen = (step - rising) / max(1.0, steps - rising)
        return step / rising if step < rising else float(0.5 * (1 + np.cos(np.pi * min(1.0, fallen))))

    return rate


def straight(warm_up: float) -> Rate:
    """Rise evenly in that part of the training, then fall evenly; the first step is at the bottom of the rise."""

    def rate(step: int, steps: int) -> float:
        rising, before = math.ceil(warm_up * steps), step - 1
        return before / rising if before < rising else max(0.0, (steps - before) / max(1, steps - rising))

    return rate


def storable(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights as they can be written to a file."""
    return {name: weight.detach().cpu().contiguous() for name, weight in weights.items()}


def _optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    states = optimizer.state_dict()["state"]
    return {f"{number}.{key}": value.cpu() for number, state in states.items() for key, value in state.items()}


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    states: dict[int, dict[str, Any]] = {}
    for name, value in tensors.items():
        number, _, key = name.partition(".")
        states.setdefault(int(number), {})[key] = value
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})


def _random_state(device: torch.device) -> dict[str, Tensor]:
    """What torch draws next: on the processor, and on an accelerator that has a generator of its own."""
    of_cuda = {"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {}
    return {"cpu": torch.get_rng_state(), **of_cuda}


def _set_random_state(states: Mapping[str, Tensor], device: torch.device) -> None:
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)
