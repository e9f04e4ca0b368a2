import subprocess
import sys
from pathlib import Path

import pytest

PRELOADED = "import jax.lax; before = jax.lax; "
ASKED = "from bench.libraries import import_bm25s; assert import_bm25s().selection.JAX_IS_AVAILABLE is False; "


@pytest.fixture
def jax(tmp_path: Path) -> Path:
    """A folder with a package called jax that leaves a mark when anything is selected with it."""
    (tmp_path / "jax").mkdir()
    (tmp_path / "jax" / "__init__.py").touch()
    (tmp_path / "jax" / "lax.py").write_text(
        f"from pathlib import Path\ndef top_k(*_):\n    Path({str(tmp_path / 'started')!r}).touch()\n"
    )
    return tmp_path


def python(code: str, folder: Path) -> None:
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": f"{folder}:{Path.cwd()}"}, check=True)


def test_bm25s_alone_starts_jax(jax: Path) -> None:
    python("import bm25s", jax)
    assert (jax / "started").exists()


def test_bm25s_as_imported_here_does_not(jax: Path) -> None:
    python(ASKED + "import jax.lax", jax)
    assert not (jax / "started").exists()


def test_jax_stays_what_it_was_for_others(jax: Path) -> None:
    python(PRELOADED + ASKED + "import jax.lax; assert jax.lax is before", jax)
    assert not (jax / "started").exists()
