"""Cells that really ran, for all tests of leaderboards."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from finished_cells import PLUGINS, Finished, run_here, tiny_suite

from bench import registry
from bench.collections.catalogue import open_dataset
from bench.runner.plan import make_plan


@pytest.fixture(scope="session")
def finished(beir_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """The cells of the tiny suite; no test changes them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_from_files", [])
        registry.load_files([PLUGINS])
        suite = tiny_suite(beir_folder)
        dataset = open_dataset(suite.datasets[0])
        out = tmp_path_factory.mktemp("runs")
        cells = make_plan(suite, [dataset], out, plugin_files=[PLUGINS])
        run_here(cells)
        yield Finished(suite, dataset, out, cells)
