"""Draws one picture by matplotlib and makes its SVG fit for a page: named colours, notes on marks, little text."""

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from bench.leaderboard.board import BANDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = 10
"""How many systems have a colour of their own; further ones share a muted one."""

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
INK, MUTED, _GRID = "#fe0001", "#fe0002", "#fe0003"
SYSTEMS = [f"#fd00{number:02x}" for number in range(COLOURS)]
BAND_COLOURS = [f"#fc00{number:02x}" for number in range(len(BANDS))]
_NAMES = {INK: "--ink", MUTED: "--muted", _GRID: "--line"}
_NAMES |= {colour: f"--system{number}" for number, colour in enumerate(SYSTEMS)}
_NAMES |= {colour: f"--band{number}" for number, colour in enumerate(BAND_COLOURS)}
_WIDTH = 5.4
POINTS = 72
"""Points an inch, the unit inside a picture."""

_PAGE_DECIDES = re.compile(
    r"font-family: [^;]*; ?|font-size: 9px; ?|(?<=text-anchor: end); fill: #fe0001|stroke-linejoin: \w+; ?"
)
_LONE = re.compile(r"<g>((?:<use [^>]*/>|<path [^>]*/>|<defs><path [^>]*/></defs>|<text[^>]*>[^<]*</text>)*)</g>")
_STYLE = {
    "svg.fonttype": "none",
    "font.size": 9,
    "text.parse_math": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


@dataclass(frozen=True)
class Plot:
    """A drawn picture with what it shows in words."""

    title: str
    svg: str
    width: float
    height: float
    foot: str = ""
    """What else has to be known of it, in a line."""


@dataclass
class Canvas:
    """Axes to draw on, and what each named mark says when it is pointed at."""

    axes: "Axes"
    notes: dict[str, str] = field(default_factory=dict)

    def name(self, note: str) -> str:
        """An id for a mark, by which its note finds it."""
        identifier = f"mark{len(self.notes)}"
        self.notes[identifier] = note
        return identifier


def drawn(
    title: str, height: float, salt: str, draw: Callable[[Canvas], None], width: float = _WIDTH, head: float = 0.4
) -> Plot:
    """Draw, in inches, and make the SVG fit for a page; `head` is left free above. Equal content gives equal text."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    style: dict[Any, Any] = {**_STYLE, "svg.hashsalt": salt}
    with rc_context(style):
        figure = Figure(figsize=(width, height), dpi=POINTS)
        figure.subplots_adjust(left=0.6 / width, right=0.97, bottom=0.5 / height, top=1 - head / height)
        canvas = Canvas(figure.add_subplot())
        draw(canvas)
        named = max((len(text.get_text()) for text in canvas.axes.get_yticklabels()), default=0)
        figure.subplots_adjust(left=max(0.6, 0.15 + 0.07 * named) / width)
        return Plot(title, _for_page(_saved(figure), title, canvas.notes), width, round(height, 2))


def _saved(figure: "Figure") -> str:
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return file.getvalue()


def _for_page(text: str, title: str, notes: Mapping[str, str]) -> str:
    """Give the marks their notes and the colours their names, and leave out what a page does not need."""
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    root = ElementTree.fromstring(text)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.removeprefix(f"{{{_SVG}}}") in ("metadata", "style", "clipPath"):
                parent.remove(child)  # a style inside a page would hold for the whole page; nothing needs clipping
    used = set(re.findall(r"(?:url\(#|href=\"#)([^\")]+)", text))
    for element in root.iter():
        note = notes.get(element.get("id", ""))
        if note:
            element.insert(0, _element("title", note))
            element.set("class", "mark")
        if element.get("id") not in used:
            element.attrib.pop("id", None)
        _shorten(element)
    for name in ("width", "height"):
        root.attrib.pop(name, None)
    root.attrib |= {"role": "img", "aria-label": title}
    svg = ElementTree.tostring(root, encoding="unicode")
    svg = re.sub("|".join(_NAMES), lambda match: f"var({_NAMES[match[0]]})", svg)
    svg = re.sub(r">\s+<", "><", svg).replace("\n", " ")
    while (flatter := _LONE.sub(r"\1", svg)) != svg:
        svg = flatter
    return svg


def _shorten(element: ElementTree.Element) -> None:
    """A tenth of a point is exact enough for a place, and the page chooses the typeface."""
    element.attrib.pop("clip-path", None)
    for name in ("d", "x", "y", "transform"):
        if name in element.attrib:
            element.set(name, re.sub(r"(\d+\.\d)\d+", r"\1", element.attrib[name]))
    if element.get("transform", "").startswith("rotate(-0 "):
        del element.attrib["transform"]
    if "style" in element.attrib:
        element.set("style", re.sub(_PAGE_DECIDES, "", element.attrib["style"]).rstrip("; "))


def _element(name: str, text: str) -> ElementTree.Element:
    element = ElementTree.Element(f"{{{_SVG}}}{name}")
    element.text = text
    return element
