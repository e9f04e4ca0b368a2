"""Chooses a system's options on a split that no published figure is of, within a budget that is stated."""
