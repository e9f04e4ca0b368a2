"""M6-Rec's late interaction (Cui et al. 2022, "M6-Rec: generative pretrained language models are open-ended
recommender systems", arXiv 2205.08084)."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection
from bench.collections.histories import training_sequences
from bench.models import ModelOptions, pick_device
from retrievers.recommenders.item_texts import ItemReader
from retrievers.recommenders.losses import LossKind, loss_of
from retrievers.recommenders.options import NextItemTrainingOptions
from retrievers.recommenders.sequences import Recommender, in_batches
from retrievers.recommenders.validation import Validation
from retrievers.unit_vectors import unit

if TYPE_CHECKING:
    from torch import Tensor

    from retrievers.generative.encoders import TextEncoder
    from retrievers.recommenders.segment_cache import Segments


_BATCH = 32


class SegmentTrainingOptions(NextItemTrainingOptions):
    """How the layers in which segments meet are trained."""

    epochs: int = Field(5, ge=1, description="passes over the training sequences, at most")
    learning_rate: float = Field(3e-4, gt=0, description="of Adam")
    training_batch: int = Field(32, ge=1, description="sequences in a training step")
    patience: int = Field(3, ge=1, description="epochs without a better validation figure, after which it stops")
    valid_users: int = Field(500, ge=1, description="users of that split whom it is measured on, at most")


class M6Rec(ItemReader, Recommender):
    """A history of texts and a candidate's text meet in an encoder's last layers; the layers before are kept.

    The encoder's lower layers read the beginning of each item's text alone, once for all: the paper's segment cache.
    The last layers, which learn, read the history's segments together, and the latest item's state points at the
    vectors of items' texts: their likeness, by which candidates are chosen. A candidate's segment is then read behind
    the history's, and its plausibility, a linear map of its state there as in the paper's scoring tasks, is added to
    its likeness. Unlike in the paper, the encoder is MiniLM and not the language model M6, so that there is no
    probability of a text, by which the paper scores without training; a segment sees those before it and not the
    whole history, so that one pass teaches every place; segments meet in the last layer of six and not in three; and
    what learns is trained whole, not by options and adapters, and neither distilled nor pruned.
    """

    split_layer: int = Field(5, ge=1, description="layers that read each segment alone; those behind them join them")
    segment_tokens: int = Field(10, ge=3, le=512, description="tokens of a segment, marks included, at most")
    longest: int = Field(10, ge=1, description="latest items of a history that are read")
    shortlist: int = Field(20, ge=1, description="items of the highest likeness that are read behind the history")
    cached: bool = Field(True, description="keep the lower layers' states, or compute them again for every answer")
    loss: LossKind = Field(
        "cross-entropy", description="of likeness: over all items or over some, or of the next and one other (bce)"
    )
    negatives: int = Field(256, ge=1, description="loss=sampled-softmax: items that the next one stands against")
    hard_negatives: int = Field(4, ge=1, description="other candidates that the next one is read beside in training")
    training: SegmentTrainingOptions = Field(
        default_factory=SegmentTrainingOptions, description="how the last layers are trained"
    )

    def fit(self, collection: Collection) -> Self:
        """Raises BenchError for a collection without sequences or the split `valid`, where no item has text, or for
        an encoder that cannot be cut there."""
        import torch

        from retrievers.learning.trainer import train
        from retrievers.recommenders.segment_reader import segment_plan

        super().fit(collection)
        sequences = [sequence for sequence in training_sequences(collection) if len(sequence) > 1]
        users = Validation.of(collection, "m6-rec", self.training.valid_users, self.seed)
        self._items = unit(self.item_vectors(collection))
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            lower = self._cut()
            tokens = lower.tokens_of(list(collection.texts()), self.segment_tokens - lower.marks)
            self._hold(lower, tokens, None)
            plan = segment_plan(
                self._model,
                sequences,
                loss_of(self.loss, self.negatives),
                self.shortlist,
                self.hard_negatives,
                self.training,
                lambda: users.figures(lambda part: self.scores(users.histories[part]), self.training.learning_rate),
                self.seed,
            )
            self._training = train(self._model, plan, self.workplace, self.progress).as_data()
        self._answer_from_here()
        return self

    def _cut(self) -> "TextEncoder":
        from retrievers.recommenders.segment_cache import cut

        lower, self._upper = cut(self.model, self.split_layer, ModelOptions(device=self.device))
        return lower

    def _hold(self, lower: "TextEncoder", tokens: Sequence[Sequence[int]], kept: "Segments | None") -> None:
        import torch

        from retrievers.recommenders.segment_cache import SegmentTexts
        from retrievers.recommenders.segment_reader import SegmentReader

        device = pick_device(self.device)
        self._texts = SegmentTexts(lower, tokens, self.segment_tokens)
        self._kept = (kept or self._texts.keep(self.workplace, self.progress)).on(device)
        self._model = SegmentReader(self._upper, torch.from_numpy(self._items), self.longest, self._kept.of).to(
            device
        )

    def _answer_from_here(self) -> None:
        """What was trained from kept segments may answer without them."""
        if not self.cached:
            self._model.segments = self._texts.read

    def scores(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        import torch

        def score(part: list[np.ndarray]) -> np.ndarray:
            return self._scored([history[-self.longest :] for history in part]).cpu().numpy()

        self._model.eval()
        with torch.inference_mode():
            return in_batches(histories, len(self._rows), _BATCH, score)

    def _scored(self, histories: Sequence[np.ndarray]) -> "Tensor":
        """Shape [histories, items]: candidates by likeness and plausibility, below them the others by likeness."""
        import torch

        model = self._model
        rows = model.padded(histories)
        lengths = torch.tensor([len(history) for history in histories], device=rows.device)
        asked = model.directions(rows)[torch.arange(len(rows), device=rows.device), lengths - 1]
        likeness = asked @ model.items.T
        candidates = likeness.topk(min(self.shortlist, model.none), dim=1).indices
        gained = likeness.gather(1, candidates) + model.plausibility(rows, lengths, candidates)
        below = gained.amin(dim=1, keepdim=True) - 1 - likeness.amax(dim=1, keepdim=True)
        return (likeness + below).scatter(1, candidates, gained)

    def save(self, folder: Path) -> None:
        from safetensors.torch import save_file

        from retrievers.learning.trainer import storable
        from retrievers.recommenders.segment_cache import save_segments

        super().save(folder)
        np.save(folder / "vectors.npy", self._items)
        save_segments(self._kept, folder)
        save_file(storable(self._model.learned()), folder / "model.safetensors")
        state = {"tokens": self._texts.tokens, "training": self._training}
        (folder / "state.json").write_text(json.dumps(state))

    def load(self, folder: Path) -> None:
        from safetensors.torch import load_file

        from retrievers.recommenders.segment_cache import load_segments

        super().load(folder)
        self._items = np.load(folder / "vectors.npy", allow_pickle=False)
        state = json.loads((folder / "state.json").read_text())
        self._training = state["training"]
        self._hold(self._cut(), state["tokens"], load_segments(folder))
        self._model.restore(load_file(folder / "model.safetensors"))
        self._answer_from_here()

    def facts(self) -> dict[str, Any]:
        """`operations_saved` is the share, of all that one answer takes, that the lower layers would be."""
        return {
            "device": str(self._model.items.device),
            "parameters_learned": sum(weight.numel() for weight in self._model.learned().values()),
            "cache_bytes": self._kept.nbytes,
            "operations_saved": self._operations_saved(),
            "training": self._training,
        }

    def _operations_saved(self) -> float:
        import torch

        from retrievers.recommenders.segment_reader import operations

        model = self._model
        rows = torch.arange(self.longest + self.shortlist, device=model.items.device)[None] % model.none
        history, candidates = rows.split([self.longest, self.shortlist], dim=1)
        length = torch.tensor([self.longest], device=rows.device)
        upper = operations(lambda: (model.directions(history), model.plausibility(history, length, candidates)))
        lower = operations(lambda: self._texts.read(rows))
        return lower / (lower + upper)
