"""What of a cell may be published: names in place of this machine's paths, and names that are no paths."""

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from bench.cells.record import CellRecord, Environment, TaskResult
from bench.measures.measure import Instrument
from bench.store import slug

_IN_TEXT = re.compile(
    r"(?<![\w/.\\])(?:~|[A-Za-z]:(?=[/\\]))?/(?:[^\s/'\",;()]+/)+([^\s/'\",;()?]*)|[A-Za-z]:\\\S*\\(\S*)"
)
"""An absolute path in a sentence; a backslash alone begins none, so that regular expressions stay as they are."""


def without_paths(data: Any, known: Iterable[str] = ()) -> Any:
    """The same JSON-like data, such as options, with each path cut to its last part.

    A path is a whole string that is absolute and exists here or is one of `known`, e.g. the files whose digests the
    cell's identity has. Nothing is cut out of a longer text.
    """
    known = frozenset(known)
    if isinstance(data, Mapping):
        return {key: without_paths(value, known) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [without_paths(value, known) for value in data]
    return _name(data) if isinstance(data, str) and _is_path(data, known) else data


def _is_path(text: str, known: frozenset[str]) -> bool:
    if "\n" in text or "\0" in text or not _is_absolute(text):
        return False
    return text in known or _exists(text)


def _is_absolute(text: str) -> bool:
    return text.startswith("~/") or PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute()


def _exists(text: str) -> bool:
    try:
        return Path(text).expanduser().exists()
    except (OSError, RuntimeError):
        return False


def _name(path: str) -> str:
    windows = PureWindowsPath(path)
    on_a_drive = windows.root and windows.drive.endswith(":")  # a:b may as well be a name
    return windows.name if on_a_drive else PurePosixPath(path).name


def _named(weights: Mapping[str, str]) -> dict[str, str]:
    """Digests by the name of what they are of; files are named without their folder."""
    return {_name(name) if _is_absolute(name) else name: digest for name, digest in weights.items()}


def collection_name(spec: str) -> str:
    """How a dataset's specification is published: `beir:scifact?split=dev` for `beir:/data/scifact?split=dev`."""
    source, colon, place = spec.partition(":")
    folder, mark, options = place.partition("?")
    if not colon:
        return spec
    shown = [_without_path_value(option) for option in options.split("&")]
    return f"{source}:{_name(folder.rstrip('/')) or folder}{mark}{'&'.join(shown)}"


def _without_path_value(assignment: str) -> str:
    name, equals, value = assignment.partition("=")
    return f"{name}{equals}{_name(value)}" if equals and _is_absolute(value) else assignment


def command_without_paths(command: str) -> str:
    """A command line with each absolute path among its words cut to its last part."""
    try:
        words = shlex.split(command)
    except ValueError:
        return text_without_paths(command)
    return shlex.join(map(_word, words))


def _word(word: str) -> str:
    if _is_absolute(word):
        return _name(word)
    head, colon, place = word.partition(":")
    if colon and head.rpartition("=")[2].isidentifier() and _is_absolute(place):
        return collection_name(word)
    return _without_path_value(word)


def text_without_paths(text: str) -> str:
    """A sentence, such as the reason of a failure, with each absolute path in it cut to its last part."""
    return _IN_TEXT.sub(lambda match: match[1] or match[2] or "...", text)


def without_paths_of(cell: CellRecord) -> CellRecord:
    """The cell as it may be published."""
    identity, manifest, failure = cell.identity, cell.manifest, cell.failure
    known = [name for name in identity.weights if _is_absolute(name)]
    shown = identity.model_copy(
        update={
            "options": without_paths(identity.options, known),
            "weights": _named(identity.weights),
            "collection": collection_name(identity.collection),
            "key_parts": without_paths(identity.key_parts, known),
        }
    )
    return replace(
        cell,
        identity=shown,
        manifest=manifest
        and manifest.model_copy(
            update={
                "cell": shown,
                "facts": without_paths(manifest.facts, known),
                "environment": _environment(manifest.environment),
            }
        ),
        failure=failure and failure.model_copy(update={"cell": shown, "reason": text_without_paths(failure.reason)}),
        tasks=[replace(task, result=_result(task.result)) for task in cell.tasks],
    )


def _environment(environment: Environment) -> Environment:
    return environment.model_copy(update={"command": command_without_paths(environment.command)})


def _result(result: TaskResult) -> TaskResult:
    return result.model_copy(
        update={
            "options": without_paths(result.options),
            "definition": text_without_paths(result.definition),
            "instrument": _instrument(result.instrument),
            "second_instrument": _instrument(result.second_instrument),
            "environment": _environment(result.environment),
        }
    )


def _instrument(instrument: Instrument | None) -> Instrument | None:
    return instrument and replace(instrument, name=text_without_paths(instrument.name))


def published_id(cell: CellRecord) -> str:
    """A name for the cell's files that is safe in any file system and names no path."""
    identity = cell.identity
    parts = [identity.system, identity.collection, f"seed{identity.seed}", identity.key[:10]]
    return ".".join(slug(part, 40) for part in parts)
