"""What the table-driven search over a catalogue and the training loop cost beside what is usually written."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from timing import seconds
from torch import Tensor, nn
from transformers import Trainer, TrainingArguments

from bench.progress import no_progress
from bench.workplace import Workplace
from retrievers.generative.beam import Stepper, beam_search
from retrievers.generative.docids import Identifiers, with_collision_numbers
from retrievers.generative.options import DecoderOptions
from retrievers.generative.training import batches_by_length, identifier_plan
from retrievers.learning.options import TrainingOptions
from retrievers.learning.trainer import train
from retrievers.recommenders.semantic_ids.decoder_only import DecoderOnly
from retrievers.recommenders.semantic_ids.encoder_decoder import EncoderDecoder
from retrievers.recommenders.semantic_ids.sequence_model import History, SequenceModel, Shape
from retrievers.recommenders.semantic_ids.windows import Windows

ITEMS, LEVELS, CODES, BEAMS, USERS, LONGEST = 12_101, 3, 256, 20, 64, 20
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def identifiers() -> Identifiers:
    """As many as Amazon Beauty has items, with one more token where some share the others."""
    codes = np.random.default_rng(0).integers(0, CODES, (ITEMS, LEVELS))
    codes[: ITEMS // 10] = codes[-(ITEMS // 10) :]
    return with_collision_numbers(Identifiers.of(codes))


@pytest.fixture(scope="module")
def histories() -> list[np.ndarray]:
    generator = np.random.default_rng(1)
    return [generator.integers(0, ITEMS, generator.integers(2, LONGEST + 1)) for _ in range(USERS)]


def model_of(kind: type[SequenceModel], identifiers: Identifiers) -> SequenceModel:
    options = DecoderOptions(head="shared", dimension=64, layers=1, heads=4, feed_forward=256)
    codes = torch.from_numpy(identifiers.tokens.astype(np.int64))
    more = {"last_only": False} if kind is DecoderOnly else {"encoder_layers": 1, "reading": "codes"}
    return kind(Shape(options, identifiers.trie().on("cpu"), codes, LONGEST, bins=0), seed=0, **more)


def history(items: list[np.ndarray]) -> History:
    return History.of(items, np.zeros(len(items), dtype=np.int64), CPU)


def nested(identifiers: Identifiers) -> dict[int, Any]:
    root: dict[int, Any] = {}
    for sequence in identifiers.tokens.tolist():
        node = root
        for token in sequence:
            node = node.setdefault(token, {})
    return root


class Recorded:
    """A model that says at every level what another one said, whatever is asked: it takes no time."""

    def __init__(self, model: SequenceModel, items: list[np.ndarray]) -> None:
        stepper = model.stepper(history(items))
        nothing = torch.zeros(USERS, BEAMS, dtype=torch.long)
        with torch.no_grad():
            self._said = [stepper.start(), *(stepper.step(nothing, nothing) for _ in range(LEVELS))]

    def start(self) -> Tensor:
        self._level = 0
        return self._said[0]

    def step(self, tokens: Tensor, parents: Tensor) -> Tensor:
        self._level += 1
        return self._said[self._level]


@torch.no_grad()
def search_with_a_callback(stepper: Stepper, trie: dict[int, Any]) -> Tensor:
    """The same search, each row's allowed tokens from a walk through nested dictionaries. Shape [users, beams, 4]."""
    logits = stepper.start()[:, None]
    scores = torch.zeros(USERS, 1)
    paths: list[list[tuple[int, ...]]] = [[()] for _ in range(USERS)]
    for level in range(LEVELS + 1):
        allowed = torch.full(logits.shape, -torch.inf)
        for user, of_user in enumerate(paths):
            for beam, path in enumerate(of_user):
                node = trie
                for token in path:
                    node = node[token]
                allowed[user, beam, list(node)] = 0.0
        every = scores[..., None] + logits.log_softmax(-1) + allowed
        scores, picked = every.flatten(1).topk(BEAMS, dim=1)
        parents, tokens = picked // logits.shape[-1], picked % logits.shape[-1]
        paths = [
            [(*paths[user][parent], token) for parent, token in zip(parents[user].tolist(), line, strict=True)]
            for user, line in enumerate(tokens.tolist())
        ]
        if level < LEVELS:
            logits = stepper.step(tokens, parents)
    return torch.tensor(paths)


