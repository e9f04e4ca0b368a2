"""Holds a published leaderboard against its proof: every figure is computed again from run files and judgements."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench.collections.catalogue import Dataset
from bench.digests import digest_file
from bench.errors import BenchError
from bench.leaderboard.assemble import make_board
from bench.leaderboard.board import Board, made_with
from bench.leaderboard.cells import CellRecord, TaskRecord, published_id
from bench.leaderboard.formats import as_json, pairs_as_csv
from bench.leaderboard.publish import views
from bench.runner.plan import open_task
from bench.suite import Suite
from bench.tasks import Judged
from bench.trec import read_run

Verdict = Literal["OK", "near", "FAIL"]

EXACT = 1e-9
"""Numbers that differ by no more are the same, computed in another order."""

NEAR = 1e-6
"""Means that differ by no more were rounded otherwise by other versions of the libraries."""

NEAR_WITH_JUDGE = 0.005
"""The same where a model judges, whose scores differ a little from processor to processor."""

_PAIR_NUMBERS = ("difference", "low", "high", "effect", "p", "corrected")
_OF_TIES = ("tied_at_10", "worst ties", "best ties")
"""Counts that need scores in full; a run file orders ties and does not keep them."""


@dataclass(frozen=True)
class Check:
    """One thing that was checked."""

    what: str
    verdict: Verdict
    detail: str = ""


@dataclass(frozen=True)
class Published:
    """What lies in the folder."""

    folder: Path
    board: Mapping[str, Any]
    manifests: Mapping[str, Any]

    def collections(self) -> list[str]:
        return [collection["name"] for collection in self.board["collections"]]


def read_published(folder: Path) -> Published:
    """A folder that `publish` wrote. Raises BenchError for one that is not."""
    manifests = {path.stem: _read(path) for path in sorted((folder / "manifests").glob("*.json"))}
    return Published(folder, _read(folder / "leaderboard.json"), manifests)


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise BenchError(f"{path} cannot be read: {error}; give a folder that `bench publish` wrote") from None


def verify(published: Published, datasets: Mapping[str, Dataset | BenchError]) -> Iterator[Check]:
    """Check everything.

    `datasets` are the opened collections by the name that the leaderboard gives them, or why one cannot be opened.
    """
    yield from _check_files(published)
    cells: dict[str, list[CellRecord]] = {}
    for name in published.collections():
        dataset = datasets[name]
        if isinstance(dataset, BenchError):
            yield Check(f"{name}: fingerprint", "FAIL", f"{dataset}; name it with --dataset '{name}=SOURCE:FOLDER'")
            continue
        found, checks = _recomputed(published, name, dataset)
        yield from checks
        if found:
            cells[name] = found
    try:
        board = make_board(_suite(published.board), cells)
    except (BenchError, KeyError) as error:
        yield Check("the table", "FAIL", f"no table can be made of these cells: {error}")
        return
    yield from _compare_boards(published, board)
    yield from _compare_views(published)


def _suite(board: Mapping[str, Any]) -> Suite:
    asked = {name: board[name] for name in ("title", "systems", "tasks", "seeds")}
    return Suite(name=board["suite"], datasets=[one["name"] for one in board["collections"]], **asked)


def _check_files(published: Published) -> Iterator[Check]:
    """Run files are those that the manifests name, and none lies there that no manifest names."""
    named = {task["run"]: task["sha256"] for manifest in published.manifests.values() for task in manifest["tasks"]}
    present = {path.name for path in (published.folder / "runs").glob("*")}
    for name in sorted(present - set(named)):
        yield Check(f"runs/{name}", "FAIL", "no manifest names this run file")
    for name, digest in sorted(named.items()):
        path = published.folder / "runs" / name
        if name not in present:
            yield Check(f"runs/{name}", "FAIL", "the run file is missing")
        elif digest_file(path) != digest:
            yield Check(f"runs/{name}", "FAIL", "the run file is not the one that its manifest names")
        else:
            yield Check(f"runs/{name}", "OK")


def _recomputed(published: Published, name: str, dataset: Dataset) -> tuple[list[CellRecord], list[Check]]:
    """The cells of one collection with their figures computed anew; none if that is not possible."""
    board = next(one for one in published.board["collections"] if one["name"] == name)
    fingerprint = dataset.collection.fingerprint
    if board["fingerprint"] != fingerprint:
        detail = f"published {board['fingerprint'][:12]}, here {fingerprint[:12]}: other content or rules"
        return [], [Check(f"{name}: fingerprint", "FAIL", detail)]
    checks = [Check(f"{name}: fingerprint", "OK")]
    cells = []
    for identifier, manifest in published.manifests.items():
        if manifest["cell"]["collection"] != name:
            continue
        if manifest["cell"]["fingerprint"] != fingerprint:
            detail = f"a row of another fingerprint, {manifest['cell']['fingerprint'][:12]}, is mixed in"
            checks.append(Check(f"{name}: {identifier}", "FAIL", detail))
        try:
            cells.append(_cell(published.folder, manifest, dataset))
        except BenchError as error:
            checks.append(Check(f"{name}: {identifier}", "FAIL", str(error)))
            return [], checks
        if published_id(cells[-1]) != identifier:
            checks.append(Check(f"{name}: {identifier}", "FAIL", "the manifest has another cell's name"))
    return cells, checks


def _cell(folder: Path, manifest: Mapping[str, Any], dataset: Dataset) -> CellRecord:
    return CellRecord(
        identity=manifest["cell"],
        manifest={name: value for name, value in manifest.items() if name not in ("cell", "problem", "tasks")},
        tasks=[_task(folder, given, dataset) for given in manifest["tasks"]],
        problem=manifest.get("problem", ""),
        folder=folder,
    )


def _task(folder: Path, given: Mapping[str, Any], dataset: Dataset) -> TaskRecord:
    """One task's answers, judged anew."""
    collection = dataset.collection
    task = open_task(given["task"], given["options"])
    questions = task.questions(collection)
    path = folder / "runs" / given["run"]
    answers = read_run(path, questions, collection.documents)
    rankings = task.final(answers, collection, questions)
    judged = task.judge(collection, rankings)
    stem = given["run"].removesuffix(".trec.gz")
    return TaskRecord(
        task=given["task"],
        options=given["options"],
        definition=task.definition(collection),
        queries=len(questions),
        figures={figure.measure: figure for figure in judged.figures},
        counts=_counts(judged, given["counts"]),
        cost=given["cost"],
        machine=given["machine"],
        query_ids=judged.query_ids,
        per_query={name: np.asarray(values, dtype=np.float64) for name, values in judged.per_query.items()},
        folder=".".join(stem.rsplit(".", 2)[-2:]),
        run_file=path,
    )


