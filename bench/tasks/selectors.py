"""How much each chunk of a document says: three ways that are none of the systems under test.

Each takes the collection and the chunks of some documents, and gives one array of scores for each document.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bench.collections.collection import Collection
from bench.digests import digest_data, digest_file
from bench.models import MINILM, ModelOptions, find_weights, open_model
from bench.sentences import terms, textrank, tf_idf
from bench.store import cache_root
from bench.tasks.kept import KeptVectors
from bench.token_states import read_in_batches

if TYPE_CHECKING:
    from torch import Tensor

Selector = Callable[[Collection, Sequence[Sequence[str]]], list[np.ndarray]]
SelectorName = Literal["tf-idf", "textrank", "attention"]


def by_tf_idf(collection: Collection, documents: Sequence[Sequence[str]]) -> list[np.ndarray]:
    """The mean over a chunk's words of (1 + ln tf) ln(N / df), tf counted in the document's chunks.

    The weight is that of Salton and Buckley 1988 (ltn).
    """
    holding: Counter[str] = Counter()
    for text in collection.texts():
        holding.update(set(terms(text)))
    scores = []
    for chunks in documents:
        words = [terms(chunk) for chunk in chunks]
        frequency = Counter(term for found in words for term in found)
        weight = tf_idf(frequency, holding, len(collection))
        scores.append(np.array([sum(weight[term] for term in found) / max(len(found), 1) for found in words]))
    return scores


def by_textrank(collection: Collection, documents: Sequence[Sequence[str]]) -> list[np.ndarray]:
    """TextRank of a document's chunks, in the collection's language."""
    return [textrank(chunks, collection.rules.language) for chunks in documents]


def by_attention(collection: Collection, documents: Sequence[Sequence[str]]) -> list[np.ndarray]:
    """The mean over a chunk's tokens of the attention that each receives from the other tokens of its window.

    MiniLM's last layer, mean over its heads, without the tokens that mark a text's ends. A window holds as many
    consecutive chunks as the model reads at once. Kept in the cache, for the other systems of a suite.
    """
    made_by = {
        "collection": collection.fingerprint,
        "weights": find_weights(MINILM).digest,
        "code": digest_file(Path(__file__)),
        "libraries": [version(name) for name in ("torch", "transformers")],
    }
    kept = KeptVectors(cache_root() / "judges" / digest_data(made_by)[:20] / "attention", _attention_of)
    texts = [_APART.join(chunks) for chunks in documents]
    found = kept.of(texts)
    return [found[text][:, 0] for text in texts]


_APART = "\0"


def _attention_of(texts: Sequence[str]) -> list[np.ndarray]:
    """Shape [chunks, 1] for each text, whose chunks _APART divides."""
    from transformers import AutoTokenizer

    model: Any = open_model(_load, MINILM, ModelOptions())
    tokenizer: Any = AutoTokenizer.from_pretrained(model.name_or_path, local_files_only=True)
    room = model.config.max_position_embeddings - 2
    windows: list[tuple[int, list[list[int]]]] = []
    for number, text in enumerate(texts):
        pieces = tokenizer(text.split(_APART), add_special_tokens=False, verbose=False)["input_ids"]
        pieces = [ids[:room] for ids in pieces]
        windows += [(number, pieces[window]) for window in _filled(list(map(len, pieces)), room)]
    lengths = [sum(map(len, pieces)) + 2 for _, pieces in windows]
    order = sorted(range(len(windows)), key=lambda place: -lengths[place])

    def read(span: slice) -> list[np.ndarray]:
        return _received(model, tokenizer, [windows[place][1] for place in order[span]])

    found: list[np.ndarray] = [np.zeros(0)] * len(windows)
    for span, scores in read_in_batches([lengths[place] for place in order], read, model.device.type):
        for place, of_window in zip(order[span], scores, strict=True):
            found[place] = of_window
    parts: list[list[np.ndarray]] = [[] for _ in texts]
    for (number, _), of_window in zip(windows, found, strict=True):
        parts[number].append(of_window)
    return [np.concatenate(of_text)[:, np.newaxis] for of_text in parts]


def _load(folder: str, *, device: str, local_files_only: bool, model_kwargs: dict[str, Any]) -> Any:
    """The model without its last layer, whose attention alone is wanted; it becomes the attribute `last`."""
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder, local_files_only=local_files_only, **model_kwargs).to(device).eval()
    model.last = model.encoder.layer[-1].attention.self
    model.encoder.layer = model.encoder.layer[:-1]
    return model


def _filled(lengths: Sequence[int], room: int) -> Iterator[slice]:
    """Consecutive items that together fit into the room."""
    start, used = 0, 0
    for place, length in enumerate(lengths):
        if used + length > room:
            yield slice(start, place)
            start, used = place, 0
        used += length
    yield slice(start, len(lengths))


def _received(model: Any, tokenizer: Any, windows: Sequence[Sequence[Sequence[int]]]) -> list[np.ndarray]:
    """Shape [chunks] for each window: attention received."""
    import torch

    tokens = [
        [tokenizer.cls_token_id, *(token for ids in pieces for token in ids), tokenizer.sep_token_id]
        for pieces in windows
    ]
    longest = max(map(len, tokens))
    ids = torch.tensor([one + [tokenizer.pad_token_id] * (longest - len(one)) for one in tokens], device=model.device)
    mask = torch.arange(longest, device=model.device) < torch.tensor(list(map(len, tokens)))[:, None].to(model.device)
    attention = _attention(model.last, model(ids, attention_mask=mask.long()).last_hidden_state, mask)
    found = []
    for pieces, of_window, used in zip(windows, attention, map(len, tokens), strict=True):
        between = of_window[1 : used - 1, 1 : used - 1].clone()
        received = between.fill_diagonal_(0).sum(dim=0).cpu().numpy()
        ends = np.cumsum([len(ids) for ids in pieces])
        parts = np.split(received, ends[:-1])
        found.append(np.array([part.mean() if len(part) else 0.0 for part in parts], dtype=np.float32))
    return found


def _attention(layer: Any, states: "Tensor", mask: "Tensor") -> "Tensor":
    """Shape [texts, length, length]: from each token to each, mean over heads (Vaswani et al. 2017, section 3.2)."""
    size = layer.attention_head_size
    queries, keys = (part(states).unflatten(-1, (-1, size)).transpose(1, 2) for part in (layer.query, layer.key))
    logits = (queries @ keys.transpose(2, 3)) * size**-0.5
    return logits.masked_fill(~mask[:, None, None], -float("inf")).softmax(dim=-1).mean(dim=1)


SELECTORS: Mapping[SelectorName, Selector] = {
    "tf-idf": by_tf_idf,
    "textrank": by_textrank,
    "attention": by_attention,
}
