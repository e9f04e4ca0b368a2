"""Vectors of whole sequences (Papreja et al. 2019, "Representation, exploration and recommendation of playlists",
arXiv 1907.01098)."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection
from bench.collections.histories import training_sequences
from bench.models import pick_device
from retrievers.recommenders.options import NextItemTrainingOptions
from retrievers.recommenders.sequences import Recommender, in_batches, ownership
from retrievers.recommenders.validation import Validation
from retrievers.unit_vectors import unit

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_BATCH = 256


class AutoencoderTrainingOptions(NextItemTrainingOptions):
    """How the network learns to write what it has read."""

    epochs: int = Field(60, ge=1, description="passes over the training sequences, at most")
    patience: int = Field(10, ge=1, description="epochs without a better validation figure, after which it stops")


class Playlist(Recommender):
    """Items of the training sequences whose vectors are nearest to the history's.

    A sequence's vector is what a bidirectional GRU has read after its last item, which a second GRU learns to write
    the sequence from; or, as the paper's baseline, the mean of its items' vectors (`vectors=bag`). These are the
    paper's, and so is the search for the nearest sequences, which are its answers. Here the items of the nearest
    ones are, each for the sum of the cosines of those that have it, and the epoch is chosen by how they answer
    users of the split `valid`. Vectors of items, word2vec's in the paper, are factors of which items users have
    together (Levy and Goldberg 2014); the network has no attention.
    """

    vectors: Literal["seq2seq", "bag"] = Field(
        "seq2seq", description="of a sequence: what a network reads that learns to write it, or its items' mean"
    )
    hidden: int = Field(64, ge=1, description="seq2seq: units of each direction, and of the network that writes")
    dropout: float = Field(0.2, ge=0, lt=1, description="seq2seq: while training")
    longest: int = Field(50, ge=1, description="latest items of a sequence that are read")
    neighbours: int = Field(30, ge=1, description="nearest training sequences whose items are answers")
    training: AutoencoderTrainingOptions = Field(
        default_factory=AutoencoderTrainingOptions, description="how the network is trained"
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:N or mps")

    def fit(self, collection: Collection) -> Self:
        """Raises BenchError for a collection without sequences, or for a network without the split `valid`."""
        from retrievers.recommenders.semantic_ids.joint_vectors import factors_of

        super().fit(collection)
        sequences = [sequence for sequence in training_sequences(collection) if len(sequence)]
        self._owned = ownership(sequences, len(self._rows)).astype(np.float32)
        self._items = unit(factors_of(sequences, len(self._rows), self.seed))
        self._training: dict[str, Any] = {}
        if self.vectors == "seq2seq":
            self._train(collection, sequences)
        self._sequences = self._read(sequences)
        return self

    def _train(self, collection: Collection, sequences: Sequence[np.ndarray]) -> None:
        import torch

        from retrievers.learning.trainer import train
        from retrievers.recommenders.sequence_autoencoder import autoencoder_plan

        users = Validation.of(collection, "playlist", self.training.valid_users, self.seed)

        def validate() -> dict[str, float]:
            self._sequences = self._read(sequences)
            rate = self.training.learning_rate
            return users.figures(lambda part: self._nearest(users.histories[part]).toarray(), rate)

        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self._hold()
            windows = [sequence[-self.longest :] for sequence in sequences]
            plan = autoencoder_plan(self._model, windows, self.training, validate, self.seed)
            self._training = train(self._model, plan, self.workplace, self.progress).as_data()

    def _hold(self) -> None:
        import torch

        from retrievers.recommenders.sequence_autoencoder import SequenceAutoencoder

        model = SequenceAutoencoder(torch.from_numpy(self._items), self.hidden, self.dropout)
        self._model = model.to(pick_device(self.device))

    def _read(self, sequences: Sequence[np.ndarray]) -> np.ndarray:
        """Vectors of length 1, shape [sequences, dimension], of sequences of an item or more."""
        windows = [sequence[-self.longest :] for sequence in sequences]
        if self.vectors == "bag":
            return unit(np.stack([self._items[window].mean(axis=0) for window in windows]))
        import torch

        self._model.eval()
        with torch.inference_mode():
            parts = [windows[start : start + _BATCH] for start in range(0, len(windows), _BATCH)]
            return unit(np.concatenate([self._model(*self._model.padded(part)).cpu().numpy() for part in parts]))

    def _nearest(self, histories: Sequence[np.ndarray]) -> "csr_array":
        """Shape [histories, items]: the sum of the cosines of the nearest sequences that have an item."""
        from scipy.sparse import csr_array

        cosines = self._read(histories) @ self._sequences.T
        number = min(self.neighbours, cosines.shape[1])
        nearest = np.argpartition(-cosines, number - 1, axis=1)[:, :number]
        weights = np.maximum(np.take_along_axis(cosines, nearest, axis=1), 0)
        starts = np.arange(0, nearest.size + 1, number)
        return csr_array((weights.ravel(), nearest.ravel(), starts), shape=cosines.shape) @ self._owned

    def scores(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        def score(known: list[np.ndarray]) -> np.ndarray:
            found = self._nearest(known).toarray()
            return np.where(found > 0, found, -np.inf)

        return in_batches(histories, len(self._rows), None, score)

    def save(self, folder: Path) -> None:
        from safetensors.torch import save_file
        from scipy.sparse import save_npz

        super().save(folder)
        save_npz(folder / "owned.npz", self._owned)
        np.save(folder / "vectors.npy", self._items)
        np.save(folder / "sequences.npy", self._sequences)
        if self.vectors == "seq2seq":
            save_file(self._model.state_dict(), folder / "model.safetensors")
        (folder / "facts.json").write_text(json.dumps(self._training))

    def load(self, folder: Path) -> None:
        from safetensors.torch import load_file
        from scipy.sparse import load_npz

        super().load(folder)
        self._owned = load_npz(folder / "owned.npz")
        self._items = np.load(folder / "vectors.npy", allow_pickle=False)
        self._sequences = np.load(folder / "sequences.npy", allow_pickle=False)
        self._training = json.loads((folder / "facts.json").read_text())
        if self.vectors == "seq2seq":
            self._hold()
            self._model.load_state_dict(load_file(folder / "model.safetensors"))

    def facts(self) -> dict[str, Any]:
        network = self._model.parameters() if self.vectors == "seq2seq" else ()
        return {
            "sequences": len(self._sequences),
            "parameters_learned": sum(weight.numel() for weight in network),
            "training": self._training,
        }
