"""The one error that a person should see: one line that says what is wrong and what to do about it."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from bench.visible import visible

_LISTED = 16
_LONGEST = 2000


class BenchError(Exception):
    """Something the user can mend. The command line prints its message without a traceback.

    What the message quotes of names and texts may hold anything; it stays one line that no terminal obeys.
    """

    def __init__(self, message: str) -> None:
        half = _LONGEST // 2
        short = message if len(message) <= _LONGEST else f"{message[:half]} ... {message[-half:]}"
        super().__init__(visible(short))


class BadLine(BenchError):
    """A line of an input file that cannot be read, or (line 0) a place in a file that has no lines."""

    def __init__(self, path: Path | str, line: int, problem: str, expected: str) -> None:
        super().__init__(f"{path}:{f'{line}:' if line else ''} {problem}; expected {expected}")


class UnknownName(BenchError):
    """A name that is not registered, with the nearest names that are."""

    def __init__(self, kind: str, name: str, known: Iterable[str], remedy: str = "") -> None:
        names = sorted(known)
        near = get_close_matches(name, names, n=3, cutoff=0.5)
        some = ", ".join(names[:_LISTED]) + (f", ... ({len(names)} in all)" if len(names) > _LISTED else "")
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {some or 'none'}"
        super().__init__(f"unknown {kind} '{name}': {hint}{' ' + remedy if remedy else ''}")


class UnusableClass(BenchError):
    """A class that cannot be constructed, and what its author has to mend."""


class InvalidOutput(BenchError):
    """What a system gave as an answer and is none."""


class LoadsOtherwise(InvalidOutput):
    """A loaded system is not the one that was saved, so that no answer of it counts."""


class CannotAdd(BenchError):
    """Documents for a system that takes none after its fit."""


class Busy(BenchError):
    """What another run holds."""


class DiskFull(BenchError):
    """What could not be written because no room is left."""

    def __init__(self, path: Path | str) -> None:
        self.path = str(path)
        super().__init__(
            f"{path} cannot be written: the disk is full, or a limit on space or size is reached; make room"
        )


class NotFittedError(BenchError):
    """A system that was asked before it has read a collection."""

    def __init__(self, system: str) -> None:
        super().__init__(f"{system} is not fitted; call fit(collection) first, or load an index that was saved")


class CannotImport(BenchError):
    """A plugin whose module cannot be imported."""


class RemoteFailure(BenchError):
    """A server that did not answer, or not in whole."""

    def __init__(self, address: str, problem: str) -> None:
        super().__init__(f"{address}: {problem}; see that the server runs and holds the collection's documents")


class MissingExtra(BenchError):
    """A package that an optional feature needs."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs an extra: pip install 'retrieval-bench[{extra}]'")
