"""Where names stand beside the points of a chart, so that none lies on another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple
from unicodedata import east_asian_width

FONT_SIZE = 11
LONGEST = 28
"""Characters of a name in a chart."""

_POINT = 5
"""Half the side of the square that a point takes, in pixels."""


class Box(NamedTuple):
    """A rectangle in pixels; y runs down, as in SVG."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: "Box") -> bool:
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom

    @property
    def is_level(self) -> bool:
        """Wider than tall."""
        return self.right - self.left > self.bottom - self.top

    def inside(self, width: float, height: float) -> bool:
        return self.left >= 0 and self.top >= 0 and self.right <= width and self.bottom <= height


@dataclass(frozen=True)
class Side:
    """Where a name stands, seen from its point: offsets in pixels, and which part of the name is fixed there."""

    align: Literal["left", "center", "right"]
    dx: int
    dy: int

    def box(self, x: float, y: float, width: float) -> Box:
        left = x + self.dx - {"left": 0.0, "center": width / 2, "right": width}[self.align]
        middle = y + self.dy
        return Box(left - 1, middle - FONT_SIZE * 0.6, left + width + 1, middle + FONT_SIZE * 0.6)


SIDES = (
    Side("left", 8, 0),
    Side("right", -8, 0),
    Side("center", 0, -13),
    Side("center", 0, 13),
    Side("left", 7, -10),
    Side("left", 7, 10),
    Side("right", -7, -10),
    Side("right", -7, 10),
)


class Point(NamedTuple):
    """A point, in pixels, and the text that is to stand beside it."""

    name: str
    text: str
    x: float
    y: float


def shortened(name: str) -> str:
    """The name as a chart writes it."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def text_width(text: str) -> float:
    """Pixels that a text takes at most, for a common sans-serif font."""
    return FONT_SIZE * sum(1.0 if east_asian_width(char) in "WF" or char in "mwMW%@" else 0.61 for char in text)


def place_names(points: Sequence[Point], width: float, height: float, lines: Sequence[Box]) -> dict[str, Side]:
    """The side of each point at which its name covers no point and no other name; those that come first choose first.

    None is struck through by a level line, and where it can a name keeps off upright ones too. What fits nowhere is
    not in the answer.
    """
    taken = [Box(point.x - _POINT, point.y - _POINT, point.x + _POINT, point.y + _POINT) for point in points]
    taken += [line for line in lines if line.is_level]
    placed: dict[str, Side] = {}
    for point in points:
        free = [
            (side, box)
            for side in SIDES
            if (box := side.box(point.x, point.y, text_width(point.text))).inside(width, height)
            and not any(box.overlaps(other) for other in taken)
        ]
        if free:
            side, box = next((one for one in free if not any(map(one[1].overlaps, lines))), free[0])
            placed[point.name] = side
            taken.append(box)
    return placed
