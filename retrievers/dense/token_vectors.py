"""Where the vectors of a text's tokens come from: a word file, a model's word pieces, or one of its layers."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import regex

from bench.errors import BenchError
from bench.models import ModelOptions, find_weights, open_model
from bench.words import WORD
from retrievers.encoding import check_length, open_array
from retrievers.ragged import flatten


class TokenVectors(ABC):
    """Numbered tokens with vectors. `unknown` is the number that stands for any unknown token, if there is one."""

    size: int
    dimension: int
    unknown: int | None = None

    @abstractmethod
    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The numbers of each text's tokens, without those that a model adds."""

    @abstractmethod
    def weighted_means(self, texts: Sequence[str], weights: np.ndarray) -> np.ndarray:
        """Shape [texts, dimension], float32: the sum of weight times vector over the number of tokens with a weight.

        `weights` has shape [size]. A text without any such token gets zeros.
        """

    def count(self, texts: Sequence[str]) -> np.ndarray:
        """Shape [size]: how often each token occurs in the texts."""
        tokens, _ = flatten(self.token_ids(texts))
        return np.bincount(tokens, minlength=self.size)

    def spread(self, word_counts: Mapping[str, int]) -> np.ndarray:
        """Shape [size]: the counts of words, given to each token that a word is made of."""
        counts = np.zeros(self.size, dtype=np.int64)
        for ids, count in zip(self.token_ids(list(word_counts)), word_counts.values(), strict=True):
            np.add.at(counts, ids, count)
        return counts

    def facts(self) -> dict[str, Any]:
        """What was decided at run time."""
        return {"dimension": self.dimension}


class _StaticVectors(TokenVectors):
    """Tokens whose vector does not depend on the text around them; `vectors` has shape [tokens, dimension]."""

    def __init__(self, vectors: np.ndarray) -> None:
        self._vectors = vectors
        self.size, self.dimension = vectors.shape

    def weighted_means(self, texts: Sequence[str], weights: np.ndarray) -> np.ndarray:
        from scipy.sparse import csr_array

        tokens, offsets = flatten(self.token_ids(texts))
        counts = csr_array((np.ones(len(tokens), np.float32), tokens, offsets), shape=(len(texts), self.size))
        counts.sum_duplicates()
        lengths = counts @ (weights > 0).astype(np.float32)
        counts.data *= weights[counts.indices].astype(np.float32)
        return (counts @ self._vectors) / np.maximum(lengths, 1)[:, np.newaxis]


class Words(_StaticVectors):
    """Words of a file. A word is looked up as it is written and then in lower case; others are the unknown token.

    `vectors` has a row for each word, and a last one, of zeros, for the unknown token.
    """

    _split = regex.compile(WORD).findall

    def __init__(self, words: Sequence[str], vectors: np.ndarray) -> None:
        super().__init__(vectors)
        self._ids = {word: number for number, word in enumerate(words)}
        self.unknown = len(self._ids)

    @classmethod
    def of(cls, words: Sequence[str], vectors: np.ndarray) -> "Words":
        """From vectors of shape [words, dimension]."""
        return cls(words, np.concatenate([vectors, np.zeros_like(vectors[:1])]))

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        return [list(map(self._find, self._split(text))) for text in texts]

    def _find(self, word: str) -> int:
        found = self._ids.get(word)
        return self._ids.get(word.lower(), len(self._ids)) if found is None else found

    def save(self, folder: Path) -> None:
        """Write words and vectors, which makes the index independent of the file that they came from."""
        np.save(folder / "word_vectors.npy", self._vectors)
        (folder / "words.json").write_text(json.dumps(list(self._ids), ensure_ascii=False), encoding="utf-8")

    @classmethod
    def saved(cls, folder: Path) -> "Words":
        """What `save` wrote."""
        words = json.loads((folder / "words.json").read_text(encoding="utf-8"))
        return cls(words, open_array(folder / "word_vectors.npy"))


