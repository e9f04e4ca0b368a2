"""The states of texts' tokens in a transformer, computed once on a machine for all that have the same texts read."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

import numpy as np

from bench.digests import digest_code, digest_data
from bench.models import find_weights
from bench.progress import Progress, no_progress
from bench.workplace import Workplace

if TYPE_CHECKING:
    import torch
    from sentence_transformers.base import BaseModel

MOST_TOKENS = 2**21
"""Of texts whose states are kept: 3.2 GB of MiniLM's. Larger collections are read anew by each system."""

P = TypeVar("P")
R = TypeVar("R")

_TEXTS_AT_ONCE = 512
TOKENS_AT_ONCE = 2048
"""Of a batch, padding included: what lies between a MiniLM's layers still fits the processor's cache."""

Compute = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]
"""From token ids and mask, both of shape [texts, length], to states of shape [texts, length, dimension]."""


class Texts(Protocol):
    """Texts by number."""

    def __len__(self) -> int: ...
    def __getitem__(self, number: int, /) -> str: ...


class TokenStates:
    """The states of token sequences in float32, read from files so that only what is asked for is in memory."""

    def __init__(self) -> None:
        self._dimension = 0
        self._places: dict[bytes, tuple[Path, int]] = {}

    def take(self, path: Path, sequences: Sequence[Sequence[int]]) -> None:
        """Those in a file, one after the other."""
        offsets = np.cumsum([0, *map(len, sequences)])
        self._dimension = path.stat().st_size // (int(offsets[-1]) * np.dtype(np.float32).itemsize)
        self._places |= {
            _key(one): (path, place) for one, place in zip(sequences, offsets[:-1].tolist(), strict=True)
        }

    def of(self, sequence: Sequence[int]) -> np.ndarray | None:
        """Shape [tokens, dimension]; None for a sequence that is not kept."""
        path, place = self._places.get(_key(sequence), (None, 0))
        if path is None:
            return None
        start, size = place * self._dimension, len(sequence) * self._dimension
        found = np.fromfile(path, np.float32, count=size, offset=start * np.dtype(np.float32).itemsize)
        return found.reshape(len(sequence), self._dimension)


def _key(sequence: Sequence[int]) -> bytes:
    return np.asarray(sequence, dtype=np.int64).tobytes()


def keep_states(
    sequences: Sequence[Sequence[int]],
    made_by: str,
    compute: Compute,
    device: str,
    workplace: Workplace,
    progress: Progress,
) -> TokenStates | None:
    """The states of the sequences, which `compute` gives on the device where no system has asked for them yet.

    What is computed does not depend on the order of the sequences. `made_by` names all that the states depend on
    apart from them. None for more than MOST_TOKENS. Sequences of like length are kept together: systems that cut a
    long one elsewhere share the others.
    """
    distinct = sorted({tuple(one) for one in sequences}, key=lambda one: (-len(one), one))
    if not 0 < sum(map(len, distinct)) <= MOST_TOKENS:
        return None
    states, done = TokenStates(), 0
    for alike in _of_like_length(distinct):

        def write(folder: Path, alike: Sequence[Sequence[int]] = alike, done: int = done) -> None:
            _write(folder, alike, compute, device, lambda doing, n, _: progress(doing, done + n, len(distinct)))

        key = {"states": made_by, "of": digest_data(alike), "code": digest_code(__name__)}
        states.take(workplace.shared(key, write) / "states", alike)
        done += len(alike)
    return states


def _of_like_length(sequences: Iterable[Sequence[int]]) -> Iterator[list[Sequence[int]]]:
    """Consecutive ones whose lengths lie between two powers of two, the upper one included."""
    for _, alike in groupby(filter(None, sequences), lambda one: (len(one) - 1).bit_length()):
        yield list(alike)


