"""The course of a training as a chart: what the epoch was chosen by, over the epochs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bench.leaderboard.writers.charts import HEIGHT, PALETTE, WIDTH, Chart, axis, drawn

if TYPE_CHECKING:
    from typing_extensions import TypeIs


def courses(collection: str, by_seed: Mapping[int, Mapping[str, Any]]) -> Chart | None:
    """A line for each seed, with a dot at the epoch that was chosen; None where a single epoch was tried.

    by_seed: `decided_by`, `chosen_epoch` and `epochs` of each seed, as the manifests have them
    """
    import altair as alt

    measure = str(next(iter(by_seed.values())).get("decided_by", ""))
    data = [
        {"seed": str(seed), "epoch": one["epoch"], "value": one[measure], "chosen": one["epoch"] == _chosen(course)}
        for seed, course in sorted(by_seed.items())
        for one in course["epochs"]
        if isinstance(one.get(measure), int | float)
    ]
    if len({one["epoch"] for one in data}) < 2:
        return None
    seeds = list(dict.fromkeys(one["seed"] for one in data))
    legend = alt.Legend(title="seed", orient="bottom") if len(seeds) > 1 else None
    base = alt.Chart(alt.Data(values=data)).encode(
        x=alt.X("epoch:Q", title="epoch; 0: before training", axis=axis(tickMinStep=1, format="d")),
        y=alt.Y("value:Q", title=measure, scale=alt.Scale(zero=False, round=True), axis=axis(tickCount=4)),
        color=alt.Color("seed:N", scale=alt.Scale(domain=seeds, range=list(PALETTE)), legend=legend),
    )
    layers = [
        base.mark_line(strokeWidth=1.6, aria=False),
        base.transform_filter("datum.chosen").mark_point(filled=True, size=80, opacity=1),
    ]
    chosen = [f"epoch {_chosen(course)} (seed {seed})" for seed, course in sorted(by_seed.items())]
    return Chart(f"{collection}: {measure} by epoch", drawn(layers, WIDTH, HEIGHT), [f"chosen: {', '.join(chosen)}"])


def is_course(told: object) -> "TypeIs[Mapping[str, Any]]":
    """Whether what a system tells of its training is a course of epochs; it may tell something else, or nothing."""
    epochs = told.get("epochs") if isinstance(told, Mapping) else None
    return isinstance(epochs, list) and all(isinstance(one, Mapping) and "epoch" in one for one in epochs)


def _chosen(course: Mapping[str, Any]) -> Any:
    return course.get("chosen_epoch")
