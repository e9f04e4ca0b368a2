"""Cells that really ran."""

from finished_cells import finished

__all__ = ["finished"]
