"""How much each chunk of a document says: three ways that are none of the systems under test.

Each takes the collection and the chunks of some documents, and gives one array of scores for each document.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from bench.collections.collection import Collection
from bench.models import MINILM, ModelOptions, open_model
from bench.sentences import terms, textrank, tf_idf

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


def by_attention(collection: Collection, documents: Sequence[Sequence[str]]) -> list[np.ndarray]:  # noqa: ARG001
    """The mean over a chunk's tokens of the attention that each receives from the other tokens of its window.

    MiniLM's last layer, mean over its heads, without the tokens that mark a text's ends. A window holds as many
    consecutive chunks as the model reads at once.
    """
    from transformers import AutoTokenizer

    model: Any = open_model(_load_attending, MINILM, ModelOptions())
    tokenizer: Any = AutoTokenizer.from_pretrained(model.name_or_path, local_files_only=True)
    room = model.config.max_position_embeddings - 2
    scores = []
    for chunks in documents:
        pieces = tokenizer(list(chunks), add_special_tokens=False, verbose=False)["input_ids"]
        pieces = [ids[:room] for ids in pieces]
        found = [_received(model, tokenizer, pieces[window]) for window in _filled(list(map(len, pieces)), room)]
        scores.append(np.concatenate(found))
    return scores


def _load_attending(folder: str, *, device: str, local_files_only: bool, model_kwargs: dict[str, Any]) -> Any:
    from transformers import AutoModel

    model = AutoModel.from_pretrained(
        folder, local_files_only=local_files_only, attn_implementation="eager", **model_kwargs
    )
    return model.to(device)


def _filled(lengths: Sequence[int], room: int) -> Iterator[slice]:
    """Consecutive items that together fit into the room."""
    start, used = 0, 0
    for place, length in enumerate(lengths):
        if used + length > room:
            yield slice(start, place)
            start, used = place, 0
        used += length
    yield slice(start, len(lengths))


def _received(model: Any, tokenizer: Any, pieces: Sequence[Sequence[int]]) -> np.ndarray:
    """Shape [chunks]: attention received, for the chunks of one window."""
    import torch

    tokens = [tokenizer.cls_token_id, *(token for ids in pieces for token in ids), tokenizer.sep_token_id]
    with torch.inference_mode():
        attention = model(torch.tensor([tokens], device=model.device), output_attentions=True).attentions[-1][0]
    between = attention.mean(dim=0)[1:-1, 1:-1]
    received = between.fill_diagonal_(0).sum(dim=0).cpu().numpy()
    ends = np.cumsum([len(ids) for ids in pieces])
    return np.array([part.mean() if len(part) else 0.0 for part in np.split(received, ends[:-1])])


SELECTORS: Mapping[SelectorName, Selector] = {
    "tf-idf": by_tf_idf,
    "textrank": by_textrank,
    "attention": by_attention,
}
