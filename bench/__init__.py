"""A retrieval benchmark harness: one `retrieve()` interface, shared collections, quality beside cost."""

__version__ = "0.1.0"
