"""Published figures held against ours."""

from pathlib import Path

import pytest
from finished_cells import Finished, Silent

from bench.cells.stores import FolderStore
from bench.errors import BenchError
from bench.verification.references import Reference, hold, read_references


def reference(**changed: object) -> Reference:
    given = {
        "name": "BM25", "datasets": ["beir:$BENCH_DATA"], "retriever": "bm25", "measure": "nDCG@10", "value": 0.5,
        "tolerance": 0.001, "source": "a paper",
    } | changed  # fmt: skip
    return Reference(**given)  # type: ignore[arg-type]


def test_every_committed_reference_names_its_source_and_a_known_system() -> None:
    found = read_references()
    assert len(found) >= 10
    assert all(one.source and 0 < one.value < 1 and one.tolerance <= 0.02 for one in found)
    assert {one.retriever for one in found} >= {"bm25", "sbert"}


def test_our_figure_stands_beside_the_published_one(finished: Finished, beir_folder: Path, tmp_path: Path) -> None:
    ours = finished.task("bm25").values["nDCG@10"].mean()
    asked = [reference(value=ours + 0.0005), reference(value=ours - 0.1), reference(measure="nDCG@7")]
    near, far, wrong = list(hold(asked, beir_folder, FolderStore(tmp_path), Silent()))
    assert (near.ours, near.verdict) == (pytest.approx(ours), "OK")
    assert near.difference == pytest.approx(-0.0005)
    assert far.verdict == "FAIL"
    assert "no nDCG@7 among nDCG@10" in wrong.problem


def test_what_cannot_be_run_here_says_why(beir_folder: Path, tmp_path: Path) -> None:
    absent = reference(datasets=["beir:no/such/folder", "nowhere"])
    (found,) = hold([absent], beir_folder, FolderStore(tmp_path), Silent())
    assert found.verdict == "not run"
    assert "no/such/folder" in found.problem


def test_a_system_without_a_figure_on_data_at_hand_has_failed(beir_folder: Path, tmp_path: Path) -> None:
    unknown, unmeasured = reference(retriever="bm52"), reference(measure="nDCG@7")
    found = list(hold([unknown, unmeasured], beir_folder, FolderStore(tmp_path), Silent()))
    assert [one.verdict for one in found] == ["failed"] * 2
    assert "did you mean bm25" in found[0].problem
    assert "no nDCG@7 among nDCG@10" in found[1].problem


def test_a_bad_entry_is_named(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('[[reference]]\nname = "x"\n')
    with pytest.raises(BenchError, match=r"own\.toml: datasets: field required"):
        read_references(file)
    with pytest.raises(BenchError, match="cannot be read"):
        read_references(tmp_path / "absent.toml")
