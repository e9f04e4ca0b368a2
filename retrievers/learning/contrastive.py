"""Contrastive training of an encoder with the library's trainers, choosing the epoch on held-out queries."""

import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from datasets import Dataset
from sentence_transformers.base import BaseModel
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.base.trainer import BaseTrainer
from sentence_transformers.base.training_args import BaseTrainingArguments
from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
from torch import Tensor, nn
from transformers import PrinterCallback, TrainerCallback

from bench.errors import BenchError
from bench.progress import Progress
from retrievers.encoding import DistinctTexts
from retrievers.learning.examples import Examples, Labelled, batch_count, batches

SURE = 50.0
"""A teacher's score that leaves the rest of a softmax less than float32 can tell."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train, and the text put before queries and documents."""

    epochs: int
    learning_rate: float
    warmup: float
    batch_size: int
    query_prompt: str
    document_prompt: str
    seed: int
    bfloat16: bool


class Batches:
    """`batches` of another shuffle in each epoch, as the trainer asks for them."""

    def __init__(self, examples: Examples, size: int, seed: int) -> None:
        self._examples = examples
        self._size = size
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return batch_count(self._examples, self._size)

    def __iter__(self) -> Iterator[list[int]]:
        return batches(self._examples, self._size, self._seed + self._epoch)


