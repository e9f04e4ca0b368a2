import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.seals import seal
from bench.store import remove_unused
from bench.workplace import Workplace


def _took(folder: Path, seconds: float) -> None:
    """As if the work had taken so long."""
    (folder / "seconds").write_text(f"{seconds}")
    seal(folder)


def test_shared_work_is_done_once_and_charged_to_everyone(tmp_path: Path) -> None:
    made = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "result").write_text("states")

    first, second = (Workplace(tmp_path / name, tmp_path / "common") for name in ("a", "b"))
    assert (first.shared({"of": 1}, make) / "result").read_text() == "states"
    _took(first.shared({"of": 1}, make), 100)
    assert (second.shared({"of": 1}, make) / "result").read_text() == "states"
    assert len(made) == 1
    assert 99 < second.reused_seconds <= 100
    second.shared({"of": 2}, make)
    assert len(made) == 2


def test_work_that_fails_is_not_kept(tmp_path: Path) -> None:
    workplace = Workplace(tmp_path / "a", tmp_path / "common")

    def fail(folder: Path) -> None:
        (folder / "result").write_text("half")
        raise ValueError("no memory")

    with pytest.raises(ValueError, match="no memory"):
        workplace.shared({}, fail)
    assert workplace.shared({}, lambda folder: (folder / "result").write_text("whole")) is not None
    assert next((tmp_path / "common").glob("*/result")).read_text() == "whole"


def test_a_temporary_workplace_vanishes() -> None:
    workplace = Workplace.temporary()
    folder = workplace.shared({}, lambda folder: (folder / "result").write_text("x") and None)
    assert folder.is_dir()
    del workplace
    assert not folder.exists()


def test_work_that_needs_other_shared_work_is_charged_with_it(tmp_path: Path) -> None:
    first, second, third = (Workplace(tmp_path / name, tmp_path / "common") for name in "abc")

    def make(folder: Path) -> None:
        (folder / "result").write_text("states")

    _took(first.shared({"of": "inner"}, make), 100)
    second.shared({"of": "outer"}, lambda folder: second.shared({"of": "inner"}, make) and make(folder))
    third.shared({"of": "outer"}, make)
    assert second.reused_seconds == pytest.approx(100, abs=1)
    assert third.reused_seconds == pytest.approx(100, abs=1)


@pytest.mark.parametrize("damage", ["bit", "cut", "absent", "more", "seconds"])
def test_damaged_work_is_told_done_again_and_not_charged_twice(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    def make(folder: Path) -> None:
        (folder / "result").write_bytes(b"states" * 100)

    first, second = (Workplace(tmp_path / name, tmp_path / "common") for name in "ab")
    folder = first.shared({"of": 1}, make)
    _took(folder, 100)
    result = folder / "result"
    if damage == "absent":
        result.unlink()
    elif damage == "more":
        (folder / "result2").touch()
    elif damage == "seconds":
        (folder / "seconds").write_text("900")
    else:
        result.write_bytes(b"states" * 99 + (b"stateS" if damage == "bit" else b""))
    assert (second.shared({"of": 1}, make) / "result").read_bytes() == b"states" * 100
    assert second.reused_seconds == 0
    (line,) = caplog.messages
    assert line.startswith(f"{folder} was damaged (")
    assert "\n" not in line


def test_work_that_is_in_use_is_not_removed(tmp_path: Path) -> None:
    workplace = Workplace(tmp_path / "a", tmp_path / "common")
    folder = workplace.shared({"of": 1}, lambda folder: (folder / "result").touch())
    assert not remove_unused(folder)
    del workplace
    assert remove_unused(folder)
    assert not folder.exists()


MAKE = """
import sys, time
from pathlib import Path
from bench.workplace import Workplace

common, ledger, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])

def make(folder):
    (folder / "result").write_text("states")
    with ledger.open("a") as file:
        file.write("made\\n")
    print("at work", flush=True)
    time.sleep(seconds)

print((Workplace(common / "own", common).shared({"of": 1}, make) / "result").read_text(), flush=True)
"""


def _maker(folder: Path, seconds: float) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", MAKE, str(folder / "common"), str(folder / "ledger"), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_at_once_make_it_once(tmp_path: Path) -> None:
    makers = [_maker(tmp_path, 0.5) for _ in range(2)]
    assert all("states" in maker.communicate(timeout=60)[0] for maker in makers)
    assert (tmp_path / "ledger").read_text() == "made\n"


def test_where_the_one_that_makes_it_is_killed_the_one_that_waits_makes_it(tmp_path: Path) -> None:
    first = _maker(tmp_path, 1000)
    assert first.stdout is not None
    assert first.stdout.readline() == "at work\n"
    second = _maker(tmp_path, 0)
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=60)
    assert "states" in second.communicate(timeout=60)[0]
    assert (tmp_path / "ledger").read_text() == "made\n" * 2


def test_whole_work_is_read_without_writing_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a cache on a read-only disk can be shared."""
    folder = Workplace(tmp_path / "first", tmp_path / "common").shared({"of": 1}, lambda folder: None)
    _took(folder, 100)

    def lock(*args: object) -> None:
        raise AssertionError("wrote a lock")

    monkeypatch.setattr("bench.workplace.locked", lock)
    second = Workplace(tmp_path / "second", tmp_path / "common")
    assert second.shared({"of": 1}, lambda folder: pytest.fail("made again")) == folder
    assert second.reused_seconds == 100
