"""Runs suites: a plan of cells, each in a process of its own."""