class WordPieces(_StaticVectors):
    """A transformer's word pieces with its input embeddings."""

    def __init__(self, name: str, options: ModelOptions) -> None:
        embeddings = open_model(_load_transformer, name, options).get_input_embeddings()
        super().__init__(embeddings.weight.detach().float().cpu().numpy().copy())
        self._tokenizer = _tokenizer(name)
        self.unknown = self._tokenizer.unk_token_id

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        return _piece_ids(self._tokenizer, texts)


class Layer(TokenVectors):
    """A transformer's word pieces with their hidden states after a layer, in the text's first `max_tokens`.

    Layer 0 is the input of the first block, -1 the output of the last. Raises BenchError for a layer that the model
    lacks and for more tokens than it reads.
    """

    def __init__(self, name: str, layer: int, max_tokens: int, options: ModelOptions) -> None:
        self._model = open_model(_load_transformer, name, options)
        self._tokenizer = _tokenizer(name)
        config = self._model.config
        if not -config.num_hidden_layers - 1 <= layer <= config.num_hidden_layers:
            raise BenchError(
                f"{name} has layers 0 to {config.num_hidden_layers}, not {layer}; set vectors=layer:N accordingly"
            )
        check_length(self._model, name, max_tokens)
        self._layer, self._max_tokens, self._batch = layer, max_tokens, options.encoding_batch
        self.size, self.dimension = config.vocab_size, config.hidden_size
        self.unknown = self._tokenizer.unk_token_id
        self._full = 0

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        return _piece_ids(self._tokenizer, texts)

    def weighted_means(self, texts: Sequence[str], weights: np.ndarray) -> np.ndarray:
        import torch

        limits = {"truncation": True, "max_length": self._max_tokens, "return_special_tokens_mask": True}
        encoded = self._tokenizer(list(texts), **limits)
        lengths = [len(ids) for ids in encoded["input_ids"]]
        self._full += sum(length == self._max_tokens for length in lengths)
        order = sorted(range(len(texts)), key=lengths.__getitem__)
        means = np.zeros((len(texts), self.dimension), dtype=np.float32)
        token_weights = torch.tensor(weights, dtype=torch.float32, device=self._model.device)
        for start in range(0, len(order), self._batch):
            rows = order[start : start + self._batch]
            batch = {name: [values[row] for row in rows] for name, values in encoded.items()}
            means[rows] = self._batch_means(self._tokenizer.pad(batch, return_tensors="pt"), token_weights)
        return means

    def _batch_means(self, batch: Any, token_weights: Any) -> np.ndarray:
        import torch

        batch = batch.to(self._model.device)
        added = batch.pop("special_tokens_mask").bool()
        with torch.inference_mode():
            hidden = self._model(**batch, output_hidden_states=True).hidden_states[self._layer].float()
            weights = token_weights[batch["input_ids"]].masked_fill(added, 0.0)
            lengths = (weights > 0).sum(dim=1, keepdim=True).clamp(min=1)
            return ((hidden * weights.unsqueeze(-1)).sum(dim=1) / lengths).cpu().numpy()

    def facts(self) -> dict[str, Any]:
        return {
            "dimension": self.dimension,
            "device": str(self._model.device),
            "precision": str(self._model.dtype).removeprefix("torch."),
            "full_windows": self._full,
        }


def _load_transformer(folder: str, *, device: str, local_files_only: bool, model_kwargs: dict[str, Any]) -> Any:
    from transformers import AutoModel

    return AutoModel.from_pretrained(
        folder, local_files_only=local_files_only, trust_remote_code=False, **model_kwargs
    ).to(device)


def _tokenizer(name: str) -> Any:
    from transformers import AutoTokenizer

    folder = find_weights(name).folder
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise BenchError(f"model '{name}' has no tokenizer in {folder}; get a whole copy of it") from error


def _piece_ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    if not texts:
        return []
    bare = {"add_special_tokens": False, "return_attention_mask": False, "return_token_type_ids": False}
    return tokenizer(list(texts), verbose=False, **bare)["input_ids"]
