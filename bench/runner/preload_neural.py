"""The same for cells that use a neural library."""

import gc

import faiss  # noqa: F401
import sentence_transformers  # noqa: F401

import bench.runner.preload  # noqa: F401

gc.collect()
gc.freeze()
