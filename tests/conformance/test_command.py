"""`bench check` tells of each clause whether it is kept, and its exit status says if all are."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench import registry
from bench.cli import app

_PLUGINS = '''
import bench
import numpy as np


class Sound(bench.Retriever):
    """Counts shared words."""

    def fit(self, collection):
        self.texts = [set(text.split()) for text in collection.texts()]

    def retrieve(self, queries, k):
        asked = [set(query.text.split()) for query in queries]
        scores = np.array([[float(len(words & text)) for text in self.texts] for words in asked])
        return bench.Rankings.from_scores(queries, scores, k)


class Deep(Sound):
    """Gives more than it is asked for."""

    def retrieve(self, queries, k):
        scores = np.tile(np.arange(float(len(self.texts))), (len(queries), 1))
        return bench.Rankings.from_scores(queries, scores, k + 1)
'''


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a sound retriever and one that answers too much."""
    monkeypatch.setattr(registry, "_from_files", [])
    path = tmp_path / "mine.py"
    path.write_text(_PLUGINS, encoding="utf-8")
    return path


def test_a_sound_retriever_passes(plugin: Path) -> None:
    result = CliRunner().invoke(app, ["check", "sound", "--plugin", str(plugin)])
    assert result.exit_code == 0, result.output
    assert "sound: 16 kept, 0 broken, 1 skipped" in result.output
    assert "skipped saving" in result.output


def test_a_broken_clause_is_told_with_its_remedy(plugin: Path) -> None:
    result = CliRunner().invoke(app, ["check", "deep", "--plugin", str(plugin)])
    assert result.exit_code == 1
    assert "broken  depth" in result.output
    assert "2 documents for k = 1" in result.output
    assert "to mend it: cut at k" in result.output
