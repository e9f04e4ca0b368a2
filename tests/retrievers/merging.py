"""Options in groups, with some of them changed."""

from collections.abc import Mapping
from typing import Any


def merged(options: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The options with the changes; a group keeps what is not changed in it."""
    result = dict(options)
    for name, value in changes.items():
        old = result.get(name)
        result[name] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result
