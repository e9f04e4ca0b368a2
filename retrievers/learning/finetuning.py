"""Fine-tuning of an encoder on the training queries, which the dense and the late-interaction retriever share."""

import copy
import json
from abc import abstractmethod
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from bench.collections.collection import Collection
from bench.models import MINILM, ModelOptions, pick_dtype
from bench.retriever import Retriever
from bench.token_states import reading_once
from retrievers.encoding import DistinctTexts
from retrievers.learning.examples import Examples, Labelled, hold_out, labelled_queries, make_examples, ranked_pool

if TYPE_CHECKING:
    from sentence_transformers.base import BaseModel

    from retrievers.learning.contrastive import Method, Schedule

_MODEL, _COURSE = "model", "finetuning.json"


class FineTuned(ModelOptions, Retriever):
    """An encoder that may be trained on the training queries before it encodes the documents.

    The epoch is chosen by MRR@10 on training queries that are held out; 0 is the model as it came. What a query finds
    relevant, by the judgements and in any copy, is never among its negatives.
    """

    model: str = Field(MINILM, description="name on the Hugging Face hub, or folder, of the encoder")
    finetune: Literal["none", "in-batch", "hard-negatives", "pairwise"] = Field(
        "none", description="train first, against the batch's other documents, mined ones too, or only one mined each"
    )
    finetune_weights: Literal["all", "projection"] = Field(
        "all",
        description="finetune: all weights, or a linear map of the token states of an encoder that stays as it is",
    )
    training_split: str = Field("train", description="finetune: the split whose queries are learned from")
    finetune_epochs: int = Field(3, ge=1, description="finetune: times that each training query is seen")
    finetune_rate: float = Field(5e-5, gt=0, description="finetune: highest learning rate, from which it falls to 0")
    finetune_warmup: float = Field(
        0.1, ge=0, lt=1, description="finetune: share of the steps in which the rate rises"
    )
    finetune_batch: int = Field(32, ge=2, description="finetune: queries in a batch")
    finetune_max_tokens: int = Field(64, ge=8, description="finetune: documents are cut after this many tokens")
    finetune_scale: float = Field(
        0, ge=0, description="finetune: factor of the scores in the loss; 0: what is usual for the similarity"
    )
    finetune_positives: int = Field(4, ge=1, description="finetune: relevant documents of a query that are learned")
    finetune_negatives: int = Field(1, ge=1, description="finetune: mined negatives of each relevant document")
    finetune_depth: int = Field(30, ge=1, description="finetune: negatives are drawn from BM25's first so many")
    finetune_held_out: float = Field(
        0.1, gt=0, le=0.5, description="finetune: share of the training queries, at most 500, that choose the epoch"
    )
    finetune_pool: int = Field(500, ge=1, description="finetune: documents that these are ranked among")

    @property
    def trained(self) -> bool:
        return self.finetune != "none"

    @cached_property
    def encoder(self) -> "BaseModel":
        """The model, opened on first use; once fine-tuned, with its own weights."""
        return self._open(self.model)

    @abstractmethod
    def _open(self, name: str) -> "BaseModel":
        """A model by name or folder, with the options applied."""

    @abstractmethod
    def _method(self, model: Any) -> "Method":
        """Trainer, loss and evaluator for this kind of model."""

    @abstractmethod
    def _cut(self, model: Any, tokens: int) -> None:
        """Have the model cut documents after so many tokens, if it does not cut them sooner."""

    @property
    @abstractmethod
    def _query_prompt(self) -> str: ...

    @property
    @abstractmethod
    def _document_prompt(self) -> str: ...

    def _reading_once(self, texts: DistinctTexts, reader: "BaseModel") -> AbstractContextManager[None]:
        """While it is open, the reader does not read documents that a system with the same weights has read."""
        if self.trained and self.finetune_weights == "all":
            return nullcontext()
        return reading_once(reader, self.model, texts, self._document_prompt, self.workplace, self.progress)

    def _finetune(self, collection: Collection, texts: DistinctTexts) -> None:
        """Give the encoder new weights, trained in float32, and note how it went."""
        from retrievers.learning.contrastive import held_out_evaluator, learn_projection, train

        labelled = labelled_queries(collection, self.training_split, texts.place)
        learned, held = hold_out(labelled, self.finetune_held_out, self.seed)
        pool = ranked_pool(held, texts.place, self.finetune_pool, self.seed)
        examples = self._examples(collection, texts, learned)
        if self.finetune_weights == "projection":
            learn_projection(self.encoder)
        student = copy.deepcopy(self.encoder).float()
        self._cut(student, self.finetune_max_tokens)
        method, schedule = self._method(student), self._schedule()
        evaluator = held_out_evaluator(method, held, pool, texts, schedule)
        with self._reading_once(texts, student):
            course = train(student, method, examples, texts, evaluator, schedule, self.progress)
        self.encoder.load_state_dict(student.state_dict())
        sizes = {"examples": len(examples), "held_out_queries": len(held), "held_out_documents": len(pool)}
        self._course = {"training_queries": len(learned), **sizes, **course}

    def _examples(self, collection: Collection, texts: DistinctTexts, learned: list[Labelled]) -> Examples:
        mined = self.finetune != "in-batch"
        if mined:
            self.progress("mining negatives", 0, 1)
        return make_examples(
            collection,
            texts.place,
            learned,
            positives=self.finetune_positives,
            negatives=self.finetune_negatives if mined else 0,
            depth=self.finetune_depth,
            seed=self.seed,
        )

    def _schedule(self) -> "Schedule":
        import torch

        from retrievers.learning.contrastive import Schedule

        return Schedule(
            epochs=self.finetune_epochs,
            learning_rate=self.finetune_rate,
            warmup=self.finetune_warmup,
            batch_size=self.finetune_batch,
            query_prompt=self._query_prompt,
            document_prompt=self._document_prompt,
            seed=self.seed,
            bfloat16=pick_dtype(self.precision, str(self.encoder.device)) == torch.bfloat16,
        )

    def _save_finetuned(self, folder: Path) -> None:
        if self.trained:
            self.encoder.save_pretrained(str(folder / _MODEL), create_model_card=False)
            (folder / _COURSE).write_text(json.dumps(self._course))

    def _load_finetuned(self, folder: Path) -> None:
        if self.trained:
            self.encoder = self._open(str(folder / _MODEL))
            self._course = json.loads((folder / _COURSE).read_text())

    def _finetune_facts(self) -> dict[str, Any]:
        return {"finetuning": self._course} if self.trained else {}
