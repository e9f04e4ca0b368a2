"""What reads the text: a sentence encoder, or the encoder of an encoder-decoder such as T5."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.collections.collection import Collection
from bench.digests import digest_data
from bench.errors import BenchError
from bench.models import ModelOptions, find_weights, open_model
from bench.progress import Progress
from bench.token_states import keep_states, made_by, read_in_batches
from bench.workplace import Workplace
from retrievers.encoding import check_length, positions_of
from retrievers.generative.decoder import Encoded

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_TOKENS_READ = 256
"""A document's vector is the mean state of so many tokens from its beginning, the marks around it included."""


class TextEncoder(nn.Module):
    """A transformer and its tokenizer.

    model: the encoder, or the encoder-decoder that it is a part of
    weights: what a text's states depend on apart from the text, for a key
    vocabulary: tokens that the model has vectors for when it is opened
    as_opened: whether they are what `weights` says, and not learned since; only then is work shared
    """

    def __init__(self, model: "PreTrainedModel", tokenizer: Any, weights: str) -> None:
        super().__init__()
        self.model = model
        self.weights = weights
        self.tokenizer = tokenizer
        self._before, self._after = _marks(tokenizer)
        self._recall: Callable[[Sequence[int]], np.ndarray | None] = lambda _: None
        self.as_opened = True
        embeddings: Any = model.get_input_embeddings()
        self.vocabulary = int(embeddings.num_embeddings)
        self._reader = [
            model.get_encoder() if model.config.is_encoder_decoder else model
        ]  # in a list: no second submodule

    @classmethod
    def open(cls, name: str, options: ModelOptions) -> "TextEncoder":
        """By path or name. Raises BenchError if there is no such model, or it does not read text."""
        from transformers import AutoTokenizer

        model: Any = open_model(_load, name, options)
        found = find_weights(name)
        tokenizer = AutoTokenizer.from_pretrained(str(found.folder), local_files_only=True, trust_remote_code=False)
        return cls(model, tokenizer, made_by(name, model))

    @property
    def marks(self) -> int:
        """Tokens that are put around a text."""
        return len(self._before) + len(self._after)

    @property
    def last_mark(self) -> int:
        """The token that ends a text."""
        return self._after[-1] if self._after else int(self.tokenizer.eos_token_id)

    @property
    def dimension(self) -> int:
        """Of the states."""
        return int(self.model.config.hidden_size)

    @property
    def generates(self) -> bool:
        """Whether the model has a decoder of its own."""
        return bool(self.model.config.is_encoder_decoder)

    @property
    def device(self) -> torch.device:
        return self.model.device

    def tokens_of(self, texts: Sequence[str], longest: int | None = None) -> list[list[int]]:
        """The tokens of each text, at most so many, without the marks around a text."""
        if not texts:
            return []
        return self.tokenizer(
            list(texts),
            add_special_tokens=False,
            truncation=longest is not None,
            max_length=longest,
            verbose=False,
        )["input_ids"]

    def shortened(self, text: str, longest: int) -> str:
        """The beginning of a text, at most so many tokens, as it is written."""
        marks = self.tokenizer(
            text, add_special_tokens=False, truncation=True, max_length=longest, return_offsets_mapping=True
        )["offset_mapping"]
        return text[: marks[-1][1]] if marks else ""

    def refuse_longer(self, name: str, tokens: int) -> None:
        """Raise BenchError if the model, of that name, has no positions for so many tokens and the marks."""
        check_length(self.model, name, tokens + self.marks)

    def forward(self, tokens: Sequence[Sequence[int]]) -> Encoded:
        """The states of texts given as tokens, with the marks around them."""
        whole = self._marked(tokens)
        known = [self._recall(one) for one in whole]
        if all(states is not None for states in known):
            return padded([torch.from_numpy(states) for states in known], self.device)
        mask = torch.arange(max(map(len, whole)))[None] < torch.tensor(list(map(len, whole)))[:, None]
        ids = torch.zeros(mask.shape, dtype=torch.long)
        ids[mask] = torch.tensor([token for text in whole for token in text])
        ids, mask = ids.to(self.device), mask.to(self.device)
        return Encoded(self._states(ids, mask.long()).float(), mask)

    def _marked(self, tokens: Sequence[Sequence[int]]) -> list[list[int]]:
        return [[*self._before, *text, *self._after] for text in tokens]

    def _states(self, ids: Tensor, mask: Tensor) -> Tensor:
        states: Tensor = self._reader[0](
            input_ids=ids.to(self.device), attention_mask=mask.to(self.device)
        ).last_hidden_state
        return states

    def read(self, tokens: Sequence[Sequence[int]], take: Callable[[int, Tensor], None], progress: Progress) -> None:
        """Read many texts; `take` is given each one's number and states, of shape [length, dimension]."""
        order = np.argsort([-len(text) for text in tokens], kind="stable")
        lengths = [len(tokens[row]) + self.marks for row in order]

        def read(span: slice) -> Encoded:
            return self([tokens[row] for row in order[span]])

        for span, encoded in read_in_batches(lengths, read, self.device.type):
            for row, states, mask in zip(order[span], encoded.states, encoded.mask, strict=True):
                take(int(row), states[mask])
            progress("encoding", span.stop, len(order))

    def read_once(
        self,
        tokens: Sequence[Sequence[int]],
        take: Callable[[int, Tensor], None],
        workplace: Workplace,
        progress: Progress,
    ) -> None:
        """As `read`, without reading again what another system has read as a whole."""
        kept = self.kept(tokens, workplace, progress)
        if kept is None:
            self.read(tokens, take, progress)
            return
        for number in range(len(tokens)):
            take(number, kept(number))

    def kept(
        self, tokens: Sequence[Sequence[int]], workplace: Workplace, progress: Progress
    ) -> Callable[[int], Tensor] | None:
        """Gives each text's states by number, marks included, read once for all systems.

        None for too many texts, and for weights that nobody else has.
        """
        if not self.as_opened:
            return None
        whole = self._marked(tokens)
        kept = keep_states(whole, self.weights, self._states, self.device.type, workplace, progress)
        return None if kept is None else lambda number: torch.from_numpy(kept.of(whole[number]))

    @contextmanager
    def reading_once(
        self, tokens: Sequence[Sequence[int]], workplace: Workplace, progress: Progress
    ) -> Iterator[None]:
        """While the block runs, `forward` reads none of these texts anew; the weights cannot learn."""
        kept = keep_states(self._marked(tokens), self.weights, self._states, self.device.type, workplace, progress)
        before = self._recall
        self._recall = kept.of if kept else before
        try:
            yield
        finally:
            self._recall = before

    def place_of_work(self, workplace: Workplace) -> Workplace:
        """Where what this encoder makes of texts may lie: nowhere for long once its weights are no longer known."""
        return workplace if self.as_opened else Workplace.temporary()

    def without_marks(self, states: Tensor) -> Tensor:
        """Of a text's states, of shape [length, dimension], those between the marks."""
        return states[len(self._before) : len(states) - len(self._after)]

    def beginnings(self, collection: Collection) -> list[list[int]]:
        """The tokens of each document that its vector is made of."""
        read = min(_TOKENS_READ, positions_of(self.model) or _TOKENS_READ)
        return self.tokens_of(collection.texts(), read - self.marks)


