"""An encoder-decoder that is asked by prompts and writes items' identifiers (Geng et al. 2022, P5)."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, T5Config, T5ForConditionalGeneration

from retrievers.generative.beam import Stepper
from retrievers.generative.decoder import Encoded
from retrievers.generative.huggingface import HuggingFaceDecoder
from retrievers.recommenders.semantic_ids.options import SequenceDecoderOptions
from retrievers.recommenders.semantic_ids.prompts import FAMILIES, USER, Family, Prompts, words_of_all
from retrievers.recommenders.semantic_ids.sequence_model import History, SequenceModel, Shape


def small_t5(options: SequenceDecoderOptions, encoder_layers: int, seed: int) -> PreTrainedModel:
    """A T5 with random weights that knows the prompts' words alone: token n + 1 is the n-th of these."""
    config = T5Config(
        vocab_size=len(words_of_all()) + 1,
        d_model=options.dimension,
        d_kv=options.dimension // options.heads,
        num_heads=options.heads,
        d_ff=options.feed_forward,
        num_layers=encoder_layers,
        num_decoder_layers=options.layers,
        dropout_rate=options.dropout,
    )
    config.decoder_start_token_id = 0
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return T5ForConditionalGeneration(config)


def words_as_tokens(text: str) -> list[int]:
    """The tokens of the words of a prompt, for `small_t5`."""
    words = words_of_all()
    return [words.index(word) + 1 for word in text.split()]


class PromptReader(SequenceModel):
    """A prompt names a user, by a vector of its own, and items, by the tokens that are written for them.

    All tokens of an item, or a user, have a vector in common beside their own, that of the whole word.

    t5: the encoder-decoder, which gets a new token for each code of each level
    direct: share of the training examples that are asked of the user alone
    asked: the family that answers are asked by
    """

    def __init__(
        self,
        shape: Shape,
        t5: PreTrainedModel,
        tokens_of: Callable[[str], list[int]],
        *,
        direct: float,
        asked: Family,
        seed: int,
    ) -> None:
        embeddings: Any = t5.get_input_embeddings()
        width, first = int(t5.config.d_model), int(embeddings.num_embeddings)
        with torch.random.fork_rng():
            super().__init__(shape._replace(options=shape.options.model_copy(update={"dimension": width})))
            self.t5 = t5
            self.decoder = HuggingFaceDecoder(t5, first, shape.tables, None, seed)
            torch.manual_seed(seed)
            self.whole_words = nn.Embedding(USER + shape.longest + 1, width, padding_idx=0)
            nn.init.normal_(self.users.weight)  # as T5's tokens
        starts = np.cumsum([first, *shape.tables.vocabularies])[:-1]
        self._tokens = [(row[row >= 0] + starts[: (row >= 0).sum()]).tolist() for row in shape.codes.cpu().numpy()]
        self._prompts, self._direct, self._asked = Prompts(tokens_of), direct, asked

    def loss(self, history: History, label_smoothing: float) -> Tensor:
        rows = history.rows
        last = (rows >= 0).sum(dim=1, keepdim=True) - 1
        wanted = rows.gather(1, last)[:, 0]
        before = History(rows.scatter(1, last, -1), history.users)
        direct = torch.rand(len(rows)) < self._direct
        families: list[Family] = ["direct" if alone else "sequential" for alone in direct.tolist()]
        numbers = torch.randint(len(FAMILIES["direct"]), (len(rows),)).tolist()
        encoded = self.encode(before, list(zip(families, numbers, strict=True)))
        targets = torch.where(self.there, self.codes, -1)[wanted]
        return self.decoder(encoded, targets, label_smoothing).sum() / (targets >= 0).sum()

    def encode(self, history: History, asked: list[tuple[Family, int]]) -> Encoded:
        """The states of prompts of these families and numbers, one for each history."""
        items = [[self._tokens[row] for row in line if row >= 0] for line in history.rows.tolist()]
        laid = self._prompts.laid(asked, items)
        device = history.rows.device
        ids, words, there = (torch.from_numpy(array).to(device) for array in laid)
        embedded: Any = self.t5.get_input_embeddings()(ids)
        embedded = torch.where((words == USER)[..., None], self._users(history.users)[:, None], embedded)
        read: Any = self.t5.get_encoder()(
            inputs_embeds=embedded + self.whole_words(words), attention_mask=there.long()
        )
        return Encoded(read.last_hidden_state.float(), there)

    def _users(self, numbers: Tensor) -> Tensor:
        """The vectors of users, shape [users, dimension]; of 0, whom training lacks, the mean of all."""
        unknown = (numbers == 0)[:, None]
        return torch.where(unknown, self.users.weight[1:].mean(dim=0), self.users(numbers))

    def stepper(self, history: History) -> Stepper:
        return self.decoder.stepper(self.encode(history, [(self._asked, 0)] * len(history.rows)))
