"""Recformer (Li et al. 2023, "Text is all you need: learning language representations for sequential recommendation",
arXiv 2305.13731), in small."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from bench.collections.collection import Collection
from bench.collections.histories import training_sequences
from bench.errors import BenchError
from bench.models import MINILM, ModelOptions, find_weights, pick_device
from retrievers.encoding import refuse_textless
from retrievers.recommenders.item_texts import described
from retrievers.recommenders.options import NextItemTrainingOptions, Pooling
from retrievers.recommenders.sequences import Recommender, in_batches
from retrievers.recommenders.validation import Validation

if TYPE_CHECKING:
    from retrievers.generative.encoders import TextEncoder
    from retrievers.recommenders.text_transformer import Loss, TextNetwork

_TOKENS = ("tokens", "types", "offsets")


class StageOptions(NextItemTrainingOptions):
    """How one of the three stages is trained."""

    epochs: int = Field(9, ge=0, description="passes over the training sequences, at most")
    learning_rate: float = Field(2e-3, gt=0, description="of Adam")
    training_batch: int = Field(32, ge=2, description="sequences in a training step")
    patience: int = Field(3, ge=1, description="epochs without a better validation figure, after which it stops")
    valid_users: int = Field(1000, ge=1, description="users of that split whom it is measured on, at most")


class Recformer(Recommender):
    """Reads a history as one text, the newest item first, and answers with the items whose own text lies near.

    Nothing is learned of an item but through its words, so that items that training lacks are answers. An item is
    its attributes' names and values, `title` and `description`; a token is its word piece, position, type and the
    place of its item. First the network learns hidden words, and which item of a batch comes next; then the next
    among all items, which are encoded anew before each epoch; then the same with the items as they were best.

    Unlike the paper's, the network is small and starts from MiniLM's word vectors alone, not from a Longformer, whose
    windows and first token that sees all it has. With `start=model` it is the one that `model` names, such as
    Recformer's released weights as safetensors, with the vectors of places that these have and without their head. It
    is pre-trained on the collection itself and not on other shops; the mean of all tokens stands for a text, because
    what a network from a random start makes of the first one (`pooling=first`, the paper's) says much the same of
    every text; a text with hidden words is read once for both of the first losses; and items that training lacks are
    no negatives. One item of each sequence, drawn anew, is learned in an epoch. An item without text is neither read
    nor an answer.
    """

    model: str = Field(MINILM, description="name or folder of the encoder whose tokenizer and word vectors it takes")
    start: Literal["words", "random", "model"] = Field(
        "words",
        description="a small network whose word vectors begin as principal components of the model's, or at random; "
        "or the model itself, a Longformer, with its own sizes",
    )
    dimension: int = Field(64, ge=2, description="small network: size of the vectors")
    layers: int = Field(2, ge=1, description="small network: blocks of self-attention")
    heads: int = Field(2, ge=1, description="small network: heads of each block")
    dropout: float = Field(0.0, ge=0, lt=1, description="small network: while training")
    value_tokens: int = Field(8, ge=1, description="tokens of an attribute's value that are read")
    longest: int = Field(10, ge=1, description="latest items of a history that are read")
    window: int = Field(64, ge=2, description="small network: tokens around itself that a token sees")
    pooling: Pooling = Field("mean", description="what stands for a text: the mean of its tokens, or the first one")
    temperature: float = Field(0.05, gt=0, le=1, description="cosines are divided by it in the losses")
    masked_weight: float = Field(0.1, ge=0, description="of the loss of hidden words; 0: none")
    pretraining: StageOptions = Field(
        default_factory=lambda: StageOptions(epochs=3),
        description="how hidden words and next items are learned",
    )
    training: StageOptions = Field(
        default_factory=StageOptions, description="how next items are learned, with items encoded in each epoch"
    )
    last_training: StageOptions = Field(
        default_factory=lambda: StageOptions(epochs=2, learning_rate=5e-4),
        description="how they are learned with items as they were best",
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:N or mps")

    @model_validator(mode="after")
    def _heads_share_the_dimension(self) -> "Recformer":
        if self.dimension % self.heads:
            raise ValueError(f"dimension {self.dimension} is no multiple of heads {self.heads}")
        return self

    def fit(self, collection: Collection) -> Self:
        """Raises BenchError for a collection without sequences or the split `valid`, or where no item has text, or
        no sequence has two items that do.
        """
        import torch

        from retrievers.generative.encoders import TextEncoder
        from retrievers.recommenders.item_tokens import item_tokens

        super().fit(collection)
        refuse_textless(collection)
        reader = TextEncoder.open(self.model, ModelOptions(device=self.device))
        self._catalogue, pieces = item_tokens(described(collection), reader.tokenizer, self.value_tokens)
        self._told = self._catalogue.told
        told = [sequence[self._told[sequence]] for sequence in training_sequences(collection)]
        sequences = [sequence for sequence in told if len(sequence) > 1]
        if not sequences:
            raise BenchError(
                f"{collection.name} has no training sequence of two items with text to learn from; take item-knn, "
                "which reads none"
            )
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self._config = reader.model.config.to_dict() if self.start == "model" else None
            self._model = self._untrained()
            if self.start != "random":
                self._take(reader, pieces)
            self._train(sequences, collection)
        return self

    def _untrained(self) -> "TextNetwork":
        from retrievers.recommenders.longformer_text import LongformerText, longformer_shape
        from retrievers.recommenders.text_transformer import TextShape, TextTransformer

        device = pick_device(self.device)
        if self._config is not None:
            whole = longformer_shape(self.model, self._config, self._catalogue, self.longest, self.pooling)
            return LongformerText(whole, self._catalogue, self.temperature, self._config).to(device)
        shape = TextShape(
            self._catalogue.vocabulary,
            self.dimension,
            self.layers,
            self.heads,
            self.longest,
            self._catalogue.longest(self.longest),
            self.window,
            self.dropout,
            self.pooling,
        )
        return TextTransformer(shape, self._catalogue, self.temperature).to(device)

    def _take(self, reader: "TextEncoder", pieces: Sequence[int]) -> None:
        """What the network begins with of the model, whose own numbers of the catalogue's tokens are `pieces`."""
        import torch

        from retrievers.recommenders.longformer_text import LongformerText, places_of
        from retrievers.recommenders.text_transformer import principal_words

        if isinstance(self._model, LongformerText):
            self._model.take(reader.model, pieces, places_of(find_weights(self.model).folder))
            return
        vectors: Any = reader.model.get_input_embeddings()
        with torch.no_grad():
            found = principal_words(vectors.weight[list(pieces)].float().cpu().numpy(), self.dimension)
            self._model.pieces.copy_(torch.from_numpy(found))

    def _train(self, sequences: Sequence[np.ndarray], collection: Collection) -> None:
        """All stages, each going on from the best weights of the one before."""
        from retrievers.recommenders.text_transformer import finetuning_loss_of, pretraining_loss_of

        model, seen = self._model, np.unique(np.concatenate(sequences))
        first = pretraining_loss_of(model, self.masked_weight)
        then = finetuning_loss_of(model, seen)
        self._training = {
            "pretraining": self._stage("pretraining", first, sequences, collection, encoding=True),
            "training": self._stage("training", then, sequences, collection, encoding=True),
            "last_training": self._stage("last_training", then, sequences, collection, encoding=False),
        }

    def _stage(
        self, name: str, loss: "Loss", sequences: Sequence[np.ndarray], collection: Collection, encoding: bool
    ) -> dict[str, Any]:
        """Train, and leave the items as the best weights encode them, or as they are. Returns the record."""
        from retrievers.learning.trainer import train
        from retrievers.recommenders.text_transformer import text_plan

        options: StageOptions = getattr(self, name)
        users = Validation.of(collection, "recformer-small", options.valid_users, self.seed)
        encode: Callable[[], None] = self._model.encode_items if encoding else lambda: None

        def validate() -> dict[str, float]:
            encode()
            return users.figures(lambda part: self.scores(users.histories[part]), options.learning_rate)

        plan = text_plan(self._model, sequences, loss, options, validate, self.seed, encode)
        below = self.workplace.below(name)
        course = train(self._model, plan, below, lambda phase, *steps: self.progress(f"{name}: {phase}", *steps))
        self.workplace.reused_seconds += below.reused_seconds
        encode()
        return course.as_data()

    def scores(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        read = [history[self._told[history]] for history in histories]

        def score(known: list[np.ndarray]) -> np.ndarray:
            cosines = self._model.read(known) @ self._model.items.T
            return np.where(self._told, cosines.cpu().numpy(), -np.inf)

        return in_batches(read, len(self._rows), None, score)

    def weights(self) -> list[str]:
        return [self.model]

    def save(self, folder: Path) -> None:
        from safetensors.torch import save_file

        super().save(folder)
        for name in _TOKENS:
            np.save(folder / f"{name}.npy", getattr(self._catalogue, name))
        np.save(folder / "encoded.npy", self._model.items.cpu().numpy())
        save_file(self._model.state_dict(), folder / "model.safetensors")
        facts = {
            "vocabulary": self._catalogue.vocabulary,
            "training": self._training,
            "config": self._config,
        }
        (folder / "facts.json").write_text(json.dumps(facts))

    def load(self, folder: Path) -> None:
        import torch
        from safetensors.torch import load_file

        from retrievers.recommenders.item_tokens import ItemTokens

        super().load(folder)
        facts = json.loads((folder / "facts.json").read_text())
        tokens, types, offsets = (np.load(folder / f"{name}.npy", allow_pickle=False) for name in _TOKENS)
        self._catalogue = ItemTokens(tokens, types, offsets, facts["vocabulary"])
        self._told, self._training, self._config = self._catalogue.told, facts["training"], facts["config"]
        self._model = self._untrained().eval()
        self._model.load_state_dict(load_file(folder / "model.safetensors"))
        self._model.items.copy_(torch.from_numpy(np.load(folder / "encoded.npy", allow_pickle=False)))

    def facts(self) -> dict[str, Any]:
        sizes = np.diff(self._catalogue.offsets)
        return {
            "device": str(self._model.items.device),
            "parameters_learned": sum(weight.numel() for weight in self._model.parameters()),
            "vocabulary": self._catalogue.vocabulary,
            "tokens_of_an_item": float(sizes[sizes > 0].mean()),
            "stages": self._training,
        }
