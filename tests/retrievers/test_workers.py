"""Documents are encoded by other processes as they are here, in their order, and a worker that dies is told."""

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from bench.collections.collection import Collection
from bench.errors import BenchError
from retrievers.dense.sbert import SBERT
from retrievers.late_interaction.colbert import ColBERT
from retrievers.lexical.splade import SPLADE
from retrievers.workers import at_work


def opened(told: str, device: str) -> Callable[[list[str]], tuple[str, int, list[str]]]:
    """An encoder that tells where it works; one of them is slower, so that answers come out of order."""

    def read(texts: list[str]) -> tuple[str, int, list[str]]:
        if texts == ["die"]:
            os._exit(7)
        if texts == ["raise"]:
            raise ValueError("what is this?")
        time.sleep(0.02 if device == "slow" else 0)
        return f"{told} {device}", os.getpid(), [text.upper() for text in texts]

    return read


@pytest.fixture(scope="module")
def parts() -> list[list[str]]:
    return [[f"text {number}", "more"] for number in range(40)]


def test_all_workers_encode_in_the_order_given_and_are_gone_afterwards(parts: list[list[str]]) -> None:
    with at_work(partial(opened, "on"), ["slow", "fast"]) as encode:
        found = list(encode(parts))
        workers = {process for _, process, _ in found}
    assert [texts for _, _, texts in found] == [[text.upper() for text in part] for part in parts]
    assert {where for where, _, _ in found} == {"on slow", "on fast"}
    assert len(workers) == 2
    assert not any(psutil.pid_exists(process) for process in workers)


def test_what_goes_wrong_in_a_worker_is_told() -> None:
    with (
        pytest.raises(BenchError, match="one of 2 workers that encode documents died, perhaps for want of memory"),
        at_work(partial(opened, "on"), ["cpu", "cpu"]) as encode,
    ):
        list(encode([["a"], ["die"], ["b"]]))
    with (
        pytest.raises(ValueError, match=r"what is this\?"),
        at_work(partial(opened, "on"), ["cpu"]) as encode,
    ):
        list(encode([["a"], ["raise"], ["b"]]))


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(f"""
        import os, signal, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from functools import partial
        from retrievers.workers import at_work
        from test_workers import opened
        if __name__ == "__main__":
            with at_work(partial(opened, "on"), ["cpu"]) as encode:
                (_, process, _), = encode([["a"]])
                print(process, flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
        """)
    )
    done = subprocess.run([sys.executable, script], stdout=subprocess.PIPE, text=True)
    worker = int(done.stdout)
    for _ in range(300):
        if not psutil.pid_exists(worker):
            return
        time.sleep(0.1)
    pytest.fail("the worker outlives its parent")


SYSTEMS: dict[str, Callable[..., Any]] = {
    "sbert": lambda **options: SBERT(device="cpu", encoding_batch=2, max_tokens=24, **options),
    "colbert": lambda **options: ColBERT(device="cpu", encoding_batch=2, max_tokens=24, **options),
    "splade": lambda **options: SPLADE(device="cpu", encoding_batch=2, **options),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_workers_give_the_same_vectors(
    make_collection: Callable[..., Collection], docstrings: dict[str, tuple[str, str]], tmp_path: Path, name: str
) -> None:
    some = {place: text[:150] for place, (_, text) in list(docstrings.items())[:70]}
    collection = make_collection(some)
    here, there = SYSTEMS[name]().fit(collection), SYSTEMS[name](workers=2).fit(collection)
    for system, folder in ((here, tmp_path / "here"), (there, tmp_path / "there")):
        folder.mkdir()
        system.save(folder)
    files = sorted(path.name for path in (tmp_path / "here").glob("*.npy"))
    assert files
    for file in files:
        first, second = (np.load(tmp_path / place / file) for place in ("here", "there"))
        np.testing.assert_allclose(second, first, atol=1e-6, err_msg=file)
    if name != "splade":
        assert here.facts()["texts_at_max_tokens"] == there.facts()["texts_at_max_tokens"] > 0


def test_devices_are_taken_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    assert SBERT(device="cpu", workers=2).worker_devices == ["cpu", "cpu"]
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert SBERT(workers=3).worker_devices == ["cuda:0", "cuda:1", "cuda:0"]
    assert SBERT(workers=2, device="cuda:1").worker_devices == ["cuda:1", "cuda:1"]
