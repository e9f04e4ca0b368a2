"""A decoder of identifiers that answers questions in words as well as users."""

import torch
from torch import Tensor, nn

from retrievers.generative.beam import Stepper
from retrievers.recommenders.semantic_ids.decoder_only import DecoderOnly, DecoderOnlyStepper
from retrievers.recommenders.semantic_ids.sequence_model import History, Shape


class AskedDecoderOnly(DecoderOnly):
    """Position 0 holds what is asked: the vector of a question, by a linear map, or the vector of users.

    questions: dimension of the questions' vectors, which have length 1
    for_users: how many tokens, the first ones, begin identifiers that users are answered with; questions are answered
        with the others. None: all begin those that both are
    """

    def __init__(
        self, shape: Shape, questions: int, for_users: int | None = None, *, last_only: bool, seed: int
    ) -> None:
        super().__init__(shape, last_only=last_only, seed=seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.question = nn.Linear(questions, shape.options.dimension)
        self._for_users = for_users
        self._scale = questions**0.5  # so that numbers of a vector of length 1 vary by 1

    def first(self, history: History) -> Tensor:
        """What is asked, of shape [users, dimension]."""
        users = super().first(history)
        if history.questions is None:
            return users
        return torch.where(_asked(history)[:, None], self.question(history.questions * self._scale), users)

    def loss(self, history: History, label_smoothing: float) -> Tensor:
        """The mean cross-entropy of the codes: of a user's items after the first, and of a question's only one."""
        asked = _asked(history)
        users, items = self.learned_places(history.rows)
        of_users, asking = ~asked[users], asked.nonzero()[:, 0]
        places = torch.cat([users[of_users], asking]), torch.cat([items[of_users], torch.zeros_like(asking)])
        hidden, _, _ = self.run(history)
        return self.code_loss(hidden, history.rows, places, label_smoothing)

    def stepper(self, history: History) -> Stepper:
        return super().stepper(history) if self._for_users is None else _AskedStepper(self, history, self._for_users)


class _AskedStepper(DecoderOnlyStepper):
    """One that begins with tokens of what is asked alone, so that every beam is an answer."""

    def __init__(self, model: AskedDecoderOnly, history: History, for_users: int) -> None:
        super().__init__(model, history)
        self._for_users, self._asked = for_users, _asked(history)

    def start(self) -> Tensor:
        logits = super().start()
        begins = torch.arange(logits.shape[1], device=logits.device) >= self._for_users
        return logits.masked_fill(begins != self._asked[:, None], -torch.inf)


def _asked(history: History) -> Tensor:
    """Mask of shape [users]: which are questions in words."""
    if history.questions is None:
        return torch.zeros(len(history.rows), dtype=torch.bool, device=history.rows.device)
    return history.questions.any(dim=1)
