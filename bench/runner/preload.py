"""Imported once by the process that cells are forked from, so that no cell pays again for what every cell needs.

Nothing is computed here: a library that had started threads would not survive the fork.
"""

import gc
from contextlib import suppress
from typing import get_args

import pyarrow.compute
import pyarrow.parquet  # noqa: F401
import scipy.sparse  # noqa: F401
import Stemmer  # noqa: F401

import bench.runner.cell  # noqa: F401
from bench import registry
from bench.cells.environment import revision, versions
from bench.libraries import import_bm25s
from bench.machine import machine

with suppress(ImportError):
    import pandas  # noqa: F401  as pyarrow does at its first computation

import_bm25s()
for kind in get_args(registry.Kind):
    registry.plugins(kind)
for found in (versions, revision, machine):
    found()
gc.collect()
gc.freeze()  # a collection in a cell does not go through all that the libraries hold, .3 seconds each time
