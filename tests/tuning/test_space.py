"""The space of a search: how it is written, and how its points are spread."""

from collections import Counter
from itertools import islice
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from bench import registry
from bench.errors import BenchError
from bench.options import Options
from bench.suite import known_suites, read_suite
from bench.tuning.space import Choice, Range, parse_space, points


class Training(Options):
    rate: float = Field(1e-3, gt=0)


class System(Options):
    seed: int = 0
    depth: int = 1
    weight: float = 0.5
    loss: Literal["square", "hinge"] = "square"
    training: Training = Field(default_factory=Training)
    latest: int | None = Field(None, ge=1)
    reads: str = Field(description="required, and not searched")
    again: bool = False


def test_a_space_has_ranges_and_choices() -> None:
    written = ["depth=1..4", "weight=0..1", "training.rate=1e-4..1e-2:log", "loss=square,hinge"]
    assert parse_space(System, written) == {
        "depth": Range(1, 4, log=False, whole=True),
        "weight": Range(0, 1, log=False, whole=False),
        "training.rate": Range(1e-4, 1e-2, log=True, whole=False),
        "loss": Choice(("square", "hinge")),
    }
    assert parse_space(System, ["latest=1..9"]) == {"latest": Range(1, 9, log=False, whole=True)}
    assert parse_space(System, {"depth": "1..4"}) == parse_space(System, written[:1])


@given(st.floats(1e-12, 1e12), st.floats(1.001, 1e6), st.booleans())
def test_a_space_is_read_as_it_is_written(low: float, factor: float, log: bool) -> None:
    space = {
        "depth": Range(1.0, 4.0, log=log, whole=True),
        "weight": Range(low, low * factor, log=log, whole=False),
        "loss": Choice(("square", "hinge")),
    }
    assert parse_space(System, {name: str(dimension) for name, dimension in space.items()}) == space
    assert str(space["depth"]) == ("1..4:log" if log else "1..4")


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ([], "there is nothing to search; give --space OPTION=LOW..HIGH"),
        (["depths=1..4"], "unknown option 'depths': did you mean depth?"),
        (["training=1..4"], "unknown option 'training'"),
        (["depth"], "--space depth: write OPTION=LOW..HIGH"),
        (["depth=4..1"], "--space depth=4..1: a range needs a lower end below the upper one"),
        (["weight=0..1:log"], "a range needs a lower end above 0 and below the upper one"),
        (["depth=1..2.5"], "the option takes whole numbers; give whole ends"),
        (["weight=1"], "--space weight=1: write OPTION=LOW..HIGH"),
        (["loss=square,square"], "--space loss=square,square: write"),
        (["weight=1..x"], "--space weight=1..x: write"),
        (["depth=1..2", "depth=1,2"], "--space depth is given twice"),
        (["seed=0..9"], "a seed is no choice"),
        (["training.rate=-1..1"], "--space training.rate=-1..1: System.training.rate: give a number greater than 0"),
        (["latest=0..9"], "give a whole number greater than or equal to 1 or none (given 0)"),
        (
            ["loss=square,hinged"],
            "--space loss=square,hinged: System.loss: give one of square, hinge (given 'hinged')",
        ),
        (["latest=none,some"], "--space latest=none,some: System.latest: give a whole number"),
        (["again=0..1"], "System.again: give true or false (given 0.5)"),
    ],
)
def test_what_is_no_space_is_told_in_a_line(written: list[str], told: str) -> None:
    with pytest.raises(BenchError) as error:
        parse_space(System, written)
    assert told in str(error.value)


@pytest.mark.parametrize("name", known_suites())
def test_what_the_suites_search_can_be_tried(name: str) -> None:
    suite = read_suite(name)
    for system, space in suite.tune.items():
        (retriever,) = {entry.retriever for entry in suite.named(system)} or {system}
        assert parse_space(registry.find("retriever", retriever).load(), space)


@given(st.floats(1e-6, 1e3), st.floats(1.01, 1e4), st.booleans(), st.floats(0, 1, exclude_max=True))
def test_every_draw_lies_in_its_range(low: float, factor: float, log: bool, share: float) -> None:
    one = Range(low, low * factor, log, whole=False)
    assert low * 0.999 <= one.at(share) <= low * factor * 1.001


def test_whole_numbers_are_equally_likely_at_both_ends() -> None:
    drawn = Counter(Range(1, 4, log=False, whole=True).at(share) for share in (np.arange(400) + 0.5) / 400)
    assert drawn == {1: 100, 2: 100, 3: 100, 4: 100}


def test_a_logarithmic_range_has_its_geometric_mean_in_the_middle() -> None:
    assert Range(1e-4, 1e-2, log=True, whole=False).at(0.5) == 1e-3
    assert Range(16, 256, log=True, whole=True).at(0.5) == 63


def test_points_cover_every_option_evenly() -> None:
    space = {"weight": Range(0, 1, log=False, whole=False), "loss": Choice(("square", "hinge"))}
    drawn = list(islice(points(space, 0), 16))
    quarters = Counter(int(4 * point["weight"]) for point in drawn)
    assert set(quarters.values()) == {4}
    assert set(Counter(point["loss"] for point in drawn).values()) == {8}


def test_the_seed_decides_the_points_and_more_begin_with_the_same() -> None:
    space = {"weight": Range(0, 1, log=False, whole=False), "depth": Range(1, 4, log=False, whole=True)}
    few, more, other = (list(islice(points(space, seed), size)) for seed, size in ((1, 5), (1, 9), (2, 5)))
    assert more[:5] == few
    assert other != few


def test_a_small_space_is_tried_once_through() -> None:
    space = {"depth": Range(1, 3, log=False, whole=True), "loss": Choice(("square", "hinge"))}
    drawn = [tuple(point.values()) for point in points(space, 0)]
    assert sorted(drawn) == [(depth, loss) for depth in (1, 2, 3) for loss in ("hinge", "square")]