class Course(TrainerCallback):
    """Tells the progress, notes loss and held-out MRR@10 of each epoch, and keeps the weights of the best.

    Epoch 0 is the model as it came: if training never makes it better, it stays as it is.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._loss: float | None = None
        self.epochs: list[dict[str, Any]] = []
        self.best: dict[str, Tensor] = {}
        self.chosen = 0

    def on_step_end(self, *arguments: Any, **_: Any) -> None:
        state = arguments[1]
        self._progress("fine-tuning", state.global_step, state.max_steps)

    def on_log(self, *_: Any, **event: Any) -> None:
        self._loss = event["logs"].get("loss", self._loss)

    def on_evaluate(self, *_: Any, **event: Any) -> None:
        figure = next(value for name, value in event["metrics"].items() if name.endswith("_mrr@10"))
        first = not self.epochs
        self.epochs.append({"epoch": len(self.epochs), "loss": self._loss, "held_out_mrr@10": float(figure)})
        if first or figure > self.epochs[self.chosen]["held_out_mrr@10"]:
            self.chosen = len(self.epochs) - 1
            self.best = {name: value.detach().clone() for name, value in event["model"].state_dict().items()}


@dataclass(frozen=True)
class Method:
    """What the two kinds of encoder train and are measured with."""

    trainer: type[BaseTrainer]
    loss: nn.Module
    evaluator: type[InformationRetrievalEvaluator]


def train(
    model: BaseModel,
    method: Method,
    examples: Examples,
    texts: DistinctTexts,
    evaluator: InformationRetrievalEvaluator,
    schedule: Schedule,
    progress: Progress,
) -> dict[str, Any]:
    """Leave the model with the weights of the best epoch. Returns the course of the training.

    `texts[i]` is the text that `examples.texts` calls i. Raises BenchError if training diverges.
    """
    course = Course(progress)
    with tempfile.TemporaryDirectory() as scratch:
        runner = _without_card(method.trainer)(
            model=model,
            args=_arguments(method.trainer, model, examples, schedule, scratch),
            train_dataset=_dataset(examples, texts),
            loss=method.loss,
            evaluator=evaluator,
            callbacks=[course],
        )
        runner.remove_callback(PrinterCallback)
        runner.train()
    if not all(map(math.isfinite, (epoch["loss"] for epoch in course.epochs[1:]))):
        raise BenchError("fine-tuning diverged: its loss is no number any more; lower finetune_rate")
    model.load_state_dict(course.best)
    return {
        "epochs": course.epochs,
        "chosen_epoch": course.chosen,
        "held_out_mrr@10_before": course.epochs[0]["held_out_mrr@10"],
        "held_out_mrr@10_after": course.epochs[course.chosen]["held_out_mrr@10"],
    }


def learn_projection(model: BaseModel) -> None:
    """Let the model learn a linear map alone, which starts as the identity, between its transformer and what follows.

    The transformer stays as it is, also without dropout. Raises BenchError for a model that does not begin with one.
    """
    transformer = model[0]
    if not isinstance(transformer, Transformer):
        raise BenchError("the model gives no vector per token to project; set finetune_weights=all")
    transformer.requires_grad_(False).register_forward_pre_hook(_stay_in_eval)
    size = transformer.get_embedding_dimension()
    identity = torch.eye(size, dtype=model.dtype)
    states = "token_embeddings"
    projection = Dense(size, size, False, nn.Identity(), init_weight=identity, module_input_name=states)
    model.insert(1, projection.to(model.device))


def _stay_in_eval(module: nn.Module, _: Any) -> None:
    module.eval()


def _without_card(trainer: type[BaseTrainer]) -> type[BaseTrainer]:
    """The trainer without its model card, which takes time and shows progress bars to be written."""
    return type(trainer.__name__, (trainer,), {"add_model_card_callback": lambda *_: None})


def held_out_evaluator(
    method: Method, held: Sequence[Labelled], pool: Sequence[int], texts: DistinctTexts, schedule: Schedule
) -> InformationRetrievalEvaluator:
    """MRR@10 of the held-out queries over the texts of the pool."""
    return method.evaluator(
        queries={str(i): labelled.query.text for i, labelled in enumerate(held)},
        corpus={str(text): texts[text] for text in pool},
        relevant_docs={str(i): set(map(str, labelled.relevant)) for i, labelled in enumerate(held)},
        query_prompt=schedule.query_prompt,
        corpus_prompt=schedule.document_prompt,
        batch_size=schedule.batch_size,
        write_csv=False,
    )


def _dataset(examples: Examples, texts: DistinctTexts) -> Dataset:
    """One column for the queries, one for each document, and labels for the losses that want a teacher."""
    columns: dict[str, list[Any]] = {"query": [query.text for query in examples.queries]}
    names = _document_columns(examples)
    for name, numbers in zip(names, examples.texts.T.tolist(), strict=True):
        columns[name] = [texts[number] for number in numbers]
    columns["label"] = [[SURE] + [0.0] * (len(names) - 1)] * len(examples)
    return Dataset.from_dict(columns)


def _document_columns(examples: Examples) -> list[str]:
    return ["positive", *(f"negative_{i}" for i in range(1, examples.texts.shape[1]))]


def _arguments(
    trainer: type[BaseTrainer], model: BaseModel, examples: Examples, schedule: Schedule, scratch: str
) -> BaseTrainingArguments:
    if model.device.index:
        raise BenchError(
            f"fine-tuning takes the first accelerator that it sees: set CUDA_VISIBLE_DEVICES={model.device.index} "
            "and device=cuda"
        )
    documents = _document_columns(examples)
    sampler: Any = lambda *_, **__: Batches(examples, schedule.batch_size, schedule.seed)  # noqa: E731
    arguments = trainer.training_args_class(
        output_dir=scratch,
        num_train_epochs=schedule.epochs,
        learning_rate=schedule.learning_rate,
        warmup_steps=schedule.warmup,
        per_device_train_batch_size=schedule.batch_size,
        batch_sampler=sampler,
        prompts={"query": schedule.query_prompt} | dict.fromkeys(documents, schedule.document_prompt),
        router_mapping={"query": "query"} | dict.fromkeys(documents, "document"),
        seed=schedule.seed,
        data_seed=schedule.seed,
        bf16=schedule.bfloat16,
        use_cpu=model.device.type == "cpu",
        dataloader_pin_memory=False,
        eval_strategy="epoch",
        eval_on_start=True,
        logging_strategy="epoch",
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # several would each see a part of the batch
    return arguments
