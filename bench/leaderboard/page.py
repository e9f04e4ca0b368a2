"""index.html: one page that needs nothing beside itself, with sortable tables, pictures and every manifest."""

import base64
import gzip
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError, MissingExtra
from bench.leaderboard.board import Block, Board, CollectionBoard, Row
from bench.leaderboard.grid import Entry, absence, columns, label, notes
from bench.leaderboard.plots import block_plots, probe_plot
from bench.leaderboard.svg import COLOURS, Plot

if TYPE_CHECKING:
    from jinja2 import Template

_FOLDER = Path(__file__).parent / "page"


@dataclass(frozen=True)
class _TableRow:
    """One row of a table as the template shows it."""

    name: str
    row: Row
    entries: Sequence[Entry]
    absence: str


@dataclass(frozen=True)
class _Table:
    """One block as the template shows it."""

    block: Block
    columns: Sequence[Any]
    rows: Sequence[_TableRow]
    notes: Sequence[str]
    plots: Sequence[Plot]


@dataclass(frozen=True)
class _Section:
    """One collection as the template shows it."""

    board: CollectionBoard
    tables: Sequence[_Table]
    plots: Sequence[Plot]
    cells: Sequence[tuple[str, str, str]]
    """Name, label and problem of each cell."""

    def all_plots(self) -> list[Plot]:
        return [*(plot for table in self.tables for plot in table.plots), *self.plots]


def as_page(board: Board, manifests: Mapping[str, Any]) -> str:
    """The page of one suite. Raises MissingExtra without the libraries that it is made with."""
    colours = {entry["name"]: number for number, entry in enumerate(board.systems[:COLOURS])}
    place = {entry["name"]: number for number, entry in enumerate(board.systems)}
    ordered = sorted(manifests.items(), key=lambda named: (*_of_cell(named[1], place), named[0]))
    sections = [_section(collection, dict(ordered), colours) for collection in board.collections]
    plots = [plot for section in sections for plot in section.all_plots()]
    return template("board.html").render(
        board=board,
        sections=sections,
        numbers={plot: number for number, plot in enumerate(plots)},
        packed=_packed({"manifests": manifests, "plots": [plot.svg for plot in plots]}),
        **_assets(),
    )


def as_overview_page(lines: Sequence[Any]) -> str:
    """The page over all suites."""
    return template("overview.html").render(lines=lines, **_assets())


def _section(collection: CollectionBoard, manifests: Mapping[str, Any], colours: Mapping[str, int]) -> _Section:
    together = probe_plot(collection.blocks, f"{collection.name} probes")
    own = [
        (name, manifest) for name, manifest in manifests.items() if manifest["cell"]["collection"] == collection.name
    ]
    return _Section(
        board=collection,
        tables=[_table(block, collection, colours) for block in collection.blocks],
        plots=[together] if together else [],
        cells=[(name, _cell_label(manifest), manifest.get("problem", "")) for name, manifest in own],
    )


def _of_cell(manifest: Mapping[str, Any], place: Mapping[str, int]) -> tuple[int, int]:
    """Where a cell stands, whatever order the manifests were read in: by the suite's systems, then by seed."""
    return place.get(manifest["cell"]["system"], len(place)), manifest["cell"]["seed"]


def _cell_label(manifest: Mapping[str, Any]) -> str:
    return f"{manifest['cell']['system']}, seed {manifest['cell']['seed']}"


def _table(block: Block, collection: CollectionBoard, colours: Mapping[str, int]) -> _Table:
    shown = columns(block, collection.hardware)
    rows = [
        _TableRow(
            label(row), row, [c.entry(row) for c in shown] if row.done else [], "" if row.done else absence(row)
        )
        for row in block.rows
    ]
    salt = f"{collection.name} {block.task} {json.dumps(block.options, sort_keys=True)}"
    return _Table(block, shown, rows, notes(block, collection.hardware), block_plots(block, colours, salt))


def _packed(parts: Mapping[str, Any]) -> str:
    """What is shown only when asked for, compressed: with hundreds of manifests and pictures a page stays small."""
    data = json.dumps(parts, ensure_ascii=False, sort_keys=True).encode()
    return base64.b64encode(gzip.compress(data, 9, mtime=0)).decode()


def own_text(name: str) -> str:
    """A style or script that the page is made with."""
    return (_FOLDER / name).read_text(encoding="utf-8")


def template(name: str) -> "Template":
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError:
        raise MissingExtra("the page", "publish") from None
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def _assets() -> dict[str, str]:
    """The page's own style and script, and those of DataTables, as itables bundles them (both MIT)."""
    library = find_spec("itables")
    if library is None or library.origin is None:
        raise MissingExtra("the page", "publish")
    bundle = Path(library.origin).parent / "html"
    script = (bundle / "dt_bundle.js").read_text(encoding="utf-8")
    exported = re.search(r"([\w$]+) as default", script)
    if exported is None or "</script" in script:
        raise BenchError("this version of itables is not known; install one that constraints.txt names")
    library_style = (bundle / "dt_bundle.css").read_text(encoding="utf-8")
    return {
        "style": library_style + own_text("colours.css") + own_text("page.css"),
        "script": f"{script}\n{{ const DataTable = {exported[1]};\n{own_text('page.js')} }}",
    }
