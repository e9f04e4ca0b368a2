"""The code blocks of README.md and docs/, with what the comment above a block says of running it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in PAGES}

Mark = Literal["", "slow", "planned", "not run"]
"""Empty: the block is run by every `pytest`; the others as docs/contributing.md says."""

_BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>slow|planned|not run)(?:: (?P<why>.+?))? -->\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A fenced block; `why` says what keeps it from being run."""

    page: str
    language: str
    text: str
    mark: Mark
    why: str

    def __str__(self) -> str:
        return f"{self.page}: {self.text.strip().splitlines()[0]}"


def blocks(page: str, *languages: str) -> Iterator[Block]:
    """A page's blocks of these languages, in order."""
    for found in _BLOCK.finditer(TEXTS[page]):
        if found["language"] in languages:
            yield Block(page, found["language"], found["text"], found["mark"] or "", found["why"] or "")


def command_lines(block: Block) -> list[str]:
    """The lines of a shell block without its comments."""
    return [line for line in block.text.splitlines() if line.strip() and not line.startswith("#")]
