"""Libraries whose import does more than it says."""

import importlib
import sys
from functools import cache
from typing import Any

_STARTED_BY_BM25S = ("jax", "jax.lax")


@cache
def import_bm25s() -> Any:
    """The module bm25s, which does not find JAX while it is imported.

    Where JAX is installed, bm25s starts it at once, and JAX takes three quarters of a GPU's memory, although nothing
    here lets bm25s select documents.
    """
    installed = {name: sys.modules[name] for name in _STARTED_BY_BM25S if name in sys.modules}
    sys.modules.update(dict.fromkeys(_STARTED_BY_BM25S))  # type: ignore[arg-type] # None: not to be imported
    try:
        return importlib.import_module("bm25s")
    finally:
        for name in _STARTED_BY_BM25S:
            del sys.modules[name]
        sys.modules.update(installed)