def mean_vectors(
    encoder: TextEncoder, collection: Collection, workplace: Workplace, progress: Progress
) -> np.ndarray:
    """The mean state of each document's beginning, of unit length; shape [documents, dimension].

    Made once for all systems that ask for the same.
    """

    def write(folder: Path) -> None:
        vectors = np.zeros((len(collection), encoder.dimension), dtype=np.float32)

        def take(row: int, states: Tensor) -> None:
            mean = states.mean(dim=0)
            vectors[row] = (mean / mean.norm().clamp(min=1e-12)).cpu().numpy()

        encoder.read_once(encoder.beginnings(collection), take, workplace, progress)
        np.save(folder / "vectors.npy", vectors)

    key = {"vectors": encoder.weights, "of": collection.fingerprint, "tokens read": _TOKENS_READ}
    place = encoder.place_of_work(workplace)
    return np.load(place.shared(key, write) / "vectors.npy", allow_pickle=False)


def _load(folder: str, *, device: str, local_files_only: bool, model_kwargs: dict[str, Any]) -> Any:
    from transformers import AutoConfig, AutoModel, AutoModelForSeq2SeqLM

    given = {"local_files_only": local_files_only, "trust_remote_code": False}
    config = AutoConfig.from_pretrained(folder, **given)
    if not hasattr(config, "hidden_size"):
        raise BenchError(
            f"the model in {Path(folder).name} has no states to decode from; choose a text encoder or T5"
        )
    kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModel
    return kind.from_pretrained(folder, **given, **model_kwargs).to(device)


def _marks(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The tokens that the tokenizer puts before and after a text."""
    plain, whole = (tokenizer("a", add_special_tokens=marked)["input_ids"] for marked in (False, True))
    start = next(i for i in range(len(whole)) if whole[i : i + len(plain)] == plain)
    return whole[:start], whole[start + len(plain) :]


class States:
    """The states of many texts, kept one after the other in float16."""

    def __init__(self, states: np.ndarray, offsets: np.ndarray) -> None:
        self._states = states
        self._offsets = offsets

    @classmethod
    def write(cls, folder: Path, encoder: TextEncoder, tokens: Sequence[Sequence[int]], progress: Progress) -> None:
        """Read the texts and keep their states in the folder, as arrays on disk."""
        offsets = np.cumsum([0, *(len(text) + encoder.marks for text in tokens)])
        states = np.lib.format.open_memmap(
            folder / "states.npy", mode="w+", dtype=np.float16, shape=(int(offsets[-1]), encoder.dimension)
        )

        def take(row: int, found: Tensor) -> None:
            states[offsets[row] : offsets[row + 1]] = found.cpu().numpy()

        encoder.read(tokens, take, progress)
        states.flush()
        np.save(folder / "offsets.npy", offsets)

    @classmethod
    def open(cls, folder: Path) -> "States":
        """What `write` kept, memory-mapped."""
        states = np.load(folder / "states.npy", mmap_mode="r", allow_pickle=False)
        return cls(states, np.load(folder / "offsets.npy", allow_pickle=False))

    def of(self, text: int) -> Tensor:
        """The states of a text, float32 of shape [length, dimension]."""
        span = self._states[self._offsets[text] : self._offsets[text + 1]]
        return torch.from_numpy(span.astype(np.float32))


def padded(states: Sequence[Tensor], device: torch.device) -> Encoded:
    """States of several texts, each of shape [length, dimension], as a batch."""
    lengths = torch.tensor(list(map(len, states)))
    mask = torch.arange(int(lengths.max()))[None] < lengths[:, None]
    return Encoded(nn.utils.rnn.pad_sequence(list(states), batch_first=True).to(device), mask.to(device))


def kept_states(
    encoder: TextEncoder, tokens: Sequence[Sequence[int]], workplace: Workplace, progress: Progress
) -> States:
    """The states of texts that are read once, for all systems that ask for the same."""
    place = encoder.place_of_work(workplace)
    folder = place.shared(
        {"states": encoder.weights, "of": digest_data(list(tokens))},
        lambda folder: States.write(folder, encoder, tokens, progress),
    )
    return States.open(folder)
