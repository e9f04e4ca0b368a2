"""The states of texts' tokens in a transformer, computed once on a machine for all that have the same texts read."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

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

R = TypeVar("R")

_TEXTS_AT_ONCE = 512
TOKENS_AT_ONCE = 2048
"""Of a batch, padding included: what lies between a MiniLM's layers still fits the processor's cache."""

_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}

Compute = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]
"""From token ids and mask, both of shape [texts, length], to states of shape [texts, length, dimension]."""


class Texts(Protocol):
    """Texts by number."""

    def __len__(self) -> int: ...
    def __getitem__(self, number: int, /) -> str: ...


class TokenStates:
    """The states of token sequences in float32, read from a file so that only what is asked for is in memory."""

    def __init__(self, folder: Path, sequences: Sequence[Sequence[int]]) -> None:
        self._path = folder / "states"
        self._dimension = int((folder / "dimension").read_text())
        offsets = np.cumsum([0, *map(len, sequences)])[:-1]
        self._places = {_key(one): place for one, place in zip(sequences, offsets.tolist(), strict=True)}

    def of(self, sequence: Sequence[int]) -> np.ndarray | None:
        """Shape [tokens, dimension]; None for a sequence that is not kept."""
        place = self._places.get(_key(sequence))
        if place is None:
            return None
        start, size = place * self._dimension, len(sequence) * self._dimension
        found = np.fromfile(self._path, np.float32, count=size, offset=start * np.dtype(np.float32).itemsize)
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
    apart from them. None for more than MOST_TOKENS.
    """
    distinct = sorted({tuple(one) for one in sequences}, key=lambda one: (-len(one), one))
    if not 0 < sum(map(len, distinct)) <= MOST_TOKENS:
        return None
    folder = workplace.shared(
        {"states": made_by, "of": digest_data(distinct), "code": digest_code(__name__)},
        lambda folder: _write(folder, distinct, compute, device, progress),
    )
    return TokenStates(folder, distinct)


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
        for span, states in read_in_batches([len(one) for one in sequences if one], states_of, device):
            file.write(states.numpy().tobytes())
            progress("encoding", span.stop, len(sequences))
    (folder / "dimension").write_text(str(states.shape[-1]))


def read_in_batches(lengths: Sequence[int], read: Callable[[slice], R], device: str) -> Iterator[tuple[slice, R]]:
    """What `read` gives for each of the `batches`, in their order and without gradients.

    On a processor each core reads a batch of its own, which is a third faster than all of them on one.
    """
    import torch

    cores = torch.get_num_threads() if device == "cpu" else 1
    reading = torch.inference_mode()(read)
    begun = deque[tuple[slice, Future[R]]]()
    with ThreadPoolExecutor(cores, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for span in batches(lengths):
            begun.append((span, pool.submit(reading, span)))
            if len(begun) > 2 * cores:
                first, result = begun.popleft()
                yield first, result.result()
        for span, result in begun:
            yield span, result.result()


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
) -> Iterator[None]:
    """While the block runs, the model reads none of these documents that it, or another like it, has read before.

    Its transformer is given the kept states, and reads only what a batch has beside them; what comes after it
    (pooling, projection, masks) is computed as ever. Its weights have to be those called `name`, and cannot learn.
    Without effect on a model that does not begin with a transformer.
    """
    from sentence_transformers.base.modules import Transformer

    transformer: Any = model[0]
    sequences = _documents(model, texts, prompt) if isinstance(transformer, Transformer) else None
    if sequences is None:
        yield
        return
    forward = transformer.forward

    def compute(ids: "torch.Tensor", mask: "torch.Tensor") -> "torch.Tensor":
        states: torch.Tensor = forward({"input_ids": ids.to(model.device), "attention_mask": mask.to(model.device)})[
            "token_embeddings"
        ]
        return states

    kept = keep_states(sequences, made_by(name, model), compute, model.device.type, workplace, progress)

    def recall(features: dict[str, Any], **arguments: Any) -> dict[str, Any]:
        known = [kept.of(one) for one in _sequences(features) or ()] if kept else []
        new = [row for row, states in enumerate(known) if states is None]
        if len(new) == len(known):
            return forward(features, **arguments)
        if new:
            some = _rows(features, new)
            read = forward(some, **arguments)["token_embeddings"].float().cpu()
            for row, states, mask in zip(new, read, some["attention_mask"].bool().cpu(), strict=True):
                known[row] = states[mask].numpy()
        padded = _padded([states for states in known if states is not None], features["attention_mask"])
        return {**features, "token_embeddings": padded.to(model.device, model.dtype)}

    transformer.forward = recall
    try:
        yield
    finally:
        del transformer.forward


def _documents(model: "BaseModel", texts: Texts, prompt: str) -> list[list[int]] | None:
    """The tokens of each text as the model reads it; None for too many, or a model that reads more than tokens."""
    found: list[list[int]] = []
    tokens = 0
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        some = [texts[number] for number in range(start, min(start + _TEXTS_AT_ONCE, len(texts)))]
        read = _sequences(model.preprocess(some, prompt=prompt, task="document"))
        if read is None:
            return None
        found += read
        tokens += sum(map(len, read))
        if tokens > MOST_TOKENS:
            return None
    return found


def _sequences(features: Mapping[str, Any]) -> list[list[int]] | None:
    """The tokens of each text of a batch without padding; None where the model reads something else too."""
    import torch

    tensors = {name for name, value in features.items() if isinstance(value, torch.Tensor)}
    kinds = features.get("token_type_ids")
    if not {"input_ids", "attention_mask"} <= tensors <= _INPUTS or (kinds is not None and kinds.any()):
        return None
    masks = features["attention_mask"].bool()
    return [ids[mask].tolist() for ids, mask in zip(features["input_ids"], masks, strict=True)]


def _rows(features: Mapping[str, Any], rows: Sequence[int]) -> dict[str, Any]:
    """Some texts of a batch, padded no further than the longest of them."""
    import torch

    width = features["attention_mask"][rows].any(dim=0)
    return {
        name: value[rows][:, width] if isinstance(value, torch.Tensor) else value for name, value in features.items()
    }


def _padded(states: Sequence[np.ndarray], mask: "torch.Tensor") -> "torch.Tensor":
    import torch

    padded = torch.zeros(*mask.shape, states[0].shape[-1])
    padded[mask.bool().cpu()] = torch.from_numpy(np.concatenate(states))
    return padded
