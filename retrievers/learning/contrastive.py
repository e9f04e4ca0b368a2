"""Contrastive training of an encoder with the library's losses, choosing the epoch on held-out queries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from sentence_transformers.base import BaseModel
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
from sentence_transformers.util import batch_to_device
from torch import Tensor, nn

from bench.errors import BenchError
from bench.progress import Progress
from bench.workplace import Workplace
from retrievers.encoding import DistinctTexts
from retrievers.learning.course import Course
from retrievers.learning.examples import Examples, Labelled, batch_count, batches
from retrievers.learning.options import FineTuningOptions
from retrievers.learning.trainer import Batch, Learner, Plan, straight, train

SURE = 50.0
"""A teacher's score that leaves the rest of a softmax less than float32 can tell."""


class Prompts(NamedTuple):
    """The text put before queries and before documents."""

    query: str
    document: str


@dataclass(frozen=True)
class Method:
    """What the two kinds of encoder are trained by and measured with."""

    loss: nn.Module
    evaluator: type[InformationRetrievalEvaluator]


class Student(Learner):
    """An encoder that learns."""

    def __init__(self, model: BaseModel) -> None:
        super().__init__()
        self.model = model


class InBfloat16(nn.Module):
    """An encoder that computes in bfloat16, with weights and results in float32, so that losses are exact."""

    def __init__(self, model: BaseModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, *arguments: Any, **named: Any) -> dict[str, Any]:
        with torch.autocast(self.model.device.type, torch.bfloat16):
            output: Mapping[str, Any] = self.model(*arguments, **named)
        return {name: value.float() if _is_half(value) else value for name, value in output.items()}


def _is_half(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.bfloat16


def fine_tune(
    model: BaseModel,
    method: Method,
    examples: Examples,
    texts: DistinctTexts,
    evaluator: InformationRetrievalEvaluator,
    options: FineTuningOptions,
    prompts: Prompts,
    *,
    seed: int,
    bfloat16: bool,
    workplace: Workplace,
    progress: Progress,
) -> Course:
    """Leave the model with the weights of the best epoch by MRR@10. Raises BenchError if training diverges.

    `texts[i]` is the text that `examples.texts` calls i.
    """
    student, size = Student(model), options.training_batch
    if bfloat16:
        method.loss.model = InBfloat16(model)
    labels = torch.tensor([[SURE] + [0.0] * (examples.texts.shape[1] - 1)], device=model.device)

    def loss(batch: Batch) -> Tensor:
        (places,) = batch
        value: Tensor = method.loss(
            _features(model, examples, texts, places, prompts), labels.expand(len(places), -1)
        )
        return value

    def draw_batches(number: int) -> list[Batch]:
        torch.empty(2, dtype=torch.int64).random_()  # as the library's loader draws, so that a seed's dropout is its
        return [(np.array(batch),) for batch in batches(examples, size, seed + number - 1)]

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        plan = Plan(
            batches=lambda number, _generator: draw_batches(number),
            steps=batch_count(examples, size),
            loss=loss,
            optimizer=torch.optim.AdamW(
                [weight for weight in model.parameters() if weight.requires_grad],
                lr=options.learning_rate,
                weight_decay=0.0,
                fused=True,
            ),
            rate=straight(options.warmup),
            epochs=options.epochs,
            seed=seed,
            reseeds=False,
            evaluate=lambda: {"MRR@10": _mrr(evaluator(cast(Any, model)))},
            rate_option="finetuning.learning_rate",
        )
        return train(student, plan, workplace, lambda phase, *steps: progress(f"fine-tuning: {phase}", *steps))


def _features(
    model: BaseModel, examples: Examples, texts: DistinctTexts, places: np.ndarray, prompts: Prompts
) -> list[dict[str, Any]]:
    """What the model reads of some examples: their queries, relevant texts, and negatives column by column."""
    queries = [examples.queries[place].text for place in places]
    documents = [[texts[number] for number in column] for column in examples.texts[places].T.tolist()]
    read = [_read(model, queries, prompts.query, "query")]
    return read + [_read(model, column, prompts.document, "document") for column in documents]


def _read(model: BaseModel, texts: list[str], prompt: str, task: str) -> dict[str, Any]:
    features = model.preprocess(texts, prompt=prompt, task=task)
    return batch_to_device(features, model.device) | {"task": task}


def _mrr(figures: Mapping[str, float]) -> float:
    """The best MRR@10 that the evaluator gives, which names it after the similarity."""
    return float(next(value for name, value in figures.items() if name.endswith("_mrr@10")))


def learn_projection(model: BaseModel) -> None:
    """Let the model learn a linear map alone, which starts as the identity, between its transformer and what follows.

    The transformer stays as it is, also without dropout. Raises BenchError for a model that does not begin with one.
    """
    transformer = model[0]
    if not isinstance(transformer, Transformer):
        raise BenchError("the model gives no vector per token to project; set finetuning.weights=all")
    transformer.requires_grad_(False).register_forward_pre_hook(_stay_in_eval)
    size = transformer.get_embedding_dimension()
    identity = torch.eye(size, dtype=model.dtype)
    states = "token_embeddings"
    projection = Dense(size, size, False, nn.Identity(), init_weight=identity, module_input_name=states)
    model.insert(1, projection.to(model.device))


def _stay_in_eval(module: nn.Module, _: Any) -> None:
    module.eval()


def held_out_evaluator(
    method: Method,
    held: Sequence[Labelled],
    pool: Sequence[int],
    texts: DistinctTexts,
    prompts: Prompts,
    at_once: int,
) -> InformationRetrievalEvaluator:
    """MRR@10 of the held-out queries over the texts of the pool, of which so many are encoded at once."""
    return method.evaluator(
        queries={str(i): labelled.query.text for i, labelled in enumerate(held)},
        corpus={str(text): texts[text] for text in pool},
        relevant_docs={str(i): set(map(str, labelled.relevant)) for i, labelled in enumerate(held)},
        query_prompt=prompts.query,
        corpus_prompt=prompts.document,
        batch_size=at_once,
        write_csv=False,
    )
