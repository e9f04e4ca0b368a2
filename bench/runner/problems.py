"""What an error means: its kind, and one line for a person."""

from bench.cells.record import FailureKind, Problem
from bench.errors import (
    BenchError,
    Busy,
    CannotAdd,
    CannotImport,
    DiskFull,
    InvalidOutput,
    MissingExtra,
    RemoteFailure,
    UnusableClass,
)
from bench.store import is_disk_full

_KINDS: tuple[tuple[type[BaseException], FailureKind], ...] = (
    (SystemExit, "crashed"),
    (MissingExtra, "missing dependency"),
    (CannotImport, "missing dependency"),
    (ImportError, "missing dependency"),
    (RemoteFailure, "remote failure"),
    (MemoryError, "out of memory"),
    (InvalidOutput, "invalid output"),
    (CannotAdd, "cannot add"),
    (Busy, "error"),
    (DiskFull, "error"),
    (UnusableClass, "error"),
    (BenchError, "bad input"),
)
"""The first that fits counts."""

_NO_MEMORY = ("not enough memory", "can't allocate memory", "out of memory")
"""Words of libraries whose errors are of no type of their own."""


def problem_of(error: BaseException) -> Problem:
    """The kind of an error and what it says."""
    return Problem(_kind(error), explain(error))


def _kind(error: BaseException) -> FailureKind:
    for of, kind in _KINDS:
        if isinstance(error, of):
            return kind
    told = str(error).lower() if isinstance(error, RuntimeError | OSError) else ""
    return "out of memory" if any(words in told for words in _NO_MEMORY) else "error"


def explain(error: BaseException) -> str:
    """One line for a person: what went wrong and, where that is known, how to mend it."""
    if isinstance(error, BenchError):
        return str(error)
    if isinstance(error, OSError) and is_disk_full(error):
        return str(DiskFull(error.filename or "a file of the system"))
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}; correct the path or its permissions"
    if isinstance(error, SystemExit):
        return f"it ended its process (sys.exit({error.code!r})); a retriever must not do that"
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
