"""What cells are forked from has loaded what fits would pay for."""

import subprocess
import sys

_FIRST_FIT = """
import sys
import bench.runner.preload
from bench import registry
import bench

collection = bench.open("pydoc?sample=50")
retriever = registry.find("retriever", "bm25").load().from_options("bm25", {})
before = set(sys.modules)
retriever.fit(collection)
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""


def test_the_first_fit_of_bm25_imports_no_library() -> None:
    done = subprocess.run([sys.executable, "-c", _FIRST_FIT], capture_output=True, text=True, check=True)
    assert not {"numba", "scipy", "bm25s", "Stemmer", "numpy"} & set(done.stdout.split())
