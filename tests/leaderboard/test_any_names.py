"""Whatever systems, collections and texts are called, each format shows it, and nothing obeys it."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from bad_input import search
from boards import board, changed
from hypothesis import strategies as st
from rich.console import Console

from bench.leaderboard.board import Board
from bench.leaderboard.writers.csv import as_csv, pairs_as_csv
from bench.leaderboard.writers.json import as_json
from bench.leaderboard.writers.latex import as_latex
from bench.leaderboard.writers.markdown import as_markdown
from bench.leaderboard.writers.overview import as_overview_page
from bench.leaderboard.writers.page import as_page
from bench.leaderboard.writers.pictures import as_picture
from bench.store import slug, write_text
from bench.terminal import BoardView
from bench.visible import visible

HOSTILE = (
    *("\x1b[2J\x1b[31m", "\x1b]0;title\x07", "\x9b31m", "\x7f\x00\x08", "a\r\nb\tc", "\u2028\u2029\x85", "\ufeffx"),
    *("\u202egnp.exe", "\u2066\u200f", "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</style><b>"),
    *('" onmouseover="alert(1)', "{{ 7*7 }}{% raw %}", "]]><!--", "&lt;b&gt;", "| a | b", "[x](javascript:alert(1))"),
    *(
        "`code` *b* _i_ ~~s~~ # h",
        "![](x)",
        "=1+1",
        "+1",
        "-1",
        "@x",
        "\t=1",
        " =cmd|' /C calc'!A0",
        "[bold red]x[/]",
    ),
    *(
        "../../etc/passwd",
        "/etc/passwd",
        "..\\..\\x",
        "C:\\x",
        "..",
        "con",
        "\\input{/etc/passwd}",
        "\\\\[1cm]*",
        "$x^2$",
    ),
    *("%\n& # _ { }", "}\\end{tabular}", "検" * 300, "e\u0301" * 50, "\U0001f469\u200d\U0001f52c", "'\"", " "),
)

part = st.sampled_from(HOSTILE) | st.text(st.characters(codec="utf-8"), max_size=8)
name = st.lists(part, min_size=1, max_size=3).map("".join).filter(str.strip)


def named(names: list[str]) -> Board:
    """A board in which all that others may call as they like is called so."""
    first, second, collection, text = names
    made = board([f"1{first}", f"2{second}", "plain"], [collection])
    made = changed(made, [f"2{second}"], figures={}, problem=text, best_rank=None, worst_rank=None)
    made = changed(made, hardware=text)
    (only,) = made.collections
    blocks = [replace(block, definition=text) for block in only.blocks]
    return replace(made, title=text, findings=text, collections=[replace(only, blocks=blocks, hardware=[text])])


PLAIN = named(["one", "two", "three", "four"])
boards_of_any_names = st.lists(name, min_size=4, max_size=4).map(named)
WRITERS: dict[str, Callable[[Board], str]] = {
    "csv": as_csv,
    "pairs": pairs_as_csv,
    "latex": as_latex,
    "markdown": as_markdown,
    "json": lambda made: as_json(made.as_data()),
    "page": as_page,
    "overview": lambda made: as_overview_page([made]),
    "picture": as_picture,
}
SLOW = {"page": 3, "picture": 2}


@pytest.mark.parametrize("format", WRITERS)
def test_no_terminal_obeys_a_published_file(format: str, tmp_path: Path) -> None:
    def check(made: Board) -> None:
        text = WRITERS[format](made)
        assert visible(text, keep="\n\t") == text
        write_text(tmp_path / "file", text)

    search(boards_of_any_names, check, SLOW.get(format, 30))


def test_no_terminal_obeys_a_name_on_the_screen() -> None:
    def check(made: Board) -> None:
        screen = Console(file=io.StringIO(), width=100, force_terminal=True, color_system="truecolor")
        screen.print(BoardView(made))
        shown = screen.file.getvalue()  # type: ignore[attr-defined]
        plain = re.sub(r"\x1b\[[\d;]*m", "", shown)
        assert visible(plain, keep="\n") == plain
        styles = set(re.findall(r"\x1b\[[\d;]*m", shown))
        screen.print(BoardView(PLAIN))
        assert styles <= set(re.findall(r"\x1b\[[\d;]*m", screen.file.getvalue()))  # type: ignore[attr-defined]

    search(boards_of_any_names, check, 30)


def test_a_csv_keeps_its_columns_and_begins_no_formula() -> None:
    def check(made: Board) -> None:
        lines = list(csv.reader(io.StringIO(as_csv(made))))
        assert {len(line) for line in lines} == {len(lines[0])}
        assert len(lines) == len(list(csv.reader(io.StringIO(as_csv(PLAIN)))))
        fields = (field for line in lines for field in line)
        assert not any(re.match(r"\s*[=+\-@]", field) and not _is_number(field) for field in fields)

    search(boards_of_any_names, check, 30)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def test_a_json_file_has_every_name_as_it_is() -> None:
    def check(made: Board) -> None:
        data = made.as_data()
        assert json.loads(as_json(data)) == json.loads(json.dumps(data))

    search(boards_of_any_names, check, 30)


def test_a_latex_table_keeps_its_rows_and_its_commands() -> None:
    def check(made: Board) -> None:
        text, plain = as_latex(made), as_latex(PLAIN)
        assert _commands(text) == _commands(plain)
        bare = re.sub(r"\\[{}]", "", text)
        depth = 0
        for char in bare:
            depth += {"{": 1, "}": -1}.get(char, 0)
            assert depth >= 0
        assert depth == 0

    search(boards_of_any_names, check, 30)


def _commands(text: str) -> Counter[str]:
    """Those that are obeyed: all but the ones that show a single sign."""
    found = re.findall(r"\\(?:[a-zA-Z]+|.)", text)
    return Counter(one for one in found if not re.fullmatch(r"\\[&%$#_{}]|\\text(?!bf).*", one))


def test_a_markdown_table_keeps_its_fields() -> None:
    def check(made: Board) -> None:
        lines, plain = as_markdown(made).splitlines(), as_markdown(PLAIN).splitlines()
        assert len(lines) == len(plain)
        for line, other in zip(lines, plain, strict=True):
            assert _unescaped(line, "|") == _unescaped(other, "|")
            assert _unescaped(line, "`") == _unescaped(other, "`")
            assert _unescaped(line, "[") == _unescaped(other, "[")
            assert "<" not in line

    search(boards_of_any_names, check, 30)


def _unescaped(line: str, sign: str) -> int:
    return len(re.findall(rf"(?<!\\)(?:\\\\)*{re.escape(sign)}", line))


class _Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: Counter[tuple[str, tuple[str, ...]]] = Counter()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found[tag, tuple(name for name, _ in attrs)] += 1

    handle_startendtag = handle_starttag


@pytest.mark.parametrize("format", ["page", "overview"])
def test_a_page_has_the_tags_of_one_with_plain_names(format: str) -> None:
    write = WRITERS[format]

    def check(made: Board) -> None:
        assert _outside_pictures(_Tags(write(made)).found) == plain

    def _outside_pictures(found: Counter[tuple[str, tuple[str, ...]]]) -> set[tuple[str, tuple[str, ...]]]:
        return set(found)

    plain = _outside_pictures(_Tags(write(PLAIN)).found)
    search(boards_of_any_names, check, SLOW.get(format, 30))


def test_a_picture_is_well_formed_and_draws_with_the_plain_ones_tags() -> None:
    def tags(made: Board) -> set[str]:
        return {element.tag for element in ElementTree.fromstring(as_picture(made)).iter()}

    plain = tags(PLAIN)

    def check(made: Board) -> None:
        assert tags(made) <= plain

    search(boards_of_any_names, check, 2)


def test_no_name_leaves_its_folder(tmp_path: Path) -> None:
    def check(called: str) -> None:
        made = slug(called)
        assert (tmp_path / made).parent == tmp_path
        assert Path(made).name == made
        assert len(made.encode()) <= 80
        assert visible(made) == made
        (tmp_path / made).mkdir(exist_ok=True)

    search(name, check, 300)
