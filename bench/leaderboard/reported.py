"""Figures without answers: MTEB's result files, kept as rows that are marked, and neither ranked nor tested."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from bench.cells.record import FORMAT
from bench.cells.sealed import read_sealed, write_sealed
from bench.collections.cards import cards
from bench.collections.collection import Collection
from bench.digests import digest_data
from bench.errors import BenchError
from bench.leaderboard.board import Reported
from bench.store import slug

REPORTED = "reported"
"""The folder that they lie in, of a run's `--out` and of a published leaderboard."""

TASK = "search"
"""What MTEB's retrieval tasks are here."""

MTEB_NAMES = {"nDCG": "ndcg", "MRR": "mrr", "Hits": "hit_rate", "Recall": "recall", "P": "precision", "MAP": "map"}
"""MTEB's names of measures with a cut-off."""

_FORM = "a result file of MTEB: `task_name`, and `scores` with a list of figures for each split"


class ReportedFigures(BaseModel):
    """What somebody else computed of a system on a collection; `source` says where it is from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[2] = FORMAT
    system: str
    collection: str
    fingerprint: str
    source: str
    figures: dict[str, float]

    @property
    def row(self) -> Reported:
        return Reported(self.system, self.source, self.figures)

    @property
    def file_name(self) -> str:
        key = digest_data({"system": self.system, "fingerprint": self.fingerprint})
        return f"{slug(self.system, 40)}.{slug(self.collection, 40)}.{key[:10]}.json"


def is_mteb_result(path: Path) -> bool:
    """Whether a file holds MTEB's figures, and not answers."""
    try:
        return path.suffix == ".json" and {"task_name", "scores"} <= set(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def read_mteb(path: Path, collection: Collection, name: str = "") -> ReportedFigures:
    """MTEB's figures of the collection's split, under `name` or the model's own.

    Nothing in the file tells which documents and judgements they are of; its task has to be the one that the
    collection's card names, if it names any. Raises BenchError for another task, or a file without the split or
    without a figure that is known here.
    """
    data = json.loads(path.read_bytes())
    card = cards().get(collection.name)
    if card and card.mteb and data["task_name"] != card.mteb:
        raise BenchError(f"{path} is of MTEB's task {data['task_name']}, and {collection.name} is {card.mteb} there")
    meta = _model(path)
    version, revision = data.get("mteb_version") or "of a version that is not told", meta.get("revision") or "unknown"
    figures = dict(_figures(path, _scores(path, data, collection.rules.split)))
    if not figures:
        raise BenchError(f"{path} has no figure such as ndcg_at_10; expected {_FORM}")
    return ReportedFigures(
        system=name or str(meta.get("name") or path.parent.name),
        collection=collection.name,
        fingerprint=collection.fingerprint,
        source=f"{data['task_name']} in MTEB {version}, revision {revision}",
        figures=figures,
    )


def _model(path: Path) -> Mapping[str, Any]:
    """What MTEB says of the model, beside its results."""
    try:
        found = json.loads(path.with_name("model_meta.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, Mapping) else {}


def _scores(path: Path, data: Mapping[str, Any], split: str) -> Mapping[str, Any]:
    """The split's figures, of the subset `default` or of the only one."""
    by_split = data["scores"]
    if not isinstance(by_split, Mapping) or not isinstance(by_split.get(split), list) or not by_split[split]:
        there = ", ".join(by_split) if isinstance(by_split, Mapping) else "none"
        raise BenchError(f"{path} has no figures of the split '{split}' ({there}); choose one with ?split=NAME")
    subsets = {one.get("hf_subset"): one for one in by_split[split] if isinstance(one, Mapping)}
    found = subsets.get("default") or (next(iter(subsets.values())) if len(subsets) == 1 else None)
    if found is None:
        raise BenchError(
            f"{path} has several subsets ({', '.join(map(str, subsets))}); leave one of them in the file"
        )
    return found


def _figures(path: Path, scores: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Under the names that they have here. Raises BenchError for a value that is no share."""
    ours = {theirs: name for name, theirs in MTEB_NAMES.items()}
    for key, value in scores.items():
        name, at, cutoff = key.rpartition("_at_")
        if at and name in ours and cutoff.isdigit():
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise BenchError(f"{path}: {key} is {value}; expected a number between 0 and 1")
            yield f"{ours[name]}@{cutoff}", float(value)


def keep_reported(one: ReportedFigures, out: Path) -> Path:
    """Leave it where `publish --from` finds it; the same system's figures of the collection are replaced."""
    path = out / REPORTED / one.file_name
    write_sealed(path, one)
    return path


def read_reported(folders: Sequence[Path]) -> list[ReportedFigures]:
    """All that was kept in folders of cells, or in a published leaderboard. Raises BenchError for a damaged one."""
    paths = [path for folder in folders for path in sorted((folder / REPORTED).glob("*.json"))]
    return [read_sealed(path, ReportedFigures) for path in paths]
