"""The forms in which the field's tools write a run: TREC's, MS MARCO's, JSON, ranx's and MTEB's."""

import gzip
import math
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from reprlib import repr as short
from typing import Any, Literal, NamedTuple

from bench.errors import BadLine, BenchError
from bench.textfiles import parse_json, parse_number, read_lines

HEADER = ("# ir_metadata.start", "# ir_metadata.end")
"""Lines around a description of the run that may stand before its answers (Breuer, Keller and Schaer 2022)."""

_TREC = ("query", "Q0", "document", "rank", "score", "tag")
_MARCO = ("query", "document", "rank or score")
_COLBERT = ("query", "document", "rank", "score")
_JSON = "{query: {document: score}}, as ranx and BEIR write it, or MTEB's predictions"


Reading = Literal["ranks", "scores"]
"""What the third of three columns is read as."""


def untold(reading: Reading) -> None:
    """Nobody asks."""


class Answer(NamedTuple):
    """A document that a run gives for a query; `line` is 0 in a file without lines."""

    line: int
    query: str
    document: str
    score: float


def is_of_lines(path: Path) -> bool:
    """Whether a run is of lines, where blanks part fields and so none stands in an id."""
    return not path.name.removesuffix(".gz").endswith((".json", ".lz4"))


def read_answers(
    path: Path, asked: Collection[str] = (), tell: Callable[[Reading], None] = untold
) -> Iterator[Answer]:
    """All answers of a run, in the file's order; by its ending it is JSON (.json), ranx's (.lz4), or lines.

    Of MTEB's predictions the subset and split with most of the queries `asked` is read. Of three columns `tell` is
    called with what the third is read as. Raises BenchError for a file in no known form, a score that is not a finite
    number, and a third column that may be either.
    """
    if is_of_lines(path):
        return _of_lines(path, tell)
    return _of_mapping(path, _mapping(path), asked)


def _of_lines(path: Path, tell: Callable[[Reading], None]) -> Iterator[Answer]:
    """The lines below the header, if there is one; the first one tells their form."""
    ranked: list[Answer] = []
    columns: tuple[str, ...] = ()
    for number, line in _lines(path):
        fields = line.split()
        columns = columns or {3: _MARCO, 4: _COLBERT}.get(len(fields), _TREC)
        _refuse_fields(fields, columns, path, number, line)
        score = parse_number(fields[columns.index("score") if "score" in columns else 2], path, number, "score")
        answer = Answer(number, fields[0], fields[2 if columns is _TREC else 1], score)
        if columns is _MARCO:
            ranked.append(answer)
        else:
            yield answer
    if ranked:
        reading = _reading(path, ranked)
        tell(reading)
        yield from _by_rank(ranked) if reading == "ranks" else ranked


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    in_header = False
    for number, line in read_lines(path):
        text = line.strip()
        in_header = text == HEADER[0] or (in_header and text != HEADER[1])
        if text and not in_header and text != HEADER[1]:
            yield number, line


def _refuse_fields(fields: list[str], columns: tuple[str, ...], path: Path, number: int, line: str) -> None:
    """TREC's last column, the tag, may be of several words, and other columns may follow."""
    expected = f"{len(columns)} blank-separated fields: {' '.join(columns)}"
    if len(fields) < len(columns) or (len(fields) > len(columns) and columns is not _TREC):
        raise BadLine(path, number, f"{len(fields)} fields in {short(line)}", expected)
    if len(fields) > len(columns) and not fields[3].isdigit():
        expected += "; write a blank within an id as %20"
        raise BadLine(path, number, f"{len(fields)} fields in {short(line)}, and the rank is {fields[3]}", expected)


def _reading(path: Path, answers: list[Answer]) -> Reading:
    """Whether what stands in the third column is the rank or the score. Raises BadLine where it may be either.

    Ranks are different whole numbers from 1 or 0 within each query, in any order and with gaps. Scores have a
    fraction or a sign, or fall along each answer. Where no query has several answers nothing depends on it.
    """
    by_query: dict[str, list[Answer]] = {}
    for answer in answers:
        by_query.setdefault(answer.query, []).append(answer)
    if len(by_query) == len(answers) or not all(one.score >= 0 and one.score.is_integer() for one in answers):
        return "scores"
    ranked = all(map(_count_from_the_top, by_query.values()))
    falling = all(map(_fall, by_query.values()))
    if ranked != falling:
        return "ranks" if ranked else "scores"
    longest = max(by_query.values(), key=len)
    doubtful = next((column for column in by_query.values() if not _count_from_the_top(column)), longest)
    numbers = short([round(one.score) for one in doubtful])
    problem = f"the third column may hold ranks or scores (query '{doubtful[0].query}' has {numbers})"
    raise BadLine(path, doubtful[0].line, problem, f"six columns, which tell them apart: {' '.join(_TREC)}")


def _count_from_the_top(column: list[Answer]) -> bool:
    return len({one.score for one in column}) == len(column) and min(one.score for one in column) <= 1


def _fall(column: list[Answer]) -> bool:
    return all(one.score >= other.score for one, other in pairwise(column))


def _by_rank(answers: list[Answer]) -> Iterator[Answer]:
    for answer in answers:
        yield answer._replace(score=-answer.score)


def _mapping(path: Path) -> Any:
    try:
        data = path.read_bytes()
        if path.suffix == ".lz4":
            from lz4.frame import decompress

            data = decompress(data)
        return parse_json(gzip.decompress(data) if path.suffix == ".gz" else data, path)
    except OSError as error:
        raise BenchError(f"{path} cannot be read: {error.strerror or error}; check the path") from None
    except (ValueError, RuntimeError, EOFError, RecursionError, zlib.error) as error:
        raise BenchError(f"{path} is not JSON, packed as its ending says ({error}); expected {_JSON}") from None


def _of_mapping(path: Path, data: Any, asked: Collection[str]) -> Iterator[Answer]:
    for query, answer in _run_within(path, data, asked).items():
        if not isinstance(answer, Mapping):
            raise BadLine(path, 0, f"the answer to query '{query}' is {short(answer)}", _JSON)
        for document, score in answer.items():
            if not _is_finite(score):
                problem = f"the score of '{document}' for query '{query}' is {short(score)}"
                raise BadLine(path, 0, problem, "a finite number")
            yield Answer(0, query, document, float(score))


def _is_finite(score: Any) -> bool:
    """A whole number in JSON may be larger than any score can be."""
    try:
        return isinstance(score, int | float) and not isinstance(score, bool) and math.isfinite(score)
    except OverflowError:
        return False


def _run_within(path: Path, data: Any, asked: Collection[str]) -> Mapping[str, Any]:
    """The run itself; of MTEB's predictions, which hold one for each subset and split, the one that is asked."""
    if not isinstance(data, Mapping):
        raise BadLine(path, 0, f"{type(data).__name__} {short(data)}", _JSON)
    subsets = {name: part for name, part in data.items() if name != "mteb_model_meta"}
    if len(subsets) == len(data) and not _holds_runs(data):
        return data
    runs = [run for splits in subsets.values() if isinstance(splits, Mapping) for run in splits.values()]
    found = [run for run in runs if isinstance(run, Mapping)]
    if not found:
        raise BadLine(path, 0, "no run in any subset and split", _JSON)
    return max(found, key=lambda run: len(run.keys() & set(asked)))


def _holds_runs(data: Mapping[str, Any]) -> bool:
    """Whether it is {subset: {split: {query: {document: score}}}}."""
    part: Any = data
    for _ in range(3):
        part = next(iter(part.values()), None) if isinstance(part, Mapping) else None
    return isinstance(part, Mapping)
