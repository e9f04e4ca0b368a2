"""Imported once by the process that cells are forked from, so that no cell pays for these imports again."""

import gc

import faiss  # noqa: F401
import sentence_transformers  # noqa: F401

import bench.runner.cell  # noqa: F401

gc.collect()
gc.freeze()  # a collection in a cell does not go through all that the libraries hold, .3 seconds each time
