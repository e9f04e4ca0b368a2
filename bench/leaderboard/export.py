"""A published leaderboard in the forms of other tools: MTEB's result files, and TREC runs, bare or described."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.cells.record import Identity
from bench.collections.cards import cards
from bench.digests import digest_data
from bench.errors import BenchError
from bench.leaderboard.answers import answers_by_query
from bench.leaderboard.board import Block, CollectionBoard, Row
from bench.leaderboard.ir_metadata import header
from bench.leaderboard.published import Published, PublishedCell, PublishedTask
from bench.leaderboard.reported import MTEB_NAMES
from bench.leaderboard.writers.json import as_json
from bench.seals import differs
from bench.store import write_text
from bench.trec import write_answers

_LANGUAGES = {
    "arabic": "ara-Arab", "armenian": "hye-Armn", "basque": "eus-Latn", "burmese": "mya-Mymr", "catalan": "cat-Latn",
    "chinese": "zho-Hans", "czech": "ces-Latn", "danish": "dan-Latn", "dutch": "nld-Latn", "english": "eng-Latn",
    "estonian": "est-Latn", "finnish": "fin-Latn", "french": "fra-Latn", "german": "deu-Latn", "greek": "ell-Grek",
    "hindi": "hin-Deva", "hungarian": "hun-Latn", "indonesian": "ind-Latn", "irish": "gle-Latn",
    "italian": "ita-Latn", "japanese": "jpn-Jpan", "khmer": "khm-Khmr", "korean": "kor-Hang", "lao": "lao-Laoo",
    "lithuanian": "lit-Latn", "nepali": "npi-Deva", "norwegian": "nob-Latn", "persian": "fas-Arab",
    "polish": "pol-Latn", "portuguese": "por-Latn", "romanian": "ron-Latn", "russian": "rus-Cyrl",
    "serbian": "srp-Cyrl", "spanish": "spa-Latn", "swedish": "swe-Latn", "tamil": "tam-Taml", "thai": "tha-Thai",
    "turkish": "tur-Latn", "yiddish": "yid-Hebr",
}  # fmt: skip
"""ISO 639-3 language and ISO 15924 script, as MTEB names a collection's language."""

_UNDETERMINED = "und"


def export_mteb(published: Published, to: Path) -> int:
    """Write `SYSTEM/REVISION/TASK.json` for each row of the task search; returns how many.

    The layout is that of MTEB's results repository: `mteb.ResultCache(FOLDER).load_results()` reads what lies in
    FOLDER/results. A task is called as MTEB calls it where the collection's card says so. The dataset's revision is
    the collection's fingerprint. The system's is a digest of its options, weights and code, the same on every
    collection, so that figures of another system are never taken for these. Raises BenchError where no row has
    figures of the task.
    """
    written = 0
    for collection, block, row in _rows(published):
        if block.task != "search" or not row.done:
            continue
        revision = _revision(_cell(published, row).cell)
        folder = to / _file_name(row.system) / revision
        write_text(folder / f"{_file_name(_task(collection))}.json", as_json(_mteb_result(collection, block, row)))
        write_text(folder / "model_meta.json", as_json({"name": row.system, "revision": revision}))
        written += 1
    if not written:
        raise BenchError(f"{published.folder} has no figures of the task search; MTEB's form holds no others")
    return written


def _cell(published: Published, row: Row) -> PublishedCell:
    """The first of a row's cells. Raises BenchError where it has no manifest."""
    found = next((published.cells[name] for name in row.cells[:1] if name in published.cells), None)
    if found is None:
        raise BenchError(f"{published.folder} lacks the manifest of {row.system}; get the published folder again")
    return found


def _revision(identity: Identity) -> str:
    """What a system is, wherever it runs: its key without the collection and the harness."""
    names = ("retriever", "options", "code", "weights", "components")
    parts = {name: identity.key_parts[name] for name in names if name in identity.key_parts}
    known = {"system": identity.system, "options": identity.options, "weights": identity.weights}
    return digest_data(parts or known)[:10]


def _mteb_result(collection: CollectionBoard, block: Block, row: Row) -> dict[str, Any]:
    scores: dict[str, Any] = {_mteb_name(measure): figure.value for measure, figure in row.figures.items()}
    language = _LANGUAGES.get(str(collection.rules.get("language")), _UNDETERMINED)
    main = {"main_score": row.figures[block.primary.name].value, "hf_subset": "default", "languages": [language]}
    return {
        "dataset_revision": collection.fingerprint,
        "task_name": _task(collection),
        "mteb_version": None,
        "scores": {str(collection.rules.get("split", "test")): [scores | main]},
        "evaluation_time": None,
        "kg_co2_emissions": None,
    }


def _task(collection: CollectionBoard) -> str:
    """MTEB's name of the collection, or its own."""
    card = cards().get(collection.name)
    return card.mteb if card and card.mteb else collection.name


def _mteb_name(measure: str) -> str:
    name, _, cutoff = measure.partition("@")
    short = MTEB_NAMES.get(name, name.lower())
    return f"{short}_at_{cutoff}" if cutoff else short


def _rows(published: Published) -> Iterator[tuple[CollectionBoard, Block, Row]]:
    for collection in published.board.collections:
        for block in collection.blocks:
            for row in block.rows:
                yield collection, block, row


def export_trec(published: Published, to: Path) -> int:
    """Write all answers as TREC run files, compressed; returns how many."""
    for cell, task in _tasks(published):
        _write_run(published, cell, task, to / f"{Path(task.answers).stem}.trec.gz")
    return sum(1 for _ in _tasks(published))


def export_ir_metadata(published: Published, to: Path) -> int:
    """Write all answers as run files with a header of ir_metadata 0.2; returns how many.

    The files are not compressed, as repro_eval wants them. Tools that do not know the header take its lines for
    answers; give those what `export_trec` writes.
    """
    import yaml

    for cell, task in _tasks(published):
        described = header(cell, task, _reported(published, cell, task))
        text = yaml.safe_dump(described, sort_keys=False, allow_unicode=True)
        _write_run(published, cell, task, to / f"{Path(task.answers).stem}.trec", text)
    return sum(1 for _ in _tasks(published))


FORMS = {"mteb": export_mteb, "trec": export_trec, "ir-metadata": export_ir_metadata}
"""What a published leaderboard can be exported to; each takes it and a folder, and returns how many it wrote."""


def _tasks(published: Published) -> Iterator[tuple[PublishedCell, PublishedTask]]:
    for cell in published.cells.values():
        for task in cell.tasks:
            yield cell, task


def _reported(published: Published, cell: PublishedCell, task: PublishedTask) -> list[str]:
    """The measures that the board's table of the task shows."""
    for collection, block, _ in _rows(published):
        if collection.name == cell.cell.collection and (block.task, dict(block.options)) == (task.task, task.options):
            return list(block.columns)
    return []


def _write_run(published: Published, cell: PublishedCell, task: PublishedTask, path: Path, head: str = "") -> None:
    """Ids are quoted where one of the answers needs it. Raises BenchError for others than the published ones."""
    file = published.runs(task.answers)
    if differs(file, task.sha256):
        raise BenchError(f"{file} is not the file that its manifest names; get the published folder again")
    answers = list(answers_by_query(file))
    quoted = any(re.search(r"\s", name) for _, names, _ in answers for name in names)
    write_answers(path, answers, cell.cell.system, quoted, head)


def _file_name(name: str) -> str:
    """A name that is no path, and that any file system takes."""
    plain = re.sub(r"[^\w.-]+", "_", name).encode()[:150].decode(errors="ignore")
    return plain.strip("._") or "_"
