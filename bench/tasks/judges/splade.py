"""A judge that compares weights of words: a learned sparse encoder that shares nothing with the other models."""

from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.collections.collection import Collection
from bench.digests import digest_data, digest_file
from bench.models import SPLADE_TINY, ModelOptions, find_weights, open_model
from bench.store import cache_root
from bench.tasks.judges.base import Judge
from bench.tasks.kept import KeptVectors
from bench.token_states import read_in_batches

if TYPE_CHECKING:
    from sentence_transformers import SparseEncoder
    from torch import Tensor

_MOST_TOKENS = 256
_SHORTEST_TOKEN = 3
"""Characters of a token, roughly, for batches of like length."""


class SpladeJudge(Judge):
    """The inner product of query and document as weights over a vocabulary, in float32.

    A word weighs log(1 + relu(x)), x its largest logit over a text's tokens (Formal et al. 2021, section 3). Of a
    document only the words of its queries are weighed: what is kept in the cache, for the other systems of a suite,
    are the states of its tokens before the output vectors, and of a query the output vectors of its words.
    """

    name = "SPLADE"
    model = SPLADE_TINY
    label = "splade-tiny's inner product"
    family = "learned sparse"

    def __init__(self, collection: Collection) -> None:
        made_by = {
            "collection": collection.fingerprint,
            "weights": find_weights(SPLADE_TINY).digest,
            "code": digest_file(Path(__file__)),
            "libraries": [version(name) for name in ("torch", "transformers", "sentence-transformers")],
        }
        folder = cache_root() / "judges" / digest_data(made_by)[:20]
        self._queries = KeptVectors(folder / "queries", self._read_queries)
        self._documents = KeptVectors(folder / "documents", self._read_documents)

    @cached_property
    def _encoder(self) -> "SparseEncoder":
        from sentence_transformers import SparseEncoder

        encoder = open_model(SparseEncoder, SPLADE_TINY, ModelOptions())
        encoder.max_seq_length = _MOST_TOKENS
        return encoder

    @property
    def _transformer(self) -> Any:
        """The masked language model."""
        return self._encoder[0].model

    def _score(self, pairs: list[tuple[str, str]]) -> np.ndarray:
        queries = self._queries.of([query for query, _ in pairs])
        documents = self._documents.of([document for _, document in pairs])
        return np.array([_product(queries[query], documents[document]) for query, document in pairs])

    def _read_queries(self, texts: list[str]) -> list[np.ndarray]:
        """For each text its words, shape [words, dimension + 2]: output vector, bias and weight of each."""
        dense: Any = self._encoder.encode_query(texts, convert_to_sparse_tensor=False, show_progress_bar=False)
        decoder = self._transformer.cls.predictions.decoder
        vectors, bias = (one.detach().float().cpu().numpy() for one in (decoder.weight, decoder.bias))
        found = []
        for weights in dense.float().cpu().numpy():
            words = np.flatnonzero(weights)
            found.append(np.column_stack([vectors[words], bias[words], weights[words]]))
        return found

    def _read_documents(self, texts: list[str]) -> list[np.ndarray]:
        """The states of each text's tokens just before the output vectors, shape [tokens, dimension]."""
        order = sorted(range(len(texts)), key=lambda number: -len(texts[number]))
        lengths = [min(len(texts[number]) // _SHORTEST_TOKEN + 2, _MOST_TOKENS) for number in order]
        found: dict[int, np.ndarray] = {}
        read = read_in_batches(
            lengths, lambda span: self._states([texts[number] for number in order[span]]), self._encoder.device.type
        )
        for span, states in read:
            found |= dict(zip(order[span], (one.cpu().numpy() for one in states), strict=True))
        return [found[number] for number in range(len(texts))]

    def _states(self, texts: list[str]) -> "list[Tensor]":
        model = self._transformer
        features = self._encoder.preprocess(texts)
        inputs = {name: features[name].to(model.device) for name in ("input_ids", "attention_mask", "token_type_ids")}
        states = model.cls.predictions.transform(model.base_model(**inputs).last_hidden_state)
        return [text[mask] for text, mask in zip(states, inputs["attention_mask"].bool(), strict=True)]


def _product(query: np.ndarray, states: np.ndarray) -> float:
    vectors, bias, weights = query[:, :-2], query[:, -2], query[:, -1]
    logits = (states @ vectors.T).max(axis=0) + bias
    return float(np.log1p(np.maximum(logits, 0)) @ weights)
