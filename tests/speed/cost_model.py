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


def gpu_hours(
    documents: int, tokens: float, gpus: int, teraflops: float, flop_per_token: float = MINILM_FLOP
) -> float:
    """Hours in which so many GPUs encode the documents, if each computes so many useful 10^12 operations a second."""
    return documents * tokens * flop_per_token / (gpus * teraflops * 1e12) / 3600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+", type=Path, help="what million_documents.py printed")
    parser.add_argument("--documents", type=int, default=MS_MARCO)
    parser.add_argument("--words", type=float, default=56.0, help="of a document, for what grows with its length")
    parser.add_argument("--tokens", type=float, default=75.0, help="of a document, for its encoding")
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--teraflops", type=float, default=20.0, help="assumed of a GPU, in use")
    given = parser.parse_args()
    longer = given.words / MEASURED_WORDS
    print("measured: fixed + each * documents")
    for (system, step), lines in fitted(read_rows(given.tables)).items():
        time, peak, disk = lines["processor"], lines["peak_mb"], lines["disk_mb"]
        print(
            f"{system:13} {step:7} {time.fixed:6.1f} s + {time.each * 1e6:8.2f} us   {peak.fixed:6.0f} MB + "
            f"{peak.each * 1e6:7.1f} B   disk {disk.each * 1e6:7.1f} B"
        )
    print(f"\nextrapolated to {given.documents:,} documents, each {longer:.1f} times as long where length counts")
    for (system, step), lines in fitted(read_rows(given.tables)).items():
        times = 1.0 if system == "sbert" and step == "search" else longer
        hours, peak = (
            lines["processor"].at(given.documents, times) / 3600,
            lines["peak_mb"].at(given.documents, times),
        )
        disk = lines["disk_mb"].at(given.documents, 1.0 if system == "sbert" else times)
        print(
            f"{system:13} {step:7} {hours:5.2f} processor hours  peak {peak / 1e3:6.1f} GB  disk {disk / 1e3:5.1f} GB"
        )
    encoding = gpu_hours(given.documents, given.tokens, given.gpus, given.teraflops)
    print(f"\nassumed, not measured: {given.gpus} GPUs at {given.teraflops:g} Tflop/s encode in {encoding:.2f} hours")


if __name__ == "__main__":
    main()
