"""Elements of the SGML that TREC's collections are kept in, which is not as strict as XML."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.errors import BadLine
from bench.textfiles import Watch, read_lines, unwatched

_TAG = re.compile(r"<(/?)([A-Za-z][\w.-]*)((?:\s[^<>]*)?)/?>")
_ATTRIBUTE = re.compile(r"""([\w:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
_PROLOGUE = re.compile(r"\s*(?:<[?!][^<>]*>|</?[A-Za-z][\w.-]*(?:\s[^<>]*)?>|\s)*")
"""What may stand around the blocks of a file: a declaration, and one element that holds them all."""


class Element(NamedTuple):
    """An element that lies directly in a block, its name in capital letters; text between such has no name."""

    name: str
    text: str


def blocks(
    path: Path, tags: Sequence[str], watch: Watch = unwatched, encoding: str = "utf-8"
) -> Iterator[tuple[int, Mapping[str, str], str]]:
    """(line, attributes, content) of each <tag>...</tag>; its name is the attribute `tag`.

    Raises BadLine for a block in another, one that is not closed, and for text outside of them.
    """
    mark = re.compile(rf"(</?(?:{'|'.join(tags)})(?:\s[^<>]*)?>)", re.IGNORECASE)
    opened, content, attributes, wanted = 0, [""], dict[str, str](), f"<{tags[0]}> ... </{tags[0]}>"
    for number, line in read_lines(path, watch, encoding):
        for piece in mark.split(line):
            is_mark = mark.fullmatch(piece) is not None
            if is_mark and piece[1] != "/":
                if opened:
                    problem = f"{piece} within the <{attributes['tag']}> of line {opened}"
                    raise BadLine(path, number, problem, f"</{attributes['tag']}> before it")
                opened, content, attributes = number, [], _attributes(piece)
            elif not opened and (is_mark or not _PROLOGUE.fullmatch(piece)):
                raise BadLine(path, number, f"text outside <{tags[0]}>", wanted)
            elif is_mark:
                yield opened, attributes, "".join(content)
                opened = 0
            else:
                content.append(piece)
        content.append("\n")
    if opened:
        raise BadLine(path, opened, f"<{attributes['tag']}> is never closed", wanted)


def _attributes(tag: str) -> dict[str, str]:
    found = {name.lower(): "".join(values) for name, *values in _ATTRIBUTE.findall(tag)}
    return found | {"tag": tag.strip("<>").split()[0]}


def elements(content: str, paired: Collection[str] = (), path: Path | str = "", line: int = 0) -> Iterator[Element]:
    """The outermost elements of a block, with the text between them; a tag that is never closed is mark-up of text.

    Raises BadLine where one of the names in `paired` is not closed, or closed before it is opened.
    """
    place = start = 0
    while tag := _TAG.search(content, place):
        name = tag[2].upper()
        closing = re.compile(rf"</{re.escape(tag[2])}\s*>", re.IGNORECASE).search(content, tag.end())
        inner = content[tag.end() : closing.start()] if closing and not tag[1] else ""
        again = re.search(rf"<{re.escape(tag[2])}(?:\s[^<>]*)?>", inner, re.IGNORECASE)
        if name in paired and (tag[1] or not closing or again):
            problem = f"<{tag[2]}> and </{tag[2]}> of this document do not pair"
            raise BadLine(path, line, problem, f"<{tag[2]}> ... </{tag[2]}>")
        if tag[1] or not closing:
            place = tag.end()
            continue
        if content[start : tag.start()].strip():
            yield Element("", content[start : tag.start()])
        yield Element(name, inner)
        place = start = closing.end()
    if content[start:].strip():
        yield Element("", content[start:])


def without_tags(text: str) -> str:
    """The text with a blank in the place of each tag."""
    return _TAG.sub(" ", text).strip()
