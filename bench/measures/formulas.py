"""The formulas of the effectiveness measures, each over all queries at once.

A formula takes the judged hits within the cut-off, and gives values of shape [queries]; a query without an answer, or
without a relevant document, has 0 (and, of the share that was judged, none).
"""

from collections.abc import Callable, Mapping

import numpy as np

from bench.measures.judged import JudgedHits
from bench.measures.names import Effectiveness

_EPSILON = 1e-5
"""By which infAP smooths its share of relevant documents, as trec_eval does."""


def _share(counts: np.ndarray, totals: np.ndarray) -> np.ndarray:
    return np.divide(counts, totals, out=np.zeros(len(totals)), where=totals > 0)


def _found(hits: JudgedHits) -> np.ndarray:
    return hits.total(np.ones(len(hits.ranks)), hits.relevant)


def _hits(hits: JudgedHits) -> np.ndarray:
    return (_found(hits) > 0).astype(np.float64)


def _reciprocal_rank(hits: JudgedHits) -> np.ndarray:
    return hits.total(1 / hits.ranks, hits.relevant & (hits.so_far(hits.relevant) == 0))


def _recall(hits: JudgedHits) -> np.ndarray:
    return _share(_found(hits), hits.judgements.relevant_counts)


def _precision(hits: JudgedHits) -> np.ndarray:
    places = np.full(len(hits.lengths), hits.cutoff) if hits.cutoff else hits.lengths
    return _share(_found(hits), places)


def _r_precision(hits: JudgedHits) -> np.ndarray:
    total = hits.judgements.relevant_counts
    return _share(hits.total(np.ones(len(hits.ranks)), hits.relevant & (hits.ranks <= total[hits.owners])), total)


def _average_precision(hits: JudgedHits) -> np.ndarray:
    precision = (hits.so_far(hits.relevant) + 1) / hits.ranks
    return _share(hits.total(precision, hits.relevant), hits.judgements.relevant_counts)


def _ndcg(hits: JudgedHits) -> np.ndarray:
    judgements = hits.judgements
    gained = hits.total(judgements.gain(hits.grades) / np.log2(hits.ranks + 1))
    gains, owners = judgements.gain(judgements.qrels.grades), judgements.owners
    best = np.lexsort((-gains, owners))
    ranks = np.arange(len(best)) - judgements.qrels.offsets[owners] + 1
    ideal = gains[best] / np.log2(ranks + 1)
    within = ranks <= (hits.cutoff or len(best))
    return _share(gained, np.bincount(owners[within], ideal[within], minlength=len(hits.lengths)))


def _rank_biased_precision(hits: JudgedHits, p: float) -> np.ndarray:
    return (1 - p) * hits.total(p ** (hits.ranks - 1.0), hits.relevant)


def _expected_reciprocal_rank(hits: JudgedHits) -> np.ndarray:
    stops = hits.judgements.stop_probability(hits.grades)
    places = hits.so_far(np.ones(len(stops), dtype=bool))
    goes_on = np.ones((len(hits.lengths), places.max(initial=0) + 2))
    goes_on[hits.owners, places + 1] = 1 - stops
    reaches = np.cumprod(goes_on, axis=1)[hits.owners, places]
    return hits.total(reaches * stops / hits.ranks)


def _bpref(hits: JudgedHits) -> np.ndarray:
    relevant, irrelevant = hits.judgements.relevant_counts, hits.judgements.irrelevant_counts
    ahead = hits.so_far(~hits.relevant & (hits.grades >= 0))
    bound = np.maximum(np.minimum(relevant, irrelevant), 1)[hits.owners]
    preferred = 1 - np.minimum(ahead, relevant[hits.owners]) / bound
    return _share(hits.total(preferred, hits.relevant), relevant)


def _inferred_average_precision(hits: JudgedHits) -> np.ndarray:
    ahead = hits.ranks - 1.0
    relevant, judged = hits.so_far(hits.relevant), hits.so_far(hits.relevant | (hits.grades >= 0))
    in_pool = hits.so_far(np.ones(len(hits.ranks), dtype=bool))
    precise = (relevant + _EPSILON) / (judged + 2 * _EPSILON)
    precision = (1 + in_pool * precise) / (ahead + 1)
    return _share(hits.total(precision, hits.relevant), hits.judgements.relevant_counts)


def _judged(hits: JudgedHits) -> np.ndarray:
    counts = hits.total(np.ones(len(hits.ranks)))
    return np.divide(counts, hits.lengths, out=np.full(len(counts), np.nan), where=hits.lengths > 0)


_FORMULAS: Mapping[str, Callable[[JudgedHits], np.ndarray]] = {
    "nDCG": _ndcg,
    "MRR": _reciprocal_rank,
    "Hits": _hits,
    "Recall": _recall,
    "P": _precision,
    "R-precision": _r_precision,
    "MAP": _average_precision,
    "ERR": _expected_reciprocal_rank,
    "bpref": _bpref,
    "infAP": _inferred_average_precision,
    "Judged": _judged,
}


def values_of(measure: Effectiveness, hits: JudgedHits) -> np.ndarray:
    """Shape [queries]: the measure over the hits within its cut-off."""
    within = hits.within(measure.cutoff)
    if measure.family == "RBP":
        return _rank_biased_precision(within, measure.persistence)
    return _FORMULAS[measure.family](within)
