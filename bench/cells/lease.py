"""Claims on an object store, which knows no locks: numbered leases with a time, each renewed by its owner alone."""

import json
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from bench.errors import Busy

SECONDS = 120.0
"""How long a lease holds without a renewal; clocks of two machines may differ by much less."""

_RENEWALS = 4
"""In that time."""


@contextmanager
def leased(files: Any, place: str) -> Iterator[None]:
    """Hold the lease at `place` of a file system of fsspec. Raises Busy if somebody else does.

    The highest number counts. Who finds it free, or past its time because its owner died, creates the next number,
    which the store lets only one do. A lease is written by its owner alone, so none is ever taken from a new owner.
    """
    number, holder = _highest(files, place)
    if holder and holder["until"] > time.time():
        raise Busy(f"another run works on {place} ({holder['owner']}); wait for it or choose another --out")
    path, over = f"{place}/{number + 1:06}", threading.Event()
    owner = f"{socket.gethostname()}-{secrets.token_hex(4)}"
    try:
        files.pipe_file(path, _lease(owner), mode="create")
    except FileExistsError:
        raise Busy(f"another run has just begun to work on {place}; wait for it or choose another --out") from None
    renewing = threading.Thread(target=_renew, args=(files, path, owner, over), daemon=True)
    renewing.start()
    try:
        yield
    finally:
        over.set()
        renewing.join()
        with suppress(Exception):  # it ends by itself
            files.rm_file(path)


def _highest(files: Any, place: str) -> tuple[int, dict[str, Any] | None]:
    """The number and the content of the lease that counts; none that is gone, or cannot be read, holds."""
    try:
        names = sorted(path.rpartition("/")[2] for path in files.ls(place, detail=False, refresh=True))
    except FileNotFoundError:
        return 0, None
    numbers = [int(name) for name in names if name.isdigit()]
    if not numbers:
        return 0, None
    try:
        held = json.loads(files.cat_file(f"{place}/{numbers[-1]:06}"))
        return numbers[-1], {"owner": str(held["owner"]), "until": float(held["until"])}
    except FileNotFoundError:  # let go meanwhile
        return numbers[-1] - 1, None
    except (ValueError, LookupError, TypeError):
        return numbers[-1], None


def _lease(owner: str) -> bytes:
    return json.dumps({"owner": owner, "until": time.time() + SECONDS}).encode()


def _renew(files: Any, path: str, owner: str, over: threading.Event) -> None:
    while not over.wait(SECONDS / _RENEWALS):
        with suppress(Exception):  # tried again soon
            files.pipe_file(path, _lease(owner))
