"""A published leaderboard in the forms of other tools: MTEB's result files and run files with ir_metadata."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.leaderboard.formats import as_json
from bench.leaderboard.verify import Published
from bench.store import write_text
from bench.textfiles import new_text_file, read_lines

_MTEB_NAMES = {"nDCG": "ndcg", "MRR": "mrr", "Hits": "hit_rate", "Recall": "recall", "P": "precision", "MAP": "map"}


def export_mteb(published: Published, to: Path) -> int:
    """Write `SYSTEM/REVISION/COLLECTION.json` for each row of the search task; returns how many.

    The layout is that of MTEB's results repository. The dataset's revision is the collection's fingerprint and the
    system's the key of its first cell, so figures on other content or of other options are never taken for these.
    """
    written = 0
    for collection, block, row in _rows(published):
        if block["task"] != "search" or not row["figures"]:
            continue
        revision = row["cells"][0].rpartition(".")[2]
        folder = to / _file_name(row["system"]) / revision
        write_text(folder / f"{_file_name(collection['name'])}.json", as_json(_mteb_result(collection, block, row)))
        write_text(folder / "model_meta.json", as_json({"name": row["system"], "revision": revision}))
        written += 1
    if not written:
        raise BenchError(f"{published.folder} has no figures of the task search; MTEB's form holds no others")
    return written


def _mteb_result(collection: Mapping[str, Any], block: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    scores = {_mteb_name(measure): figure["value"] for measure, figure in row["figures"].items()}
    main = {"main_score": row["figures"][block["primary"]]["value"], "hf_subset": "default"}
    return {
        "dataset_revision": collection["fingerprint"],
        "task_name": collection["name"],
        "mteb_version": None,
        "scores": {collection["rules"]["split"]: [scores | main | {"languages": []}]},
        "evaluation_time": None,
        "kg_co2_emissions": None,
    }


def _mteb_name(measure: str) -> str:
    name, _, cutoff = measure.partition("@")
    short = _MTEB_NAMES.get(name, name.lower())
    return f"{short}_at_{cutoff}" if cutoff else short


def export_ir_metadata(published: Published, to: Path) -> int:
    """Write every run file with an ir_metadata header (Breuer, Keller and Schaer 2022); returns how many.

    The files are not compressed, as repro_eval wants them. Tools that do not know the header take its lines for
    answers; give those the files in `runs`.
    """
    import yaml

    written = 0
    for manifest in published.manifests.values():
        for task in manifest["tasks"]:
            header = yaml.safe_dump(_ir_metadata(manifest, task), sort_keys=False, allow_unicode=True)
            with new_text_file(to / task["run"].removesuffix(".gz")) as file:
                file.write("# ir_metadata.start\n")
                file.writelines(f"# {line}\n" for line in header.splitlines())
                file.write("# ir_metadata.end\n")
                file.writelines(f"{line}\n" for _, line in read_lines(published.folder / "runs" / task["run"]))
            written += 1
    return written


def _ir_metadata(manifest: Mapping[str, Any], task: Mapping[str, Any]) -> dict[str, Any]:
    """The components of PRIMAD that a manifest knows."""
    cell, machine = manifest["cell"], task["machine"] or manifest.get("machine", {})
    measures = list(task["options"].get("measured", []))
    libraries = [f"{name}=={version}" for name, version in manifest.get("versions", {}).items()]
    return {
        "tag": cell["system"],
        "platform": {
            "hardware": {
                "cpu": {"model": machine.get("processor"), "number of cores": machine.get("cores")},
                "ram": f"{machine.get('memory_gb')} GiB",
            },
            "operating system": {"kernel": machine.get("system")},
            "software": {"libraries": {"python": libraries}},
        },
        "implementation": {
            "executable": {"cmd": manifest.get("command", "")},
            "source": {"lang": "python", "commit": manifest.get("revision", {}).get("commit")},
        },
        "method": {
            "automatic": True,
            "seed": cell["seed"],
            "retrieval": [{"name": cell["retriever"], "method": cell["family"], "parameters": dict(cell["options"])}],
        },
        "actor": {"team": "not stated"},
        "data": {
            "test collection": {"name": cell["collection"], "source": cell["fingerprint"], "qrels": cell["rules"]},
        },
        "research goal": {"task": task["task"], "evaluation": {"reported measures": measures}},
    }


def _rows(published: Published) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]]:
    for collection in published.board["collections"]:
        for block in collection["blocks"]:
            for row in block["rows"]:
                yield collection, block, row


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name).strip("._") or "_"
