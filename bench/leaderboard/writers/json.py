"""leaderboard.json and the manifests."""

import json
from typing import Any


def as_json(data: Any) -> str:
    """Indented JSON with a final line end. Raises ValueError for what is not a number."""
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
