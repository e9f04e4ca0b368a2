"""The wheel carries cards, suites and word lists, and works away from the checkout."""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of a new environment with the wheel; the libraries are those of this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / "bin" / "python"
    wheel = next(folder.glob("*.whl"))
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(pip, check=True, capture_output=True)
    packages = subprocess.check_output(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    )
    (Path(packages.strip()) / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def _run(python: Path, folder: Path, *arguments: str) -> str:
    return subprocess.run([python, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def test_the_wheel_is_what_runs(installed: Path, tmp_path: Path) -> None:
    assert str(ROOT) not in _run(installed, tmp_path, "-c", "import bench; print(bench.__file__)")


def test_datasets_suites_and_plugins_are_found_from_another_folder(installed: Path, tmp_path: Path) -> None:
    datasets = {line.split()[0] for line in _run(installed, tmp_path, "-m", "bench", "list", "datasets").splitlines()}
    assert datasets == {path.stem for path in (ROOT / "datasets").glob("*.toml")}
    assert "baselines" in _run(installed, tmp_path, "-m", "bench", "list", "suites")
    assert "colbert" in _run(installed, tmp_path, "-m", "bench", "list", "retrievers")


def test_a_dataset_opens_from_another_folder(installed: Path, tmp_path: Path) -> None:
    arguments = ("-m", "bench", "run", "--dataset", "limit", "--retriever", "bm25", "--dry-run")
    assert "limit: 46 documents, 1,000 test queries" in _run(installed, tmp_path, *arguments)


def test_the_wheel_says_that_both_packages_are_typed(installed: Path) -> None:
    wheel = next(installed.parents[2].glob("*.whl"))
    assert {"bench/py.typed", "retrievers/py.typed"} <= set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_brings_no_package_called_as_a_library(installed: Path) -> None:
    wheel = next(installed.parents[2].glob("*.whl"))
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"bench", "retrievers"}
