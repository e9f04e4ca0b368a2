"""The README's table: search in the published suite dsi. Run as a program it is written anew."""

import re
from collections.abc import Iterator
from pathlib import Path

from bench.leaderboard.board import Block, CollectionBoard
from bench.leaderboard.columns import columns, label
from bench.leaderboard.published import BOARD, read_board
from bench.leaderboard.text import markdown

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
SHOWN = ("rank", "nDCG@10", "fit s", "p50 ms", "disk MB")
_TABLE = re.compile(r"^(?:\|.*\n)+", re.MULTILINE)


def with_table(readme: str) -> str:
    """The README with its first table as the published board has it."""
    collection = read_board(ROOT / "results" / "dsi" / BOARD).collections[0]
    table = "\n".join(_lines(collection, collection.blocks[0])) + "\n"
    return _TABLE.sub(lambda _: table, readme, count=1)


def _lines(collection: CollectionBoard, block: Block) -> Iterator[str]:
    shown = [column for column in columns(block, collection.hardware) if column.header in SHOWN]
    yield _line("system", *(column.header for column in shown))
    yield "|---|" + "".join("---:|" if column.numeric else "---|" for column in shown)
    for row in block.rows:
        if row.done:
            yield _line(label(row), *(column.entry(row).text for column in shown))


def _line(*fields: str) -> str:
    return "| " + " | ".join(map(markdown, fields)) + " |"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
