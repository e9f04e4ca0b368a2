"""What a fit keeps beside its index: checkpoints, and work that other systems need too."""

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any, Self

from bench.digests import digest_data
from bench.machine import hardware
from bench.seals import damage, is_whole, seal
from bench.store import Hold, cache_root, locked, new_folder

KEY = "key.json"


@dataclass(frozen=True)
class FittedPart:
    """What it cost to fit a part of a composed system.

    seconds: what it takes alone, also where it was there already
    index: the folder that holds what the part has saved, where there is one
    """

    seconds: float
    index: Path | None = None


@dataclass
class Workplace:
    """Folders of one fit.

    checkpoints: of this fit alone; survives an interruption, and vanishes when the index is saved
    common: of all systems on this machine
    reused_seconds: what the fit would have taken longer had it done the shared work itself; part of its cost
    keeping_seconds: what it took to keep fitted parts for others; no part of its cost
    """

    checkpoints: Path
    common: Path
    reused_seconds: float = 0.0
    keeping_seconds: float = 0.0
    _owner: Any = field(default=None, repr=False)
    _held: list[Hold] = field(default_factory=list, repr=False)

    @classmethod
    def temporary(cls) -> "Workplace":
        """Folders that vanish with the object, so that nothing is shared or resumed."""
        owner = tempfile.TemporaryDirectory()
        return cls(Path(owner.name) / "checkpoints", Path(owner.name) / "common", _owner=owner)

    def below(self, name: str) -> Self:
        """A workplace of one part of a composed system: checkpoints of its own, and everything else in common."""
        return replace(self, checkpoints=self.checkpoints / name, reused_seconds=0.0, keeping_seconds=0.0)

    def fit_part(self, name: str, part: Any, view: Any) -> "FittedPart":
        """Fit a system that is a part of another one on a training view, unless it is fitted on that already."""
        start, below = perf_counter(), self.below(name)
        known = part.fitted_on
        if known is None or known.fingerprint != view.fingerprint:
            part.work_in(below)
            part.fit(view)
        self.reused_seconds += below.reused_seconds
        self.keeping_seconds += below.keeping_seconds
        return FittedPart(perf_counter() - start + below.reused_seconds - below.keeping_seconds)

    def shared(self, key: Mapping[str, Any], make: Callable[[Path], None]) -> Path:
        """The folder that `make` fills, filled once for all systems that ask with the same key.

        Who comes later is charged the time that it took, with what it shared in turn, so that no system is cheaper
        for coming second. A folder that is not as it was left is filled again, which the log tells. One that is whole
        is read without a lock, also where nothing can be written.
        """
        target = self.common / digest_data(dict(key))[:20]
        start = perf_counter()
        hold = Hold(target)
        if target.is_dir() and not damage(target):
            self._reuse(target, 0.0)
        else:
            with locked(target):
                waited = perf_counter() - start
                if is_whole(target):
                    self._reuse(target, waited)
                else:
                    self._make(target, key, make)
                hold = Hold(target)
        self._held.append(hold)
        return target

    def _reuse(self, target: Path, waited: float) -> None:
        self.reused_seconds += float((target / "seconds").read_text()) - waited

    def _make(self, target: Path, key: Mapping[str, Any], make: Callable[[Path], None]) -> None:
        with new_folder(target) as draft:
            start, reused = perf_counter(), self.reused_seconds
            make(draft)
            seconds = perf_counter() - start + self.reused_seconds - reused
            (draft / "seconds").write_text(f"{seconds}")
            (draft / KEY).write_text(json.dumps(dict(key)), encoding="utf-8")
            seal(draft)


def common_folder(threads: int) -> Path:
    """Where work lies that all systems share which compute with so many threads on the same hardware."""
    return cache_root() / "shared" / digest_data(hardware(threads))[:16]
