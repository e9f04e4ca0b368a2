"""Packages of a few lines in place of those that pycalls reads."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from bench.collections.sources import pycalls


def only(files: Mapping[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have pycalls read these files alone, by their names below the folder, as if they were numpy."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.setenv("BENCH_CACHE", str(folder / "cache"))
    monkeypatch.setattr(pycalls, "_PACKAGES", ("numpy",))
    monkeypatch.setattr(pycalls, "package_root", lambda package: folder / "numpy")
    monkeypatch.setattr(pycalls.sysconfig, "get_path", lambda name: str(folder / "nothing"))