def _write(
    folder: Path, sequences: Sequence[Sequence[int]], compute: Compute, device: str, progress: Progress
) -> None:
    import torch

    def states_of(span: slice) -> "torch.Tensor":
        batch = sequences[span]
        mask = torch.arange(len(batch[0]))[None] < torch.tensor(list(map(len, batch)))[:, None]
        ids = torch.zeros(mask.shape, dtype=torch.long)
        ids[mask] = torch.tensor([token for one in batch for token in one])
        return compute(ids, mask.long()).float().cpu()[mask]

    with (folder / "states").open("wb") as file:
        for span, states in read_in_batches(list(map(len, sequences)), states_of, device):
            file.write(states.numpy().tobytes())
            progress("encoding", span.stop, len(sequences))


def read_in_batches(lengths: Sequence[int], read: Callable[[slice], R], device: str) -> Iterator[tuple[slice, R]]:
    """What `read` gives for each of the `batches`, in their order and without gradients."""
    return read_on_cores(batches(lengths), read, device)


def read_on_cores(parts: Iterable[P], read: Callable[[P], R], device: str) -> Iterator[tuple[P, R]]:
    """What `read` gives for each part, in their order and without gradients.

    On a processor each core reads a part of its own, which is a third faster than all of them on one. The parts are
    made in the thread that asks: a tokenizer must not be used by several at once.
    """
    import torch

    cores = torch.get_num_threads() if device == "cpu" else 1
    reading = torch.inference_mode()(read)
    begun = deque[tuple[P, Future[R]]]()
    with ThreadPoolExecutor(cores, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for part in parts:
            begun.append((part, pool.submit(reading, part)))
            if len(begun) > 2 * cores:
                first, result = begun.popleft()
                yield first, result.result()
        for part, result in begun:
            yield part, result.result()


def batches(lengths: Sequence[int]) -> Iterator[slice]:
    """Which texts to read together, longest first: as many as TOKENS_AT_ONCE allow, padding included, or one."""
    start = 0
    while start < len(lengths):
        stop = min(len(lengths), start + max(1, TOKENS_AT_ONCE // max(1, lengths[start])))
        yield slice(start, stop)
        start = stop


def made_by(name: str, model: Any) -> str:
    """What the states in the model of this name depend on apart from the tokens, for a key."""
    import torch
    import transformers

    libraries = f"torch {torch.__version__} transformers {transformers.__version__}"
    return f"{find_weights(name).digest} {model.dtype} {model.device.type} {libraries}"


@contextmanager
def reading_once(
    model: "BaseModel",
    name: str,
    texts: Texts,
    prompt: str,
    workplace: Workplace,
    progress: Progress = no_progress,
    task: Literal["document", "query"] = "document",
) -> Iterator[None]:
    """While the block runs, the model reads none of these texts that it, or another like it, has read before.

    Its transformer is given the kept states, and reads only what a batch has beside them; what comes after it
    (pooling, projection, masks) is computed as ever. Its weights have to be those called `name`, and cannot learn.
    Without effect on a model that does not begin with a transformer.
    """
    from sentence_transformers.base.modules import Transformer

    from bench.recalling import Recalling

    transformer: Any = model[0]
    sequences = _sequences(model, texts, prompt, task) if isinstance(transformer, Transformer) else None
    if sequences is None:
        yield
        return

    def compute(ids: "torch.Tensor", mask: "torch.Tensor") -> "torch.Tensor":
        features = {"input_ids": ids.to(model.device), "attention_mask": mask.to(model.device)}
        states: torch.Tensor = transformer(features)["token_embeddings"]
        return states

    kept = keep_states(sequences, made_by(name, model), compute, model.device.type, workplace, progress)
    if kept is None:
        yield
        return
    model[0] = Recalling(transformer, kept.of)
    try:
        yield
    finally:
        model[0] = transformer


def _sequences(model: "BaseModel", texts: Texts, prompt: str, task: str) -> list[list[int]] | None:
    """The tokens of each text as the model reads it; None for too many, or a model that reads more than tokens."""
    from bench.recalling import sequences_of

    found: list[list[int]] = []
    tokens = 0
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        some = [texts[number] for number in range(start, min(start + _TEXTS_AT_ONCE, len(texts)))]
        read = sequences_of(model.preprocess(some, prompt=prompt, task=task))
        if read is None:
            return None
        found += read
        tokens += sum(map(len, read))
        if tokens > MOST_TOKENS:
            return None
    return found
