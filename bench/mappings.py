"""Identifiers of items as files: what another tool's tokenizer made, read, and what a system here made, written.

Three forms, told by the file's name:

NAME.jsonl: a line `{"item": ID, "codes": [3, 17, 0]}` for each item
NAME.npy: whole numbers of shape [items, levels], -1 after the end of a shorter identifier; the ids of the items lie
    beside it, in NAME.ids.json, as a list in the same order
NAME.json: an object with a list `["<a_3>", "<b_17>", "<c_0>"]` for each item, LETTER's index.json (Wang et al. 2024)
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from reprlib import repr as short
from string import ascii_lowercase
from typing import Any, NamedTuple

import numpy as np

from bench.errors import BadLine, BenchError, UnknownName
from bench.store import new_file
from bench.textfiles import new_text_file, read_json, read_json_lines, text_of

Codes = tuple[int, ...]

_HIGHEST = 2**31 - 1
_TOKEN = re.compile(r"<([a-z])_([0-9]{1,10})>")


class _Form(NamedTuple):
    """How mappings lie in a file."""

    read: Callable[[Path], dict[str, Codes]]
    write: Callable[[Path, Mapping[str, Codes]], None]


def read_mapping(path: Path) -> dict[str, Codes]:
    """The codes of each item, in the order of the file.

    Raises BenchError, with the file and the item, for an item that occurs twice or has no codes, for what is no code
    (a whole number from 0), and for a form that is not known.
    """
    return _form(path).read(path)


def write_mapping(path: Path, mapping: Mapping[str, Codes]) -> None:
    """Write what `read_mapping` reads. Raises BenchError for more levels than the form has names for."""
    _form(path).write(path, mapping)


def mapping_files(path: Path) -> list[Path]:
    """The files that a mapping lies in."""
    return [path, _ids_of(path)] if path.suffix == ".npy" else [path]


def _form(path: Path) -> _Form:
    if path.suffix not in _FORMS:
        raise UnknownName("form of a mapping", path.name, _FORMS, "(by the ending of its name)")
    return _FORMS[path.suffix]


def _checked(codes: Any, where: str) -> Codes:
    """Codes as a tuple. Raises BenchError for anything that is not a list of whole numbers from 0."""
    whole = isinstance(codes, list) and all(type(code) is int and 0 <= code <= _HIGHEST for code in codes)
    if not whole or not codes:
        raise BenchError(f"{where}: the codes are {short(codes)}; give a list of whole numbers from 0, one or more")
    return tuple(codes)


def _read_lines(path: Path) -> dict[str, Codes]:
    found: dict[str, Codes] = {}
    for number, record in read_json_lines(path):
        item = text_of(record, "item", path, number)
        if item in found:
            raise BadLine(path, number, f"item {short(item)} occurs twice", "one line for each item")
        found[item] = _checked(record.get("codes"), f"{path}:{number}")
    return found


def _write_lines(path: Path, mapping: Mapping[str, Codes]) -> None:
    with new_text_file(path) as file:
        for item, codes in mapping.items():
            file.write(json.dumps({"item": item, "codes": list(codes)}, ensure_ascii=False) + "\n")


def _ids_of(path: Path) -> Path:
    return path.with_name(f"{path.stem}.ids.json")


def _read_array(path: Path) -> dict[str, Codes]:
    ids = read_json(_ids_of(path))
    try:
        codes = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BenchError(f"{path} is not a whole .npy file of numbers ({error}); write it anew") from None
    if not isinstance(codes, np.ndarray) or codes.ndim != 2 or not np.issubdtype(codes.dtype, np.integer):
        raise BenchError(f"{path}: give an array of whole numbers of shape [items, levels]")
    if not isinstance(ids, list) or not all(isinstance(item, str) for item in ids) or len(set(ids)) != len(ids):
        raise BenchError(f"{_ids_of(path)}: give a list of the items' ids, each once, as text")
    if len(ids) != len(codes):
        raise BenchError(f"{_ids_of(path)} has {len(ids)} ids, and {path.name} {len(codes)} rows; give one for each")
    return {item: _row(row.tolist(), f"{path}: item '{item}'") for item, row in zip(ids, codes, strict=True)}


def _row(codes: list[int], where: str) -> Codes:
    """A row without the -1 after its end."""
    while codes and codes[-1] == -1:
        codes = codes[:-1]
    return _checked(codes, where)


def _write_array(path: Path, mapping: Mapping[str, Codes]) -> None:
    levels = max(map(len, mapping.values()), default=0)
    codes = np.array([(*one, *[-1] * (levels - len(one))) for one in mapping.values()], dtype=np.int64)
    with new_text_file(_ids_of(path)) as file:
        file.write(json.dumps(list(mapping), ensure_ascii=False) + "\n")
    with new_file(path) as draft, draft.open("wb") as file:
        np.save(file, codes.reshape(len(mapping), levels))


def _read_index(path: Path) -> dict[str, Codes]:
    data = read_json(path)
    if not isinstance(data, dict):
        raise BenchError(f"{path}: {short(data)} is not an object; give one with a list of tokens for each item")
    return {item: _of_tokens(tokens, f"{path}: item '{item}'") for item, tokens in data.items()}


def _of_tokens(tokens: Any, where: str) -> Codes:
    given = tokens if isinstance(tokens, list) else []
    found = [_TOKEN.fullmatch(token) if isinstance(token, str) else None for token in given]
    codes = [
        int(token[2]) for token, level in zip(found, ascii_lowercase, strict=False) if token and token[1] == level
    ]
    if not codes or len(codes) != len(given):
        raise BenchError(
            f"{where}: the tokens are {short(tokens)}; give <a_N>, <b_N> and so on, a letter for each level"
        )
    return _checked(codes, where)


def _write_index(path: Path, mapping: Mapping[str, Codes]) -> None:
    levels = max(map(len, mapping.values()), default=0)
    if levels > len(ascii_lowercase):
        raise BenchError(f"{path.name}: {levels} levels, and letters for {len(ascii_lowercase)}; write a .jsonl file")
    tokens = {
        item: [f"<{level}_{code}>" for level, code in zip(ascii_lowercase, codes, strict=False)]
        for item, codes in mapping.items()
    }
    with new_text_file(path) as file:
        file.write(json.dumps(tokens, ensure_ascii=False) + "\n")


_FORMS = {
    ".jsonl": _Form(_read_lines, _write_lines),
    ".npy": _Form(_read_array, _write_array),
    ".json": _Form(_read_index, _write_index),
}
