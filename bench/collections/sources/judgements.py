"""Files of judgements in the forms that TREC's tracks and their users write."""

from collections.abc import Iterator
from pathlib import Path
from reprlib import repr as short

from bench.collections.writer import CollectionWriter
from bench.errors import BadLine
from bench.textfiles import is_plain, parse_grade, read_lines

_FORMS = "4 blank-separated fields: topic iteration document grade (or topic document grade, or topic document)"
_BEIR = ["query-id", "corpus-id", "score"]


def read_judgements(path: Path, writer: CollectionWriter | None = None) -> Iterator[tuple[int, str, str, int]]:
    """(line, query, document, grade) of each judgement; which columns there are is told by the first line.

    Four are TREC's qrels, three lack the iteration, two the grade too, which is 1 then, five are the prels of the
    million query track (topic, document, grade, method, probability), whose probabilities are not used. Comments,
    which begin with # and do not end in a grade, and BEIR's header are passed over. `writer` is told of what was
    taken so. Raises BadLine.
    """
    width = 0
    for line, text in read_lines(path):
        fields = text.split()
        if not fields or fields == _BEIR or _is_comment(fields):
            continue
        if not width:
            width = len(fields)
            _tell(width, writer)
        if len(fields) != width or width not in (2, 3, 4, 5) or (width == 5 and not _is_number(fields[4])):
            raise BadLine(path, line, f"{len(fields)} fields in {short(text)}", _FORMS)
        document = fields[2] if width == 4 else fields[1]
        grade = {2: "1", 4: fields[-1]}.get(width, fields[2] if width > 2 else "")
        yield line, fields[0], document, parse_grade(grade, path, line)


def _tell(width: int, writer: CollectionWriter | None) -> None:
    told = {2: "without grades, each is 1", 3: "without iteration", 5: "prels, without their probabilities"}
    if writer and width in told:
        writer.note("judgements", told[width])


def _is_comment(fields: list[str]) -> bool:
    """Whether a line that begins with # says something, and judges nothing: a topic may be called #1."""
    judges = len(fields) in (3, 4) and fields[-1].lstrip("+-").isdecimal()
    return fields[0].startswith("#") and not judges


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return is_plain(text)
