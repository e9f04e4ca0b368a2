"""A published leaderboard in other tools' forms."""

import gzip
import json
from pathlib import Path

import pytest
import yaml
from finished_cells import HOSTILE, Finished

from bench.errors import BenchError
from bench.leaderboard.cells import read_cells
from bench.leaderboard.export import export_ir_metadata, export_mteb
from bench.leaderboard.publish import publish, select
from bench.leaderboard.verify import Published, read_published
from bench.results import read_result


@pytest.fixture(scope="module")
def published(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Published:
    results = tmp_path_factory.mktemp("results")
    publish(finished.suite, select(finished.suite, [read_cells([finished.out])]), results)
    return read_published(results / "tiny")


def test_search_figures_take_the_form_of_mteb(published: Published, finished: Finished, tmp_path: Path) -> None:
    assert export_mteb(published, tmp_path) == 4
    file = next(path for path in tmp_path.glob("bm25/*/*.json") if path.name != "model_meta.json")
    result = json.loads(file.read_text())
    scores = result["scores"]["test"][0]
    ours = read_result(finished.cell("bm25")).tasks[0].figures
    assert scores["ndcg_at_10"] == scores["main_score"] == pytest.approx(ours["nDCG@10"].value)
    assert {"mrr_at_10", "hit_rate_at_1", "recall_at_100", "map", "hf_subset", "languages"} <= set(scores)
    assert result["dataset_revision"] == finished.dataset.collection.fingerprint
    meta = json.loads((file.parent / "model_meta.json").read_text())
    assert meta == {"name": "bm25", "revision": file.parent.name}
    hostile = next(tmp_path.glob("script*/*/model_meta.json"))
    assert json.loads(hostile.read_text())["name"] == HOSTILE


def test_a_board_without_search_has_nothing_for_mteb(published: Published, tmp_path: Path) -> None:
    data = json.loads(json.dumps(published.board))
    for collection in data["collections"]:
        collection["blocks"] = [block for block in collection["blocks"] if block["task"] != "search"]
    with pytest.raises(BenchError, match="no figures of the task search"):
        export_mteb(Published(published.folder, data, published.manifests), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_run_files_get_a_header_that_yaml_reads(published: Published, tmp_path: Path) -> None:
    assert export_ir_metadata(published, tmp_path) == 24
    for path in tmp_path.iterdir():
        lines = path.read_text().splitlines()
        assert lines[0] == "# ir_metadata.start"
        end = lines.index("# ir_metadata.end")
        header = yaml.safe_load("\n".join(line.strip("#") for line in lines[1:end]))
        assert set(header) == {"tag", "platform", "implementation", "method", "actor", "data", "research goal"}
        assert header["method"]["retrieval"][0]["parameters"]["seed"] in (0, 1)
        original = gzip.decompress((published.folder / "runs" / f"{path.name}.gz").read_bytes()).decode().splitlines()
        assert lines[end + 1 :] == original
