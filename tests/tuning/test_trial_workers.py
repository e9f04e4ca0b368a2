"""Trials in processes of their own: several at a time, and what is left of one that dies."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.face.tuning import tune
from bench.tuning.study import TRIALS

FRAGILE = """
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from bench.collections.collection import Collection, Query
from bench.rankings import Rankings
from bench.retriever import Retriever


class Fragile(Retriever):
    \"\"\"Every question has the same answer; one strain is too much for it while there is a storm.\"\"\"

    strain: int = Field(1, ge=1, le=4, description="how hard it is pulled at")
    storm: str = Field(description="a file; there is a storm while it exists")

    def fit(self, collection: Collection) -> None:
        print(f"pulled at with {self.strain}")
        if self.strain == 3 and Path(self.storm).exists():
            os.kill(os.getpid(), signal.SIGKILL)

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        return Rankings.from_hits(queries, [([self.strain], [1.0]) for _ in queries])
"""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a retriever that a storm brings down."""
    file = tmp_path_factory.mktemp("plugins") / "fragile.py"
    file.write_text(FRAGILE)
    return file


def test_several_at_a_time_try_what_one_tries(walks: str, tmp_path: Path) -> None:
    one, several = (
        tune("item-knn", walks, ["decay=0.1..1", "latest=1..9"], trials=6, jobs=jobs, out=tmp_path / str(jobs))
        for jobs in (1, 3)
    )
    assert [(trial.number, trial.options, trial.figures) for trial in several.trials] == [
        (trial.number, trial.options, trial.figures) for trial in one.trials
    ]
    assert several.best == several.trials[one.best.number]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_trial_that_dies_takes_no_other_with_it_and_is_tried_again(
    jobs: int, walks: str, plugin: Path, tmp_path: Path
) -> None:
    storm = tmp_path / "storm"
    storm.touch()
    system = f"fragile?storm={storm}"

    def tuned_once() -> dict[int, str]:
        found = tune(system, walks, ["strain=1..4"], trials=5, jobs=jobs, out=tmp_path, plugins=[plugin])
        return {int(trial.options.get("strain", 1)): trial.outcome for trial in found.trials}

    outcomes = tuned_once()
    assert outcomes.pop(3) == "failed"
    assert set(outcomes.values()) == {"done"}
    record = next(tmp_path.glob(f"tuning/*/{TRIALS}"))
    assert "killed by the system, most likely out of memory" in record.read_text()
    assert "pulled at with 3" in "".join(log.read_text() for log in record.parent.glob("trial-*.log"))
    storm.unlink()
    assert set(tuned_once().values()) == {"done"}


def test_the_command_tries_a_plugin(walks: str, plugin: Path, tmp_path: Path) -> None:
    words = ["tune", f"fragile?storm={tmp_path / 'none'}", "--plugin", str(plugin), "--dataset", walks]
    done = CliRunner().invoke(app, [*words, "--space", "strain=1..4", "--trials", "2", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "among 2 trials" in done.output
