"""Training of a model that generates identifiers: epochs, a checkpoint after each, and the choice among them."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from bench.errors import BenchError
from bench.progress import Progress
from bench.store import new_folder
from bench.workplace import Workplace
from retrievers.generative.options import CourseOptions

_BATCHES_SORTED = 8
"""So many batches at a time are sorted by length, so that little is padding and the order stays random."""

_LARGEST_GRADIENT = 1.0


Batch = tuple[np.ndarray, ...]
"""Arrays of one length: what says which examples are learned from at once."""


class Learner(nn.Module):
    """A model that `train` trains; parameters that do not require gradients are not its own."""

    def learned(self) -> dict[str, Tensor]:
        """The weights that training changes."""
        return {name: weight.detach() for name, weight in self.named_parameters() if weight.requires_grad}

    def restore(self, weights: dict[str, Tensor]) -> None:
        """Take weights that `learned` gave. Raises BenchError if they are another model's."""
        own = self.learned()
        if own.keys() != weights.keys():
            raise BenchError("the saved weights are not those of this model; run again with --fresh")
        for name, weight in own.items():
            weight.copy_(weights[name])


@dataclass(frozen=True)
class Course:
    """What is learned and how.

    epoch: draws the batches of an epoch, always as many
    loss: the mean loss of a batch
    evaluate: figures on held-out queries, of which MRR@10 decides; None where there are none
    bfloat16: compute losses in it, with weights in float32
    """

    epoch: Callable[[np.random.Generator], Sequence[Batch]]
    loss: Callable[[Batch], Tensor]
    evaluate: Callable[[], dict[str, float]] | None
    options: CourseOptions
    seed: int
    bfloat16: bool = False


def train(model: Learner, course: Course, workplace: Workplace, progress: Progress) -> list[dict[str, float]]:
    """Train the model and leave it with the weights of the best epoch. Returns the figures of each epoch.

    After every epoch a checkpoint is written; a training that was interrupted goes on behind the last one and comes
    to the same end, because each epoch's randomness depends on the seed and its number alone. Without held-out
    queries the last epoch counts as the best. Raises BenchError when the loss is not a number.
    """
    run = _Run(model, course, workplace, progress)
    run.resume()
    while run.epoch <= course.options.epochs:
        run.one_epoch()
    run.take_best()
    return run.history


class _Run:
    def __init__(self, model: Learner, course: Course, workplace: Workplace, progress: Progress) -> None:
        self.model, self.course, self.progress = model, course, progress
        self.workplace = workplace
        self.device = next(model.parameters()).device
        self.folder = workplace.checkpoints
        self.optimizer = _optimizer(model, course.options)
        self.steps = len(course.epoch(np.random.default_rng(0)))
        self.epoch = 0
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Tensor] = {}
        self.start = perf_counter()
        self.before = 0.0

    def resume(self) -> None:
        """Take up the last checkpoint, if there is one."""
        if not (self.folder / "state.json").is_file():
            return
        state = json.loads((self.folder / "state.json").read_text())
        self.epoch, self.history, self.before = state["epoch"], state["history"], state["seconds"]
        self.workplace.reused_seconds += self.before
        self.model.restore(load_file(self.folder / "model.safetensors"))
        self.best = load_file(self.folder / "best.safetensors")
        _load_optimizer(self.optimizer, load_file(self.folder / "optimizer.safetensors"))

    def one_epoch(self) -> None:
        """Epoch 0 looks at the model as it starts; each later one trains."""
        torch.manual_seed(self.course.seed * 10_007 + self.epoch)
        figures: dict[str, float] = {"epoch": self.epoch}
        if self.epoch:
            figures["loss"] = self._learn()
        if self.course.evaluate is not None:
            self.model.eval()
            figures |= self.course.evaluate()
        self._remember(figures)
        self.epoch += 1
        self._write_checkpoint()

    def _learn(self) -> float:
        options, generator = self.course.options, np.random.default_rng([self.course.seed, self.epoch])
        self.model.train()
        total, seen = 0.0, 0
        for number, batch in enumerate(self.course.epoch(generator), start=1):
            _set_rate(self.optimizer, options, (self.epoch - 1) * self.steps + number, options.epochs * self.steps)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.course.bfloat16):
                loss = self.course.loss(batch)
            total += self._step(loss) * len(batch[0])
            seen += len(batch[0])
            self.progress(self._phase(total / seen), number, self.steps)
        return total / seen

    def _step(self, loss: Tensor) -> float:
        value = loss.item()
        if not np.isfinite(value):
            raise BenchError(f"epoch {self.epoch}: the loss is not a number; lower learning_rate")
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_([p for p in self.model.parameters() if p.requires_grad], _LARGEST_GRADIENT)
        self.optimizer.step()
        return value

    def _phase(self, loss: float) -> str:
        last = self.history[-1] if self.history else {}
        seen = f", held-out Hits@1 {last['Hits@1']:.3f}" if "Hits@1" in last else ""
        return f"epoch {self.epoch} of {self.course.options.epochs}, loss {loss:.2f}{seen}"

    def _remember(self, figures: dict[str, float]) -> None:
        if not self.best or _deciding(figures) > max(map(_deciding, self.history)):
            self.best = {name: weight.clone() for name, weight in self.model.learned().items()}
        self.history.append(figures)

    def _write_checkpoint(self) -> None:
        self.progress(f"epoch {self.epoch - 1} done, writing a checkpoint", self.steps, self.steps)
        with new_folder(self.folder) as draft:
            save_file(storable(self.model.learned()), draft / "model.safetensors")
            save_file(storable(self.best), draft / "best.safetensors")
            save_file(_optimizer_state(self.optimizer), draft / "optimizer.safetensors")
            seconds = self.before + perf_counter() - self.start
            state = {"epoch": self.epoch, "history": self.history, "seconds": seconds}
            (draft / "state.json").write_text(json.dumps(state))

    def take_best(self) -> None:
        """Give the model the weights of the best epoch."""
        self.model.restore(self.best)
        self.model.eval()
        shutil.rmtree(self.folder, ignore_errors=True)


