"""`python -m bench`."""

import os
import signal
import sys
from typing import NoReturn


def main() -> None:
    """Run the command line; what the user can mend is one line on standard error and exit status 2."""
    _let_threads_wait()
    _end_in_order()
    _tell_of_a_sudden_end()
    try:
        _run()
    except KeyboardInterrupt:  # while libraries are loaded; commands tell themselves what is kept
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None


def _run() -> None:
    from bench.cli import app
    from bench.errors import BenchError
    from bench.store import is_disk_full
    from bench.visible import visible

    try:
        app(prog_name="bench")
    except BenchError as error:
        _end(str(error))
    except OSError as error:
        if is_disk_full(error):
            _end(f"{error.filename or 'a file'} cannot be written: the disk is full; make room")
        if error.filename is None:
            raise
        _end(visible(f"{error.filename}: {error.strerror}; correct the path or its permissions"))


def _let_threads_wait() -> None:
    """How a thread without work waits for more: a moment awake, then asleep. The libraries read this when loaded.

    Asleep at once makes the many small steps of a beam search 2.5 times slower; awake for long, as the libraries
    would have it, makes everything ten times slower on a machine that has other work.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # 0.1 ms; of GNU's OpenMP, and stronger than the policy


def _end_in_order() -> None:
    """A terminal that closes and a system that shuts down end a run as Ctrl-C does; `nohup` still keeps it."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has one of them
        if number and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


def _tell_of_a_sudden_end() -> None:
    """A plugin that ends this process with `os._exit` says nothing, and the shell would take its 0 for success."""
    end, own = os._exit, os.getpid()

    def told(status: int) -> NoReturn:
        if os.getpid() == own:  # and not a process that was forked from it
            caller = sys._getframe(1)
            where = f"{caller.f_code.co_filename}:{caller.f_lineno}"
            message = f"error: {where} ended this process (os._exit({status})); a plugin must not do that\n"
            os.write(2, message.encode(errors="replace"))
            status = status or 2
        end(status)

    os._exit = told


def _end(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(2) from None


if __name__ == "__main__":
    main()
