"""Relations that hold between measures whatever was retrieved: a figure that breaks one is wrong."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from bench.errors import BenchError
from bench.measures.effectiveness import evaluate
from bench.measures.judged import Judgements
from bench.measures.names import Effectiveness
from bench.rankings import Rankings

_TOLERANCE = 1e-9
_RISING = ("MRR", "Hits", "Recall", "MAP", "ERR", "RBP")
_NEVER_MORE = (("MRR", "Hits"), ("P", "Hits"), ("Recall", "Hits"), ("MAP", "Recall"))
"""With one cut-off, the first is no more than the second."""

_EQUAL_AT_1 = ("MRR", "P")
"""Families that are Hits@1 at the first rank."""

Values = Mapping[Effectiveness, np.ndarray]


def audited_values(
    rankings: Rankings, judgements: Judgements, measures: Sequence[Effectiveness]
) -> dict[str, np.ndarray]:
    """Audited values of shape [queries] by the measure's name. Raises BenchError for a violation."""
    values = evaluate(rankings, judgements, audited(measures))
    audit(values, rankings.query_ids)
    return {str(measure): values[measure] for measure in measures}


def audited(measures: Sequence[Effectiveness]) -> list[Effectiveness]:
    """The measures and those that their audit needs beside them."""
    cutoffs = {measure.cutoff for measure in measures if measure.cutoff}
    needed = [Effectiveness(family, k) for family in ("MRR", "Hits", "Recall") for k in sorted(cutoffs | {1})]
    return list(dict.fromkeys([*measures, *needed]))


def audit(values: Values, query_ids: Sequence[str]) -> None:
    """Check the values of shape [queries]: MRR@1 = P@1 = Hits@1, MRR@k <= Hits@k, MAP@k <= Recall@k <= Hits@k,
    all within [0, 1], and MRR, Hits, Recall, MAP, ERR and RBP rise with k. With MRR@1 <= MRR@k that gives
    Hits@1 <= MRR@k <= Hits@k.

    Judged@k alone may have no value (NaN), where nothing was found. Raises BenchError with the query and the numbers
    of the first violation.
    """
    for measure, found in values.items():
        absent = np.isnan(found) if measure.family == "Judged" else np.zeros(len(found), dtype=bool)
        _require(absent | (found >= 0), f"{measure} >= 0", query_ids, {measure: found})
        _require(absent | (found <= 1 + _TOLERANCE), f"{measure} <= 1", query_ids, {measure: found})
    for family in _RISING:
        rising = sorted((m for m in values if m.family == family and m.cutoff), key=lambda m: m.cutoff or 0)
        for lower, higher in pairwise(rising):
            if lower.persistence == higher.persistence:
                _compare(values, lower, higher, query_ids)
    for lesser, greater in _NEVER_MORE:
        for measure in values:
            if measure.family == lesser:
                _compare(values, measure, Effectiveness(greater, measure.cutoff), query_ids)
    for family in _EQUAL_AT_1:
        _compare(values, Effectiveness("Hits", 1), Effectiveness(family, 1), query_ids)


def _compare(values: Values, lower: Effectiveness, higher: Effectiveness, query_ids: Sequence[str]) -> None:
    """That the first is no more than the second, where both are known."""
    if lower in values and higher in values:
        pair = {lower: values[lower], higher: values[higher]}
        _require(values[lower] <= values[higher] + _TOLERANCE, f"{lower} <= {higher}", query_ids, pair)


def _require(holds: np.ndarray, relation: str, query_ids: Sequence[str], values: Values) -> None:
    if holds.all():
        return
    worst = int(np.argmin(holds))
    numbers = ", ".join(f"{measure} = {found[worst]:.6f}" for measure, found in values.items())
    raise BenchError(
        f"audit: {relation} fails for query '{query_ids[worst]}' ({numbers}; {int((~holds).sum())} queries); "
        "the cell's figures are withheld: report this as a fault of the harness or of a task plugin"
    )
