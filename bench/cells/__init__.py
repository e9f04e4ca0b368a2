"""Cells: one system on one collection with one seed, and the record that each leaves on disk."""
