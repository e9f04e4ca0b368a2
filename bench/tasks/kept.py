"""Vectors of texts, each computed once on a machine."""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from bench.seals import is_whole, seal
from bench.store import Hold, locked, new_folder

_TEXTS_AT_ONCE = 512


class KeptVectors:
    """Vectors of texts, some for each, every text encoded once and kept in a folder, whichever process asks first.

    They lie in parts; texts whose part is damaged are encoded again.
    """

    def __init__(self, folder: Path, encode: Callable[[list[str]], list[np.ndarray]]) -> None:
        self._folder = folder
        self._encode = encode

    def of(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """Vectors of shape [vectors, dimension] for each text."""
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
