"""Every clause of the contract is kept by a sound plugin, and each broken one is found by the check meant for it."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import broken_plugins
import pytest
from broken_plugins import Overlap

from bench.collections.collection import Query
from bench.conformance.checks import CHECKS
from bench.conformance.kit import Outcome, check_class
from bench.conformance.opened import opened_files
from bench.errors import BenchError
from bench.models import MINILM, find_weights

OF_ITS_NAME = {"Deterministic": "seed", "SavingNothing": "saving", "SmallCollections": "small collections"}
BROKEN = [
    value
    for value in vars(broken_plugins).values()
    if isinstance(value, type) and issubclass(value, Overlap) and value is not Overlap
]


def outcomes(kind: type[Overlap], **options: object) -> dict[str, Outcome]:
    return {outcome.check.name: outcome for outcome in check_class(kind, kind.__name__, options)}


def test_a_sound_plugin_keeps_every_clause() -> None:
    found = outcomes(Overlap)
    assert {name: outcome.seen for name, outcome in found.items() if outcome.verdict != "kept"} == {}
    assert list(found) == [check.name for check in CHECKS]


class Matrix(Overlap):
    """Answers with the scores of all documents, as a plugin may."""

    def retrieve(self, queries: Sequence[Query], k: int) -> Any:
        return self.scores(queries)


def test_a_matrix_of_scores_keeps_every_clause() -> None:
    assert {name: outcome.seen for name, outcome in outcomes(Matrix).items() if outcome.verdict != "kept"} == {}


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_a_broken_clause_is_found_by_the_check_meant_for_it(kind: type[Overlap]) -> None:
    meant = OF_ITS_NAME.get(kind.__name__, kind.__name__.lower())
    outcome = outcomes(kind)[meant]
    assert outcome.verdict == "broken"
    with pytest.raises(AssertionError, match="."):
        outcome.require()


def test_a_hidden_model_is_found_beside_the_temporary_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    model = Path(shutil.copytree(find_weights(MINILM).folder, tmp_path / "model"))

    class Hidden(Overlap):
        def retrieve(self, queries, k):  # type: ignore[no-untyped-def]
            (model / "config.json").read_bytes()
            return super().retrieve(queries, k)

    assert outcomes(Hidden)["weights"].verdict == "broken"


def test_one_that_stops_listening_leaves_another_that_heard_the_same(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("waves", encoding="utf-8")
    with opened_files() as outer:
        with opened_files():
            pass
        (tmp_path / "text").read_text(encoding="utf-8")
    assert tmp_path / "text" in outer


def test_every_check_but_that_of_the_guard_has_a_plugin_that_breaks_it() -> None:
    meant = {OF_ITS_NAME.get(kind.__name__, kind.__name__.lower()) for kind in BROKEN}
    assert meant == {check.name for check in CHECKS} - {"unfitted"}  # Retriever itself keeps that one


def test_what_was_seen_is_told_with_its_remedy() -> None:
    outcome = outcomes(broken_plugins.Depth)["depth"]
    with pytest.raises(AssertionError, match=r"3 documents for k = 1, query '.*'; cut at k"):
        outcome.require()


def test_a_wrong_option_is_an_error_of_the_caller() -> None:
    with pytest.raises(BenchError, match="unknown option of Overlap 'power'"):
        outcomes(Overlap, power=2)
