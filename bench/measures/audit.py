"""Relations that hold between measures whatever was retrieved: a figure that breaks one is wrong."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from bench.errors import BenchError
from bench.measures.measures import Measure

_TOLERANCE = 1e-9


def audited(measures: Sequence[Measure]) -> list[Measure]:
    """The measures and those that their audit needs beside them."""
    cutoffs = {measure.cutoff for measure in measures if measure.cutoff}
    needed = [Measure(family, k) for family in ("MRR", "Hits", "Recall") for k in sorted(cutoffs | {1})]
    return list(dict.fromkeys([*measures, *needed]))


def audit(values: Mapping[Measure, np.ndarray], query_ids: Sequence[str]) -> None:
    """Check the values of shape [queries]: MRR@1 = Hits@1, MRR@k <= Hits@k, all within [0, 1], and MRR, Hits
    and Recall rise with k. With MRR@1 <= MRR@k that gives Hits@1 <= MRR@k <= Hits@k.

    Raises BenchError with the query and the numbers of the first violation.
    """
    for measure, found in values.items():
        _require(found >= 0, f"{measure} >= 0", query_ids, {measure: found})
        _require(found <= 1 + _TOLERANCE, f"{measure} <= 1", query_ids, {measure: found})
        if not np.isfinite(found).all():
            raise BenchError(f"audit: {measure} is not a number for some query; the cell's figures are withheld")
    for family in ("MRR", "Hits", "Recall"):
        rising = sorted((m for m in values if m.family == family and m.cutoff), key=lambda m: m.cutoff or 0)
        for lower, higher in pairwise(rising):
            _compare(values, lower, higher, query_ids)
    for measure in values:
        if measure.family == "MRR" and Measure("Hits", measure.cutoff) in values:
            _compare(values, measure, Measure("Hits", measure.cutoff), query_ids)
    if Measure("MRR", 1) in values and Measure("Hits", 1) in values:
        _compare(values, Measure("Hits", 1), Measure("MRR", 1), query_ids)


def _compare(values: Mapping[Measure, np.ndarray], lower: Measure, higher: Measure, query_ids: Sequence[str]) -> None:
    pair = {lower: values[lower], higher: values[higher]}
    _require(values[lower] <= values[higher] + _TOLERANCE, f"{lower} <= {higher}", query_ids, pair)


def _require(
    holds: np.ndarray, relation: str, query_ids: Sequence[str], values: Mapping[Measure, np.ndarray]
) -> None:
    if holds.all():
        return
    worst = int(np.argmin(holds))
    numbers = ", ".join(f"{measure} = {found[worst]:.6f}" for measure, found in values.items())
    raise BenchError(
        f"audit: {relation} fails for query '{query_ids[worst]}' ({numbers}; {int((~holds).sum())} queries); "
        "the cell's figures are withheld: report this as a fault of the harness or of a measure plugin"
    )
