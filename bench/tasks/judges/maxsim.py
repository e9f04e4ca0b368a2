"""A judge that compares token vectors: MaxSim over MiniLM's."""

import string
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import models, token_states
from bench.collections.collection import Collection
from bench.digests import digest_data, digest_file
from bench.models import MINILM, ModelOptions, find_weights, open_model, token_encoder
from bench.store import cache_root
from bench.tasks.judges.base import Judge
from bench.tasks.kept import KeptVectors
from bench.token_states import reading_once
from bench.workplace import Workplace, common_folder

if TYPE_CHECKING:
    from sentence_transformers import MultiVectorEncoder


class MaxSimJudge(Judge):
    """The sum over a query's tokens of the highest cosine with a document's token, in float32.

    Khattab and Zaharia 2020, section 3.3, over MiniLM's token vectors as they are. A document's vectors are its own
    tokens' without padding. All vectors are computed once and kept in the cache, for the other systems of a suite;
    those of documents from the states that all who read the collection share.
    """

    name = "MaxSim"
    model = MINILM
    family = "late interaction"
    label = "MaxSim of all-MiniLM-L6-v2's token vectors"

    def __init__(self, collection: Collection) -> None:
        made_by = {
            "collection": collection.fingerprint,
            "weights": find_weights(MINILM).digest,
            "code": [digest_file(Path(file)) for file in (__file__, models.__file__, token_states.__file__)],
            "libraries": [version(name) for name in ("torch", "transformers", "sentence-transformers")],
        }
        self._collection = collection
        folder = cache_root() / "judges" / digest_data(made_by)[:20]
        self._queries = KeptVectors(folder / "queries", self._encode_queries)
        self._documents = KeptVectors(folder / "documents", self._encode_documents)

    @cached_property
    def _encoder(self) -> "MultiVectorEncoder":
        return open_model(partial(token_encoder, skipped=list(string.punctuation)), MINILM, ModelOptions())

    def _score(self, pairs: list[tuple[str, str]]) -> np.ndarray:
        queries = self._queries.of([query for query, _ in pairs])
        documents = self._documents.of([document for _, document in pairs])
        return np.array([(queries[query] @ documents[document].T).max(axis=1).sum() for query, document in pairs])

    def _encode_queries(self, texts: list[str]) -> list[np.ndarray]:
        encoded: Any = self._encoder.encode_query(texts, show_progress_bar=False, convert_to_numpy=True)
        return encoded

    def _encode_documents(self, texts: list[str]) -> list[np.ndarray]:
        import torch

        workplace = Workplace(cache_root() / "judges", common_folder(torch.get_num_threads()))
        with reading_once(self._encoder, MINILM, self._collection.texts(), "", workplace):
            encoded: Any = self._encoder.encode_document(texts, show_progress_bar=False, convert_to_numpy=True)
        return encoded
