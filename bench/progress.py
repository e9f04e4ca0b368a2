"""How long work tells how far it is."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with a phase ("encoding"), how much of it is done and how much there is."""


def no_progress(phase: str, done: int, total: int) -> None:
    """Progress that nobody watches."""