@pytest.mark.parametrize("kind", [DecoderOnly, EncoderDecoder])
def test_a_tenth_of_what_a_callback_adds_to_the_model_with_the_same_answers(
    benchmark: BenchmarkFixture, kind: type[SequenceModel], identifiers: Identifiers, histories: list[np.ndarray]
) -> None:
    """The model's own time is the same on both sides; how much both take with it stands in the extra figures."""
    model, trie = model_of(kind, identifiers).eval(), nested(identifiers)
    recorded = Recorded(model, histories)

    @torch.no_grad()
    def tables(stepper: Stepper) -> np.ndarray:
        found = beam_search(stepper, model.tables, BEAMS).groups
        return identifiers.tokens[model.tables.trie.items[found.numpy()]]

    for stepper in (recorded, model.stepper(history(histories))):
        again = recorded if stepper is recorded else model.stepper(history(histories))
        np.testing.assert_array_equal(tables(stepper), search_with_a_callback(again, trie).numpy())
    best = seconds(
        5,
        tables=lambda: tables(recorded),
        callback=lambda: search_with_a_callback(recorded, trie),
        tables_with_model=lambda: tables(model.stepper(history(histories))),
        callback_with_model=lambda: search_with_a_callback(model.stepper(history(histories)), trie),
    )
    benchmark.extra_info.update(best, users=USERS, beams=BEAMS, items=ITEMS)
    benchmark.pedantic(lambda: tables(recorded), rounds=5)
    assert 10 * best["tables"] < best["callback"], best


class ForTrainer(nn.Module):
    """A sequence model as the Trainer wants one."""

    def __init__(self, model: SequenceModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, rows: Tensor, users: Tensor) -> dict[str, Tensor]:
        return {"loss": self.model.loss(History(rows, users), 0.0)}


@pytest.mark.parametrize("kind", [DecoderOnly, EncoderDecoder])
def test_more_training_examples_per_second_than_under_the_plain_trainer(
    benchmark: BenchmarkFixture, kind: type[SequenceModel], identifiers: Identifiers, tmp_path: Path
) -> None:
    generator = np.random.default_rng(2)
    lengths = generator.geometric(0.15, 600).clip(2, LONGEST + 1)
    sequences = [generator.integers(0, ITEMS, length) for length in lengths]
    windows = Windows(sequences, "prefixes", LONGEST, whole=kind is DecoderOnly)
    every = windows.of(*windows.epoch(np.random.default_rng(0)))
    rows = history(every).rows

    def ours() -> None:
        model = model_of(kind, identifiers)

        def batches(generator: np.random.Generator) -> list[tuple[np.ndarray, ...]]:
            owners, starts, ends = windows.epoch(generator)
            return [(owners[b], starts[b], ends[b]) for b in batches_by_length(ends - starts, 64)]

        options = TrainingOptions(epochs=1, training_batch=64)
        plan = identifier_plan(
            model, options, batches, lambda batch: model.loss(history(windows.of(*batch)), 0.0), seed=0
        )
        train(model, plan, Workplace.temporary(), no_progress)

    def trainer() -> None:
        arguments = TrainingArguments(
            output_dir=str(tmp_path),
            per_device_train_batch_size=64,
            num_train_epochs=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            dataloader_pin_memory=False,
            remove_unused_columns=False,
        )
        examples = [{"rows": line, "users": torch.tensor(0)} for line in rows]
        Trainer(ForTrainer(model_of(kind, identifiers)), arguments, train_dataset=examples).train()

    best = seconds(3, ours=ours, trainer=trainer)
    rates = {name: len(windows) / taken for name, taken in best.items()}
    benchmark.extra_info.update(rates, windows=len(windows))
    benchmark.pedantic(ours, rounds=1)
    assert rates["ours"] > rates["trainer"], rates
