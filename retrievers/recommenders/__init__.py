"""Recommenders that know items by what users did with them, not by their text."""
