"""Recommenders that write the next item as a short sequence of codes."""
