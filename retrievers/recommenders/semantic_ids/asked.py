"""A decoder of identifiers that answers questions in words as well as users."""

import torch
from torch import Tensor, nn

from retrievers.recommenders.semantic_ids.decoder_only import DecoderOnly
from retrievers.recommenders.semantic_ids.sequence_model import History, Shape


class AskedDecoderOnly(DecoderOnly):
    """Position 0 holds what is asked: the vector of a question, by a linear map, or the vector of users.

    questions: dimension of the questions' vectors, which have length 1
    """

    def __init__(self, shape: Shape, questions: int, *, last_only: bool, seed: int) -> None:
        super().__init__(shape, last_only=last_only, seed=seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.question = nn.Linear(questions, shape.options.dimension)
        self._scale = questions**0.5  # so that numbers of a vector of length 1 vary by 1

    def first(self, history: History) -> Tensor:
        """What is asked, of shape [users, dimension]."""
        users = super().first(history)
        if history.questions is None:
            return users
        return torch.where(asked_in_words(history)[:, None], self.question(history.questions * self._scale), users)

    def loss(self, history: History, label_smoothing: float) -> Tensor:
        """The mean cross-entropy of the codes: of a user's items after the first, and of a question's only one."""
        asked = asked_in_words(history)
        users, items = self.learned_places(history.rows)
        of_users, asking = ~asked[users], asked.nonzero()[:, 0]
        places = torch.cat([users[of_users], asking]), torch.cat([items[of_users], torch.zeros_like(asking)])
        hidden, _, _ = self.run(history)
        return self.code_loss(hidden, history.rows, places, label_smoothing)


def asked_in_words(history: History) -> Tensor:
    """Mask of shape [users]: which are questions in words."""
    if history.questions is None:
        return torch.zeros(len(history.rows), dtype=torch.bool, device=history.rows.device)
    return history.questions.any(dim=1)
