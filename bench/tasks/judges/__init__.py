"""Judges that score how well a document answers a query, by name."""

from bench.collections.collection import Collection
from bench.models import MINILM, SPLADE_TINY
from bench.tasks.judges.base import Judge

SPLADE, QUERIES, MAXSIM, AUTO = "splade", "own-queries", "maxsim", "auto"


def open_judge(name: str, collection: Collection) -> Judge:
    """A judge of the collection by name, or a cross-encoder by name or path. No model is loaded before it scores.

    `auto` is `own-queries` where most documents have one, else `maxsim`. Raises BenchError for `own-queries` where
    few have one.
    """
    if name == SPLADE:
        from bench.tasks.judges.splade import SpladeJudge

        return SpladeJudge(collection)
    if name == AUTO:
        from bench.tasks.judges.own_queries import has_own_queries

        name = QUERIES if has_own_queries(collection) else MAXSIM
    if name == QUERIES:
        from bench.tasks.judges.own_queries import OwnQueriesJudge

        return OwnQueriesJudge(collection)
    if name == MAXSIM:
        from bench.tasks.judges.maxsim import MaxSimJudge

        return MaxSimJudge(collection)
    from bench.tasks.judges.cross_encoder import CrossEncoderJudge

    return CrossEncoderJudge(name)


def weights_of_judge(name: str) -> list[str]:
    """Names or paths of the weights that a judge may score with."""
    return {SPLADE: [SPLADE_TINY], QUERIES: [], MAXSIM: [MINILM], AUTO: [MINILM]}.get(name, [name])
