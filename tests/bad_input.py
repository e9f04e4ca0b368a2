"""Inputs that nobody would write, and what every reader owes whoever gives one."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.visible import visible

FEW, MANY = 40, 4000
EXTENT = [pytest.param(FEW, id="few"), pytest.param(MANY, id="many", marks=pytest.mark.slow)]

BITS = (
    *(
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\n",
        b"\r",
        b"\t",
        b" ",
        b'"',
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b"=",
        b"<",
        b">",
    ),
    *(b"\xc2\x85", b"\xe2\x80\xa8", b"\\ud800", b"\x1b[31m", b"\xff\xfe", b"\x1f\x8b\x08\x00"),
    *(b"1_0", b"nan", b"-", b"1e999", b"9" * 5000, b"\xd9\xa3", b"true", b"null", b"[" * 3000, b'{"a":' * 3000),
    *(b"<DOC>", b"</DOC>", b"<TEXT>", b"</TEXT>", b"<top>", b"<num>", b"<title>", b":token", b"../" * 99),
    *(b"extends = '../x.toml'\n", b"[systems]\n", b"[[systems]]\n", b"name = 'a'\n", b"?split=", b"a" * 400),
)


def mutations(sample: bytes) -> st.SearchStrategy[bytes]:
    """The sample with pieces cut, doubled or put in, or any bytes at all."""
    edit = st.tuples(st.integers(0, len(sample)), st.integers(0, 12), st.sampled_from(BITS) | st.binary(max_size=6))

    def edited(edits: list[tuple[int, int, bytes]]) -> bytes:
        data = sample
        for place, length, piece in edits:
            data = data[:place] + piece + data[place + length :]
        return data

    return st.lists(edit, min_size=1, max_size=4).map(edited) | st.binary(max_size=200)


def one_clear_line(read: Callable[[], object]) -> None:
    """Reading succeeds, or ends in an error that is one line and that no terminal obeys."""
    try:
        read()
    except BenchError as error:
        message = str(error)
        assert message == visible(message)
        assert 10 < len(message) < 2100


def search(strategy: st.SearchStrategy[Any], check: Callable[[Any], None], extent: int) -> None:
    bounds = settings(
        max_examples=extent,
        derandomize=True,
        database=None,
        deadline=5000,
        phases=[Phase.generate] + ([Phase.shrink] if extent > FEW else []),
        suppress_health_check=list(HealthCheck),
    )
    bounds(given(strategy)(check))()


SCALARS = st.sampled_from(
    [None, True, 0, -1, 2**80, 0.5, "", "\ud800", "../../x", "a\nb\x1b[31m", [], {}, [None], {"a": {}}]
)


def _places(data: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in inner:
        yield from _places(value, (*place, key))


def _changed(data: Any, place: tuple[Any, ...], value: Any, drop: bool) -> Any:
    if not place:
        return value
    copy = dict(data) if isinstance(data, dict) else list(data)
    if drop and len(place) == 1:
        del copy[place[0]]
    else:
        copy[place[0]] = _changed(copy[place[0]], place[1:], value, drop)
    return copy


def changes(data: Any) -> st.SearchStrategy[Any]:
    """The data with one value, at any depth, left out or in place of another."""
    return st.builds(_changed, st.just(data), st.sampled_from(list(_places(data))), SCALARS, st.booleans())
