"""Judges that score how well a document answers a query: MaxSim over MiniLM's token vectors, or a cross-encoder."""

import hashlib
import json
import shutil
import string
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import models, token_states
from bench.collections.collection import Collection
from bench.digests import digest_data, digest_file
from bench.errors import BenchError
from bench.models import MINILM, ModelOptions, find_weights, open_model, token_encoder
from bench.seals import is_whole, seal
from bench.store import Hold, cache_root, locked, new_folder
from bench.token_states import reading_once
from bench.workplace import Workplace, common_folder

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder, MultiVectorEncoder

MAXSIM = "maxsim"
_TEXTS_AT_ONCE = 512


class Judge(ABC):
    """A model that scores pairs; higher is better, and only the order means something."""

    model: str
    """Name or path of its weights."""

    label: str
    """What a table calls it."""

    def scores(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """float64 scores, shape [pairs], of (query text, document text); equal pairs get equal scores.

        Raises BenchError for a score that is not a finite number.
        """
        distinct = list(dict.fromkeys(pairs))
        found = dict(zip(distinct, self._score(distinct).tolist(), strict=True))
        scores = np.array([found[pair] for pair in pairs], dtype=np.float64)
        if not np.isfinite(scores).all():
            raise BenchError(f"the judge, {self.label}, gave a score that is not a finite number; choose another")
        return scores

    @abstractmethod
    def _score(self, pairs: list[tuple[str, str]]) -> np.ndarray:
        """Shape [pairs], for pairs that differ."""


def open_judge(name: str, collection: Collection) -> Judge:
    """The judge called "maxsim", or a cross-encoder by name or path. Nothing is loaded before it scores."""
    return MaxSimJudge(collection) if name == MAXSIM else CrossEncoderJudge(name)


class MaxSimJudge(Judge):
    """The sum over a query's tokens of the highest cosine with a document's token, in float32.

    Khattab and Zaharia 2020, section 3.3, over MiniLM's token vectors as they are. A document's vectors are its own
    tokens' without padding. All vectors are computed once and kept in the cache, for the other systems of a suite;
    those of documents from the states that all who read the collection share.
    """

    model = MINILM
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
        self._queries = _KeptVectors(folder / "queries", self._encode_queries)
        self._documents = _KeptVectors(folder / "documents", self._encode_documents)

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


class _KeptVectors:
    """Token vectors of texts, each text encoded once and kept in a folder, whichever process asks first.

    They lie in parts; texts whose part is damaged are encoded again.
    """

    def __init__(self, folder: Path, encode: Callable[[list[str]], list[np.ndarray]]) -> None:
        self._folder = folder
        self._encode = encode

    def of(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """Vectors of shape [tokens, dimension] for each text."""
        keys = {text: hashlib.blake2b(text.encode("utf-8", "surrogatepass")).hexdigest() for text in texts}
        with locked(self._folder):
            kept = self._read()
            missing = [text for text, key in keys.items() if key not in kept]
            for start in range(0, len(missing), _TEXTS_AT_ONCE):
                some = missing[start : start + _TEXTS_AT_ONCE]
                self._write([keys[text] for text in some], self._encode(some))
            if missing:
                kept = self._read()
            self._hold = Hold(self._folder)
        return {text: kept[key] for text, key in keys.items()}

    def _write(self, keys: list[str], vectors: list[np.ndarray]) -> None:
        last = max((int(part.name.removeprefix("part-")) for part in self._parts()), default=-1)
        with new_folder(self._folder / f"part-{last + 1:06}") as draft:
            np.save(draft / "vectors.npy", np.concatenate(vectors))
            np.save(draft / "offsets.npy", np.cumsum([0, *map(len, vectors)]))
            (draft / "keys.json").write_text(json.dumps(keys))
            seal(draft)

    def _read(self) -> dict[str, np.ndarray]:
        kept: dict[str, np.ndarray] = {}
        for part in self._parts():
            if not is_whole(part):
                shutil.rmtree(part)
                continue
            vectors = np.load(part / "vectors.npy", mmap_mode="r", allow_pickle=False)
            offsets = np.load(part / "offsets.npy", allow_pickle=False)
            keys = json.loads((part / "keys.json").read_text())
            kept |= {
                key: vectors[start:stop] for key, start, stop in zip(keys, offsets[:-1], offsets[1:], strict=True)
            }
        return kept

    def _parts(self) -> list[Path]:
        return sorted(self._folder.glob("part-*"))


class CrossEncoderJudge(Judge):
    """A cross-encoder's raw score of query and document read together (before any activation, which may saturate)."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.label = f"the cross-encoder {model}"

    @cached_property
    def _encoder(self) -> "CrossEncoder":
        from sentence_transformers import CrossEncoder

        self._check()
        encoder = open_model(CrossEncoder, self.model, ModelOptions())
        if encoder.num_labels != 1:
            raise BenchError(
                f"'{self.model}' gives {encoder.num_labels} scores for a pair; choose one that gives one"
            )
        return encoder

    def _check(self) -> None:
        """Raise BenchError for a model without a head of its own, to which the library would add a random one."""
        config = find_weights(self.model).folder / "config.json"
        known = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
        if not any(name.endswith("ForSequenceClassification") for name in known.get("architectures") or []):
            raise BenchError(
                f"'{self.model}' is no cross-encoder: its config.json names no ...ForSequenceClassification; "
                "choose one such as cross-encoder/ms-marco-MiniLM-L6-v2"
            )

    def _score(self, pairs: list[tuple[str, str]]) -> np.ndarray:
        from torch.nn import Identity

        return self._encoder.predict(pairs, activation_fn=Identity(), show_progress_bar=False, convert_to_numpy=True)
