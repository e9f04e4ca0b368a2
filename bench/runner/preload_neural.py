"""The same for cells that use a neural library."""

import gc
from contextlib import suppress

import faiss  # noqa: F401
import sentence_transformers  # noqa: F401

import bench.runner.preload  # noqa: F401

with suppress(ImportError):  # a thousand patterns that transformers compiles when it loads its first model
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    get_checkpoint_conversion_mapping("bert")

gc.collect()
gc.freeze()