def _counts(judged: Judged, given: Mapping[str, Any]) -> dict[str, Any]:
    """Counts computed anew, in the order given; those of ties stay as the cell reported them."""
    return {
        name: value if name.endswith(_OF_TIES) else judged.counts.get(name, value) for name, value in given.items()
    }


def _compare_boards(published: Published, board: Board) -> Iterator[Check]:
    """Every figure, rank, group, pair and cost of the published files against what the proof gives."""
    computed = board.as_data()
    skipped = ("collections", "made_with")
    yield from _differences(board.suite, _without(published.board, *skipped), _without(computed, *skipped))
    recomputed = {one["name"]: one for one in computed["collections"]}
    for one in published.board["collections"]:
        other = recomputed.get(one["name"])
        if other is None:
            continue
        for name in ("fingerprint", "rules", "hardware"):
            yield _check(f"{one['name']}: {name}", one[name], other[name])
        yield _check(f"{one['name']}: tasks", _tasks(one), _tasks(other))
        for block, again in zip(one["blocks"], other["blocks"], strict=False):
            yield from _compare_blocks(f"{one['name']}, {block['task']}", block, again)
    yield from _compare_pairs(published, board)


def _tasks(collection: Mapping[str, Any]) -> list[str]:
    return [block["task"] for block in collection["blocks"]]


def _without(data: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name not in names}


def _compare_pairs(published: Published, board: Board) -> Iterator[Check]:
    present = {collection.name for collection in board.collections}
    path = published.folder / "pairs.csv"
    given, computed = (
        [line for line in csv.DictReader(io.StringIO(text)) if line["collection"] in present]
        for text in (path.read_text(encoding="utf-8") if path.is_file() else "", pairs_as_csv(board))
    )
    if len(given) != len(computed):
        yield Check("pairs.csv", "FAIL", f"{len(given)} pairs are published, the cells give {len(computed)}")
    for line, other in zip(given, computed, strict=False):
        where = f"pairs.csv: {line['collection']}, {line['task']}, {line['first']} against {line['second']}"
        yield _check(where, _numbers(line), _numbers(other))