def held_out_figures(ranks: Sequence[float] | np.ndarray) -> dict[str, float]:
    """What `Course.evaluate` gives, from the rank of each query's first relevant answer; infinity: none in ten."""
    known = np.asarray(ranks, dtype=np.float64)
    return {"MRR@10": float((1 / known).mean()), "Hits@1": float((known == 1).mean())}


def chosen_epoch(history: Sequence[dict[str, float]]) -> dict[str, float]:
    """The figures of the epoch whose weights `train` left in the model."""
    return max(history, key=_deciding)


def _deciding(figures: dict[str, float]) -> float:
    """By which epochs are compared; without held-out queries a later one is better."""
    return figures.get("MRR@10", figures["epoch"])


def _optimizer(model: Learner, options: CourseOptions) -> torch.optim.Optimizer:
    vectors = {name for name in model.learned() if name.endswith(("head.vectors", "head.bias"))}
    named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    return torch.optim.AdamW(
        [
            {"params": [w for n, w in named if n not in vectors], "share": 1.0, "weight_decay": options.weight_decay},
            {"params": [w for n, w in named if n in vectors], "share": options.vector_rate, "weight_decay": 0.0},
        ],
        lr=options.learning_rate,
    )


def _set_rate(optimizer: torch.optim.Optimizer, options: CourseOptions, step: int, steps: int) -> None:
    """Rise evenly, then fall as a cosine does."""
    rising = options.warm_up * steps
    fallen = (step - rising) / max(1.0, steps - rising)
    share = step / rising if step < rising else 0.5 * (1 + np.cos(np.pi * min(1.0, fallen)))
    for group in optimizer.param_groups:
        group["lr"] = options.learning_rate * group["share"] * float(share)


def batches_by_length(lengths: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Batches of positions in their order, those of some batches at a time sorted by the lengths of their texts."""
    for start in range(0, len(lengths), size * _BATCHES_SORTED):
        block = np.arange(start, min(start + size * _BATCHES_SORTED, len(lengths)))
        block = block[np.argsort(lengths[block], kind="stable")]
        for begin in range(0, len(block), size):
            yield block[begin : begin + size]


def storable(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights as they can be written to a file."""
    return {name: weight.detach().cpu().contiguous() for name, weight in weights.items()}


def _optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    states = optimizer.state_dict()["state"]
    return {f"{number}.{key}": value.cpu() for number, state in states.items() for key, value in state.items()}


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    states: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        number, _, key = name.partition(".")
        states.setdefault(int(number), {})[key] = value
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
