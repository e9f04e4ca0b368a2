"""What a model that writes identifiers learns from in batches: users' sequences, and questions in words."""

import numpy as np
import torch

from retrievers.generative.training import batches_by_length
from retrievers.learning.trainer import Batch
from retrievers.recommenders.semantic_ids.joint_data import Searches
from retrievers.recommenders.semantic_ids.sequence_model import History
from retrievers.recommenders.semantic_ids.windows import Windows


class SequenceExamples:
    """Windows of users' sequences.

    users: int64 of shape [sequences]: the bin of each sequence's user
    size: windows of a batch
    """

    def __init__(self, windows: Windows, users: np.ndarray, size: int, device: torch.device) -> None:
        self._windows, self._users, self._size, self._device = windows, users, size, device

    def __len__(self) -> int:
        return len(self._windows)

    def batches(self, generator: np.random.Generator) -> list[Batch]:
        """Those of an epoch: the sequence, beginning and end of each window."""
        owners, starts, ends = self._windows.epoch(generator)
        spans = batches_by_length(ends - starts, self._size)
        return [(owners[part], starts[part], ends[part]) for part in spans]

    def history(self, batch: Batch) -> History:
        """What the model reads of a batch."""
        owners, starts, ends = batch
        return History.of(self._windows.of(owners, starts, ends), self._users[owners], self._device)


class JointExamples(SequenceExamples):
    """Windows of users' sequences beside searches, in random order.

    share: of all examples, those that are searches
    """

    _SEARCH = -1
    """Where a search begins, in place of the beginning of a window; it has one item, as its length says."""

    def __init__(
        self,
        windows: Windows,
        users: np.ndarray,
        size: int,
        device: torch.device,
        searches: Searches,
        share: float,
    ) -> None:
        super().__init__(windows, users, size, device)
        self._searches = searches
        self._number = round(len(windows) * share / (1 - share)) if len(searches.rows) else 0

    def __len__(self) -> int:
        return super().__len__() + self._number

    def batches(self, generator: np.random.Generator) -> list[Batch]:
        """As `SequenceExamples.batches`; of a search its place, and where it begins and ends."""
        owners, starts, ends = self._windows.epoch(generator)
        drawn = self._searches.drawn(self._number, generator)
        order = generator.permutation(len(self))
        owners = np.concatenate([owners, drawn])[order]
        starts = np.concatenate([starts, np.full(len(drawn), self._SEARCH)])[order]
        ends = np.concatenate([ends, np.full(len(drawn), self._SEARCH + 1)])[order]
        spans = batches_by_length(ends - starts, self._size)
        return [(owners[part], starts[part], ends[part]) for part in spans]

    def history(self, batch: Batch) -> History:
        """What the model reads of a batch; the item of a search is the only one in its history."""
        owners, starts, ends = batch
        searching = starts == self._SEARCH
        windows = iter(self._windows.of(owners[~searching], starts[~searching], ends[~searching]))
        rows = self._searches.rows
        items = [
            rows[owner : owner + 1] if search else next(windows)
            for owner, search in zip(owners.tolist(), searching.tolist(), strict=True)
        ]
        users = np.zeros(len(owners), dtype=np.int64)
        users[~searching] = self._users[owners[~searching]]
        questions = np.zeros((len(owners), self._searches.vectors.shape[1]), dtype=np.float32)
        questions[searching] = self._searches.vectors[owners[searching]]
        return History.of(items, users, self._device)._replace(questions=torch.from_numpy(questions).to(self._device))
