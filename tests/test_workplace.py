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
