"""Imported once by the process that cells are forked from, so that no cell pays for these imports again."""

import faiss  # noqa: F401
import sentence_transformers  # noqa: F401

import bench.runner.cell  # noqa: F401
