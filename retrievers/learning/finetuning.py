"""Fine-tuning of an encoder on the training queries, which the dense and the late-interaction retriever share."""

import copy
import json
import tempfile
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from bench.collections.collection import Collection, Query
from bench.models import MINILM, pick_dtype
from bench.retriever import Retriever
from bench.token_states import Texts, reading_once
from retrievers.encoding import DistinctTexts, Encode, FullWindows
from retrievers.learning.examples import labelled_queries, make_examples, ranked_pool, split_wordings
from retrievers.learning.options import FineTuningOptions
from retrievers.workers import WorkerOptions, at_work

if TYPE_CHECKING:
    from sentence_transformers.base import BaseModel

    from retrievers.learning.contrastive import Method

_MODEL, _COURSE = "model", "finetuning.json"


class FineTuned(WorkerOptions, Retriever):
    """An encoder that may be trained on the training queries before it encodes the documents.

    The epoch is chosen by MRR@10 on training queries that are held out; 0 is the model as it came. What a query finds
    relevant, by the judgements and in any copy, is never among its negatives.
    """

    model: str = Field(MINILM, description="name on the Hugging Face hub, or folder, of the encoder")
    finetuning: FineTuningOptions = Field(default_factory=FineTuningOptions, description="train it first")

    @property
    def trained(self) -> bool:
        return self.finetuning.method != "none"

    @cached_property
    def encoder(self) -> "BaseModel":
        """The model, opened on first use; once fine-tuned, with its own weights."""
        return self._open(self.model)

    @abstractmethod
    def _open(self, name: str) -> "BaseModel":
        """A model by name or folder, with the options applied."""

    @abstractmethod
    def _method(self, model: Any) -> "Method":
        """Loss and evaluator for this kind of model."""

    @abstractmethod
    def _cut(self, model: Any, tokens: int) -> None:
        """Have the model cut documents after so many tokens, if it does not cut them sooner."""

    @abstractmethod
    def _encode_documents(self, texts: list[str]) -> Any:
        """What the encoder makes of each text, in their order."""

    @property
    @abstractmethod
    def _document_limit(self) -> int | None:
        """Tokens after which the encoder cuts a document, if it cuts any."""

    @property
    @abstractmethod
    def _query_prompt(self) -> str: ...

    @property
    @abstractmethod
    def _document_prompt(self) -> str: ...

    @contextmanager
    def _document_encoder(self, texts: DistinctTexts, full: FullWindows) -> Iterator[Encode[Any]]:
        """While it is open, what encodes documents, here or in other processes; `full` counts those that are cut.

        A process reads every text itself: states that are kept for other systems would have to be sent to it.
        """
        if self.workers == 1:
            with (
                self._reading_once(texts, self.encoder, self._document_prompt),
                full.counted(self.encoder, self._document_limit),
            ):
                yield partial(map, self._encode_documents)
            return
        with tempfile.TemporaryDirectory() as folder:
            self._save_finetuned(Path(folder))
            opened = partial(_reader, type(self), self.options(), Path(folder))
            with at_work(opened, self.worker_devices) as encode:
                yield partial(_counted, encode, full)

    def reading_once(self, queries: Sequence[Query]) -> AbstractContextManager[None]:
        texts = [query.text for query in queries]
        return self._reading_once(texts, self.encoder, self._query_prompt, "query")

    def _reading_once(
        self, texts: Texts, reader: "BaseModel", prompt: str, task: Literal["document", "query"] = "document"
    ) -> AbstractContextManager[None]:
        """While it is open, the reader does not read texts that a system with the same weights has read."""
        if self.trained and self.finetuning.weights == "all":
            return nullcontext()
        return reading_once(reader, self.model, texts, prompt, self.workplace, self.progress, task)

    def _finetune(self, collection: Collection, texts: DistinctTexts) -> None:
        """Give the encoder new weights, trained in float32, and note how it went."""
        import torch

        from retrievers.learning.contrastive import Prompts, fine_tune, held_out_evaluator, learn_projection

        options, prompts = self.finetuning, Prompts(self._query_prompt, self._document_prompt)
        labelled = labelled_queries(collection, options.split, texts.place)
        learned, held = split_wordings(labelled, options.held_out, self.seed)
        pool = ranked_pool(held, texts.place, options.pool, self.seed)
        examples = make_examples(collection, texts.place, learned, options, self.seed, self.progress)
        if options.weights == "projection":
            learn_projection(self.encoder)
        student = copy.deepcopy(self.encoder).float()
        self._cut(student, options.max_tokens)
        method = self._method(student)
        evaluator = held_out_evaluator(method, held, pool, texts, prompts, options.training_batch)
        with self._reading_once(texts, student, self._document_prompt):
            course = fine_tune(
                student,
                method,
                examples,
                texts,
                evaluator,
                options,
                prompts,
                seed=self.seed,
                bfloat16=pick_dtype(self.precision, str(self.encoder.device)) == torch.bfloat16,
                workplace=self.workplace,
                progress=self.progress,
            )
        self.encoder.load_state_dict(student.state_dict())
        sizes = {"examples": len(examples), "held_out_queries": len(held), "held_out_documents": len(pool)}
        self._learned = {"training_queries": len(learned), **sizes, "training": course.as_data()}

    def _save_finetuned(self, folder: Path) -> None:
        if self.trained:
            self.encoder.save_pretrained(str(folder / _MODEL), create_model_card=False)
            (folder / _COURSE).write_text(json.dumps(self._learned))

    def _load_finetuned(self, folder: Path) -> None:
        if self.trained:
            self.encoder = self._open(str(folder / _MODEL))
            self._learned = json.loads((folder / _COURSE).read_text())

    def _finetune_facts(self) -> dict[str, Any]:
        return self._learned if self.trained else {}


def _reader(
    kind: type[FineTuned], options: Mapping[str, Any], folder: Path, device: str
) -> Callable[[list[str]], tuple[Any, int]]:
    """In a worker: encodes texts, and tells how many of them are cut. `folder` has the new weights, if any."""
    system = kind(**{**options, "device": device})
    system._load_finetuned(folder)

    def read(texts: list[str]) -> tuple[Any, int]:
        full = FullWindows()
        with full.counted(system.encoder, system._document_limit):
            return system._encode_documents(texts), full.count

    return read


def _counted(encode: Encode[tuple[Any, int]], full: FullWindows, parts: Iterable[list[str]]) -> Iterator[Any]:
    for encoded, cut in encode(parts):
        full.count += cut
        yield encoded
