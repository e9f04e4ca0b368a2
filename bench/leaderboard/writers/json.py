"""leaderboard.json and the manifests."""

import json
from typing import Any

from bench.visible import STEERING


def as_json(data: Any) -> str:
    """Indented JSON with a final line end. Raises ValueError for what is not a number.

    What a terminal would obey is written as the escape that JSON has for it.
    """
    text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return STEERING.sub(lambda char: char[0] if char[0] == "\n" else f"\\u{ord(char[0]):04x}", text)
