"""What a collection of millions of passages should cost, from what smaller ones were measured to cost.

    python tests/speed/million_documents.py > sizes.txt
    python tests/speed/cost_model.py sizes.txt

Prints, for each system and step, the constants of a straight line through the measured sizes: what it takes anyway
and what each document adds; then the line at `--documents`. Nothing beyond the largest size is measured.
"""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

MS_MARCO = 8_841_823
MEASURED_WORDS = 12.0
"""Of each document of `made_corpus`; those of MS MARCO have 56 on average."""

MINILM_FLOP = 2 * 10.7e6
"""For each token: two for each weight of its six layers (Kaplan et al. 2020, section 2.1), attention left out."""


class Line(NamedTuple):
    """What a step takes: `fixed`, and `each` document adds as much."""

    fixed: float
    each: float

    @classmethod
    def through(cls, sizes: Sequence[int], values: Sequence[float]) -> "Line":
        """Least squares of the relative errors, so that a small size counts as much as a large one."""
        weights = 1 / np.maximum(np.asarray(values), 1e-9)
        design = np.stack([np.ones(len(sizes)), np.asarray(sizes, dtype=float)], axis=1)
        fixed, each = np.linalg.lstsq(design * weights[:, None], np.asarray(values) * weights, rcond=None)[0]
        return cls(float(fixed), float(each))

    def at(self, documents: int, longer: float = 1.0) -> float:
        """For so many documents, each so many times as long."""
        return self.fixed + self.each * documents * longer


class Row(NamedTuple):
    """A line of the table that `million_documents` prints."""

    system: str
    documents: int
    step: str
    seconds: float
    processor: float
    peak_mb: float
    disk_mb: float


def read_rows(paths: Iterable[Path]) -> list[Row]:
    """The measurements in some files; other lines are passed over."""
    rows = []
    for line in (line for path in paths for line in path.read_text().splitlines()):
        fields = line.split()
        if len(fields) == len(Row._fields) and fields[1].replace(",", "").isdigit():
            numbers = [float(field) for field in fields[3:]]
            rows.append(Row(fields[0], int(fields[1].replace(",", "")), fields[2], *numbers))
    return rows


def fitted(rows: Sequence[Row]) -> dict[tuple[str, str], dict[str, Line]]:
    """By system and step: the lines of processor seconds, peak and disk, of those measured at two sizes or more."""
    found: dict[tuple[str, str], dict[str, Line]] = {}
    for key in dict.fromkeys((row.system, row.step) for row in rows):
        own = [row for row in rows if (row.system, row.step) == key]
        sizes = [row.documents for row in own]
        if len(set(sizes)) > 1:
            columns = ("processor", "peak_mb", "disk_mb")
            found[key] = {name: Line.through(sizes, [getattr(row, name) for row in own]) for name in columns}
    return found


def gpu_hours(documents: int, tokens: float, gpus: int, teraflops: float) -> float:
    """Hours in which MiniLM encodes the documents on GPUs that each do so many useful 10^12 operations a second."""
    return documents * tokens * MINILM_FLOP / (gpus * teraflops * 1e12) / 3600


def grows_with_length(system: str, step: str, what: str) -> bool:
    """Whether twice the words cost twice as much; a dense index has one vector of any text."""
    return system != "sbert" or (step, what) == ("fit", "processor")


def constants(system: str, step: str, lines: dict[str, Line]) -> str:
    """What was measured, in a line."""
    time, peak, disk = lines["processor"], lines["peak_mb"], lines["disk_mb"]
    return (
        f"{system:13} {step:7} {time.fixed:6.1f} s + {time.each * 1e6:8.2f} us   {peak.fixed:6.0f} MB + "
        f"{peak.each * 1e6:7.1f} B   disk {disk.each * 1e6:7.1f} B"
    )


def extrapolated(system: str, step: str, lines: dict[str, Line], documents: int, longer: float) -> str:
    """What so many documents, so many times as long, should cost, in a line."""
    hours, peak, disk = (
        line.at(documents, longer if grows_with_length(system, step, what) else 1.0) for what, line in lines.items()
    )
    sizes = f"peak {peak / 1e3:6.1f} GB   disk {disk / 1e3:6.1f} GB"
    return f"{system:13} {step:7} {hours / 3600:8.2f} processor hours   {sizes}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+", type=Path, help="what million_documents.py printed")
    parser.add_argument("--documents", type=int, default=MS_MARCO)
    parser.add_argument("--words", type=float, default=56.0, help="of a document, for what grows with its length")
    parser.add_argument("--tokens", type=float, default=75.0, help="of a document, for its encoding")
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--teraflops", type=float, default=20.0, help="assumed of a GPU, in use")
    given = parser.parse_args()
    measured, longer = fitted(read_rows(given.tables)), given.words / MEASURED_WORDS
    print("measured: fixed + each * documents")
    print("\n".join(constants(*key, lines) for key, lines in measured.items()))
    print(f"\nextrapolated to {given.documents:,} documents, each {longer:.1f} times as long where length counts")
    print("\n".join(extrapolated(*key, lines, given.documents, longer) for key, lines in measured.items()))
    hours = gpu_hours(given.documents, given.tokens, given.gpus, given.teraflops)
    print(f"\nassumed, not measured: {given.gpus} GPUs at {given.teraflops:g} Tflop/s encode in {hours:.2f} hours")


if __name__ == "__main__":
    main()
