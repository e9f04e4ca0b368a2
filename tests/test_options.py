"""Options are data: validated, described, and named in complaints."""

from typing import Literal

import pytest
from pydantic import Field

from bench.errors import BenchError
from bench.options import OptionInfo, Options


class Kettle(Options):
    """Boils water."""

    litres: float = Field(1.0, gt=0, le=3, description="how much water")
    whistle: Literal["high", "low"] = Field("high", description="tone")
    lid: int | None = Field(None, ge=1, description="lid size")


def test_text_from_a_command_line_becomes_typed_values() -> None:
    assert Kettle.from_options("kettle", {"litres": "1.5", "whistle": "low"}).options() == {
        "litres": 1.5,
        "whistle": "low",
        "lid": None,
    }


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"litres": "4"}, r"kettle\.litres: input should be less than or equal to 3 \(given '4'\)"),
        ({"litres": "much"}, r"kettle\.litres: .*number.*given 'much'"),
        ({"whistle": "loud"}, r"kettle\.whistle: .*'high' or 'low'"),
        ({"liters": 1}, "unknown option of kettle 'liters': did you mean litres"),
    ],
)
def test_a_bad_option_is_one_line_that_says_what_is_accepted(values: dict[str, str], complaint: str) -> None:
    with pytest.raises(BenchError, match=complaint) as caught:
        Kettle.from_options("kettle", values)
    assert "\n" not in str(caught.value)


def test_descriptions_give_kind_default_range_and_purpose() -> None:
    litres, whistle, lid = Kettle.describe_options()
    assert litres == OptionInfo("litres", "number", "1.0", "> 0 and <= 3", "how much water")
    assert whistle == OptionInfo("whistle", "choice", "high", "high, low", "tone")
    assert (lid.kind, lid.allowed) == ("integer or none", ">= 1")


def test_what_is_not_an_option_may_be_set_and_does_not_become_one() -> None:
    kettle = Kettle()
    kettle.water = "hot"  # type: ignore[attr-defined]
    assert kettle.water == "hot"  # type: ignore[attr-defined]
    assert "water" not in kettle.options()