def _numbers(line: Mapping[str, str]) -> dict[str, Any]:
    """A pair's line with its numbers as such; an effect that is not known stays empty."""
    return {name: float(text) if name in _PAIR_NUMBERS and text else text for name, text in line.items()}


def _compare_blocks(where: str, block: Mapping[str, Any], computed: Mapping[str, Any]) -> Iterator[Check]:
    near = NEAR_WITH_JUDGE if block["judge"] else NEAR
    yield from _differences(where, _without(block, "rows"), _without(computed, "rows"), near)
    rows = {row["system"]: row for row in computed["rows"]}
    if [row["system"] for row in block["rows"]] != [row["system"] for row in computed["rows"]]:
        yield Check(where, "FAIL", "the rows or their order are not those that the cells give")
    for row in block["rows"]:
        if row["system"] in rows:
            yield from _compare_rows(f"{where}, {row['system']}", row, rows[row["system"]], near)


def _compare_rows(where: str, row: Mapping[str, Any], computed: Mapping[str, Any], near: float) -> Iterator[Check]:
    """One check for each figure, and one for each other part of the row that differs."""
    for measure in dict.fromkeys([*row["figures"], *computed["figures"]]):
        yield _check(f"{where}: {measure}", row["figures"].get(measure), computed["figures"].get(measure), near)
    skipped = ("figures", "cost")
    yield from _differences(where, _without(row, *skipped), _without(computed, *skipped), near)
    yield _check(f"{where}: cost", row["cost"], computed["cost"])


def _differences(
    where: str, published: Mapping[str, Any], computed: Mapping[str, Any], near: float = EXACT
) -> Iterator[Check]:
    """A check for each part that differs."""
    for name in dict.fromkeys([*published, *computed]):
        check = _check(f"{where}: {name}", published.get(name), computed.get(name), near)
        if check.verdict != "OK":
            yield check


def _check(what: str, published: Any, computed: Any, near: float = EXACT) -> Check:
    again = json.loads(as_json(computed))
    largest = _distance(published, again)
    if largest <= EXACT:
        return Check(what, "OK")
    detail = f"published {_short(published)}, computed {_short(again)}"
    return Check(what, "near" if largest <= near else "FAIL", detail)


def _distance(one: Any, other: Any) -> float:
    """The largest difference of two fractions in the same place; infinite where anything else differs."""
    if isinstance(one, Mapping) and isinstance(other, Mapping) and set(one) == set(other):
        return max((_distance(one[name], other[name]) for name in one), default=0.0)
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return max((_distance(a, b) for a, b in zip(one, other, strict=True)), default=0.0)
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) / max(1.0, abs(one))
    return 0.0 if one == other and type(one) is type(other) else float("inf")


def _short(data: Any) -> str:
    if isinstance(data, Mapping) and "value" in data:
        return f"{data['value']:.6f} ({data['low']:.6f} to {data['high']:.6f}, n = {data['n']})"
    text = f"{data:.6f}" if isinstance(data, float) else json.dumps(data, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _compare_views(published: Published) -> Iterator[Check]:
    """The tables and the page say what leaderboard.json says."""
    try:
        board = Board.from_data(published.board)
    except ValueError as error:
        yield Check("leaderboard.json", "FAIL", f"not a leaderboard of this version: {error}")
        return
    for name, text in views(board, published.manifests).items():
        if name in ("leaderboard.json", "pairs.csv"):
            continue
        path = published.folder / name
        given = path.read_text(encoding="utf-8") if path.is_file() else ""
        if given == text:
            yield Check(name, "OK")
        elif name in ("index.html", "overview.svg") and board.made_with != made_with():
            yield Check(name, "near", f"drawn with {board.made_with}, here with {made_with()}")
        else:
            yield Check(name, "FAIL", _first_difference(given.splitlines(), text.splitlines()))


def _first_difference(given: Sequence[str], expected: Sequence[str]) -> str:
    pairs = enumerate(zip_longest(given, expected, fillvalue="(the end)"), start=1)
    number, line = next(((number, one) for number, (one, other) in pairs if one != other), (0, "the line ends"))
    return f"line {number} is not what leaderboard.json gives: {line[:120]}"


def worst(checks: Sequence[Check]) -> Verdict:
    """The gravest verdict of all."""
    verdicts = {check.verdict for check in checks}
    return "FAIL" if "FAIL" in verdicts else "near" if "near" in verdicts else "OK"
