"""A published leaderboard in other tools' forms."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from boards import changed
from finished_cells import HOSTILE, Finished

from bench.errors import BenchError
from bench.leaderboard.export import FORMS, export_ir_metadata, export_mteb, export_trec
from bench.leaderboard.imported import score_run
from bench.leaderboard.publish import publish
from bench.leaderboard.published import Published, read_published
from bench.leaderboard.selection import select
from bench.visible import visible


@pytest.fixture(scope="module")
def published(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Published:
    results = tmp_path_factory.mktemp("results")
    publish(finished.suite, select(finished.suite, [finished.records()]), results)
    return read_published(results / "tiny")


def test_search_figures_take_the_form_of_mteb(published: Published, finished: Finished, tmp_path: Path) -> None:
    assert export_mteb(published, tmp_path) == 4
    file = next(path for path in tmp_path.glob("bm25/*/*.json") if path.name != "model_meta.json")
    result = json.loads(file.read_text())
    scores = result["scores"]["test"][0]
    ours = finished.task("bm25").values["nDCG@10"].mean()
    assert scores["ndcg_at_10"] == scores["main_score"] == pytest.approx(ours)
    assert scores["languages"] == ["eng-Latn"]
    assert {"mrr_at_10", "hit_rate_at_1", "recall_at_100", "map", "hf_subset", "languages"} <= set(scores)
    assert result["dataset_revision"] == finished.dataset.collection.fingerprint
    meta = json.loads((file.parent / "model_meta.json").read_text())
    assert meta == {"name": "bm25", "revision": file.parent.name}
    hostile = next(tmp_path.glob("script*/*/model_meta.json"))
    assert json.loads(hostile.read_text())["name"] == HOSTILE


def test_a_task_is_called_as_mteb_calls_it(published: Published, tmp_path: Path) -> None:
    (collection,) = published.board.collections
    scifact = replace(published, board=replace(published.board, collections=[replace(collection, name="scifact")]))
    export_mteb(scifact, tmp_path)
    assert json.loads(next(tmp_path.glob("bm25/*/SciFact.json")).read_text())["task_name"] == "SciFact"


def test_mteb_itself_reads_the_scores(published: Published, finished: Finished, tmp_path: Path) -> None:
    mteb = pytest.importorskip("mteb")
    export_mteb(published, tmp_path / "results")
    frame = mteb.ResultCache(tmp_path).load_results().to_dataframe()
    assert frame["bm25"].tolist() == pytest.approx([finished.task("bm25").values["nDCG@10"].mean()])


def test_a_system_has_one_revision_on_every_collection(published: Published, tmp_path: Path) -> None:
    """Which is not that of another system, nor of the same with other options."""
    name, cell = next((name, cell) for name, cell in published.cells.items() if cell.cell.system == "bm25")
    parts = {**cell.cell.key_parts, "collection": "e" * 64}
    elsewhere = cell.model_copy(
        update={"cell": cell.cell.model_copy(update={"collection": "elsewhere", "key_parts": parts, "key": "0" * 64})}
    )
    other = replace(published, cells={**published.cells, name: elsewhere})
    export_mteb(published, tmp_path / "here")
    export_mteb(other, tmp_path / "there")
    revisions = [{path.name for path in (tmp_path / place / "bm25").iterdir()} for place in ("here", "there")]
    assert revisions[0] == revisions[1]
    assert len({path.name for path in (tmp_path / "here").glob("*/*")}) == 4


def test_a_language_that_is_not_known_is_undetermined(published: Published, tmp_path: Path) -> None:
    (collection,) = published.board.collections
    changed = replace(collection, rules={**collection.rules, "language": "klingon"})
    export_mteb(replace(published, board=replace(published.board, collections=[changed])), tmp_path)
    file = next(path for path in tmp_path.glob("bm25/*/*.json") if path.name != "model_meta.json")
    assert json.loads(file.read_text())["scores"]["test"][0]["languages"] == ["und"]


def test_a_board_without_search_has_nothing_for_mteb(published: Published, tmp_path: Path) -> None:
    (collection,) = published.board.collections
    probes = replace(collection, blocks=[block for block in collection.blocks if block.task != "search"])
    with pytest.raises(BenchError, match="no figures of the task search"):
        export_mteb(replace(published, board=replace(published.board, collections=[probes])), tmp_path)
    assert list(tmp_path.iterdir()) == []


def files_of(published: Published) -> int:
    return sum(len(cell.tasks) for cell in published.cells.values())


def test_answers_become_runs_that_score_gives_the_same_figures(
    published: Published, finished: Finished, tmp_path: Path
) -> None:
    assert export_trec(published, tmp_path) == files_of(published)
    run = next(tmp_path.glob("bm25.*seed0*.search*.trec.gz"))
    found = score_run(run, finished.dataset.collection, "again").evaluation
    for measure, values in finished.task("bm25").values.items():
        np.testing.assert_allclose(found.values[measure], values, atol=1e-12)


IR_METADATA: dict[str, Any] = {
    "schema version": "0.2",
    "tag": str,
    "platform": {
        "hardware": {
            "cpu": {"model": str, "architecture": str, "operation mode": str, "number of cores": int},
            "gpu": {"model": str, "architecture": str, "number of cores": int, "ram": str},
            "ram": r"\d+(\.\d+)? GB",
        },
        "operating system": {"kernel": str, "distribution": str},
        "software": {"libraries": {"python": [str]}, "retrieval toolkit": [str]},
    },
    "implementation": {
        "executable": {"cmd": str},
        "source": {"lang": [str], "repository": str, "commit": str, "uncommitted changes": bool},
    },
    "resources": {
        "runtime": {"wallclock": r"\d+ ms", "user": r"\d+ ms", "system": r"\d+ ms"},
        "ram": {"used process": r"\d+ KB"},
    },
    "method": {
        "automatic": bool,
        "score ties": str,
        "indexing": {"tokenizer": str, "stemmer": str, "stopwords": str},
        "retrieval": [{"name": str, "method": str, "params": dict, "reranks": str, "interpolates": [str]}],
    },
    "actor": {"name": str, "orcid": str, "team": str, "fields": [str], "mail": str, "role": str},
    "data": {"test collection": {"name": str, "source": str, "qrels": str, "topics": str, "ir_datasets": str}},
    "research goal": {
        "evaluation": {
            "reported measures": [str],
            "baseline": [str],
            "significance test": [{"name": str, "correction method": str}],
        }
    },
}
"""The fields of www.ir-metadata.org, and of version 0.2 as tirex-tracker writes them, with the type of each."""


def check_schema(data: Any, schema: Any) -> None:
    """Everything in the header is a field of the schema and of its type, or matches its pattern."""
    if isinstance(schema, dict):
        assert set(data) <= set(schema), data
        for name, value in data.items():
            check_schema(value, schema[name])
    elif isinstance(schema, list):
        for value in data:
            check_schema(value, schema[0])
    elif isinstance(schema, str):
        assert re.fullmatch(schema, data)
    else:
        assert isinstance(data, schema)


def test_runs_get_a_header_that_yaml_reads_and_score_passes_over(
    published: Published, finished: Finished, tmp_path: Path
) -> None:
    assert export_ir_metadata(published, tmp_path) == files_of(published)
    for path in tmp_path.iterdir():
        lines = path.read_text().splitlines()
        assert lines[0] == "# ir_metadata.start"
        end = lines.index("# ir_metadata.end")
        header = yaml.safe_load("\n".join(line.strip("#") for line in lines[1:end]))
        assert header["method"]["retrieval"][0]["params"]["seed"] in (0, 1)
        assert header["platform"]["software"]["libraries"]["python"]
        assert header["research goal"]["evaluation"]["reported measures"]
        check_schema(header, IR_METADATA)
        assert all(len(line.split()) == 6 for line in lines[end + 1 :])
    run = next(tmp_path.glob("bm25.*seed0*.search*.trec"))
    found = score_run(run, finished.dataset.collection, "again").evaluation
    np.testing.assert_allclose(found.values["nDCG@10"], finished.task("bm25").values["nDCG@10"], atol=1e-12)


@pytest.mark.parametrize("export", [export_trec, export_ir_metadata])
def test_answers_that_are_not_the_published_ones_are_not_exported(
    published: Published, tmp_path: Path, export: Callable[[Published, Path], int]
) -> None:
    shutil.copytree(published.folder, tmp_path / "tiny")
    answers = next((tmp_path / "tiny" / "runs").glob("bm25.*.parquet"))
    content = bytearray(answers.read_bytes())
    content[len(content) // 2] ^= 1
    answers.write_bytes(content)
    with pytest.raises(BenchError, match=r"\.parquet is not the file that its manifest names; get the published"):
        export(read_published(tmp_path / "tiny"), tmp_path / "to")


def test_a_board_without_its_manifests_is_not_exported(published: Published, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="lacks the manifest of"):
        export_mteb(replace(published, cells={}), tmp_path)


@pytest.mark.parametrize("name", ["検" * 300, "../../x", "..", "a/b\\c\0", "\x1b[31m"])
def test_any_system_has_a_folder_of_its_own_below(published: Published, tmp_path: Path, name: str) -> None:
    export_mteb(replace(published, board=changed(published.board, system=name)), tmp_path / "to")
    (folder,) = (tmp_path / "to").iterdir()
    assert list(tmp_path.iterdir()) == [tmp_path / "to"]
    assert visible(folder.name) == folder.name


def test_every_form_is_known_by_its_name() -> None:
    assert list(FORMS) == ["mteb", "trec", "ir-metadata"]
