"""A process that works for a command: forked from a server that has the libraries, and ended with the command."""

import ctypes
import faulthandler
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import forkserver, get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

from bench.cells.record import Problem
from bench.progress import Progress
from bench.runner.cost import Stopwatch

_PR_SET_PDEATHSIG = 1  # of Linux's prctl
_STARTS, _UNTIL_GONE = 10, 0.3
"""How often a process is started where the server that it is forked from dies, and seconds in between."""

_FROM_OUTSIDE = (-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP)


def fork_context(neural: bool, *also: str) -> ForkServerContext:
    """Processes fork from a server that has the libraries loaded, the neural ones where one of them is needed.

    also: modules that every process would import as its main one
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(["bench.runner.preload_neural" if neural else "bench.runner.preload", *also])
    return context


def start_server(neural: bool) -> None:
    """Have the server that processes fork from load its libraries now, beside what comes before the first of them."""
    fork_context(neural)
    forkserver.ensure_running()


def start(context: ForkServerContext, body: Callable[..., None], *given: Any) -> tuple[ForkServerProcess, Connection]:
    """A process that runs `body(*given, connection)`, and the other end of that connection."""
    ours, theirs = context.Pipe()
    for attempt in range(_STARTS):
        process = context.Process(target=body, args=(*given, theirs))
        try:
            process.start()
            break
        except ConnectionError:  # the server has been killed and is not gone yet; another takes its place
            if attempt + 1 == _STARTS:
                raise
            time.sleep(_UNTIL_GONE)
    theirs.close()
    return process, ours


def send_signal(process: ForkServerProcess, number: int) -> None:
    """Send a signal to a process that was started here and to those that it started."""
    try:
        os.killpg(process.pid or 0, number)
    except (OSError, AttributeError):
        process.kill() if number == signal.SIGKILL else process.terminate()


def death(code: int) -> Problem:
    """Of a process that ended without a word, by its exit code."""
    how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
    if code == -signal.SIGKILL:
        reason = "killed by the system, most likely out of memory: use a smaller collection, batch or --jobs"
        return Problem("out of memory", reason)
    if code in _FROM_OUTSIDE:
        return Problem("interrupted", f"its process was ended by {how} from outside; the same command goes on")
    reason = f"its process ended with {how} before the work was done; a retriever must not end its process"
    return Problem("crashed", reason)


def live_with_parent(events: Connection, received: Callable[[Any], object] | None = None) -> None:
    """First thing in a process: it and those that it starts end when whoever started it is gone.

    received: is called, in a thread, with what the other end sends
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.setsid()
    threading.Thread(target=_listen, args=(events, received), daemon=True).start()
    _end_with_server()
    faulthandler.enable()
    faulthandler.register(signal.SIGTERM, chain=True)  # the log tells where it was when it was made to end


def told_to(events: Connection) -> Progress:
    """Tells the other end how the work gets on, at most ten times a second."""
    last = Stopwatch()

    def tell(phase: str, done: int, total: int) -> None:
        nonlocal last
        if done in (0, total) or last.seconds > 0.1:
            events.send((phase, done, total))
            last = Stopwatch()

    return tell


def flush_streams() -> None:
    """Have what was printed reach the log; a retriever may have closed a stream."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()


def log_to(path: str | os.PathLike[str]) -> None:
    """Everything that the process prints goes to the end of a file."""
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)


def _listen(events: Connection, received: Callable[[Any], object] | None) -> None:
    """The parent holds the other end of the pipe; when it is gone, this process and those that it started go too."""
    try:
        while True:
            said = events.recv()
            if received:
                received(said)
    except (EOFError, OSError):
        os.killpg(0, signal.SIGKILL)


def _end_with_server() -> None:
    """Have the system end this process with the one that it was forked from, which ends with the command.

    A library that holds Python's interpreter lets no thread of ours do so. The server lives as long as somebody has
    the other end of its pipe, which it hands on to those that it forks.
    """
    held = getattr(forkserver._forkserver, "_forkserver_alive_fd", None)
    if sys.platform == "linux" and held is not None:
        os.close(held)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
