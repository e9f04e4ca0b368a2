"""Options are data: validated, described, in groups, and named in complaints."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import Field, model_validator

from bench.errors import BenchError, UnusableClass
from bench.options import OptionInfo, Options, PathText, known_part, option_names, path_options


class Heating(Options):
    """How it is heated."""

    watts: int = Field(2000, ge=100, description="power")
    stages: tuple[float, ...] = Field((0.5, 1.0), description="parts of the power, one after the other")
    log: PathText = Field("", description="file to write to")


class Kettle(Options):
    """Boils water."""

    litres: float = Field(1.0, gt=0, le=3, description="how much water")
    whistle: Literal["high", "low"] = Field("high", description="tone")
    lid: int | None = Field(None, ge=1, description="lid size")
    maker: str = Field("", description="who made it")
    owner: str | None = Field(None, description="whose it is")
    colours: tuple[Literal["red", "blue"], ...] = Field(("red",), description="paint")
    manual: Path | None = Field(None, description="file of the manual")
    heating: Heating = Field(default_factory=lambda: Heating(watts=1500), description="how it is heated")

    @model_validator(mode="after")
    def _small_ones_do_not_whistle_low(self) -> "Kettle":
        if self.litres < 0.2 and self.whistle == "low":
            raise ValueError("a kettle of less than 0.2 litres cannot whistle low")
        return self


def _made(**values: Any) -> dict[str, Any]:
    return Kettle.from_options("kettle", values).options()


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        ("litres", "1.5", 1.5),
        ("litres", "1e-1", 0.1),
        ("litres", ".5", 0.5),
        ("whistle", "low", "low"),
        ("lid", "none", None),
        ("lid", "null", None),
        ("lid", "2", 2),
        ("maker", "123", "123"),
        ("maker", "none", "none"),
        ("maker", "true", "true"),
        ("maker", '["a"]', '["a"]'),
        ("maker", r"(?u)\b\w+\b", r"(?u)\b\w+\b"),
        ("owner", "none", None),
        ("owner", "7", "7"),
        ("colours", '["blue", "red"]', ["blue", "red"]),
        ("colours", "['blue']", ["blue"]),
        ("manual", "123", "123"),
    ],
)
def test_the_declared_type_decides_what_a_text_means(option: str, text: str, value: Any) -> None:
    assert _made(**{option: text})[option] == value


@pytest.mark.parametrize(
    "values",
    [
        {"heating": {"watts": 900, "stages": [1]}},
        {"heating.watts": 900, "heating.stages": [1]},
        {"heating.watts": "900", "heating.stages": "[1]"},
        {"heating": "{watts = 900, stages = [1]}"},
        {"heating": '{"watts": 900, "stages": [1]}'},
        {"heating": {"watts": 5000}, "heating.watts": 900, "heating.stages": [1]},
    ],
)
def test_a_group_is_given_as_a_table_or_by_dotted_names(values: dict[str, Any]) -> None:
    assert _made(**values)["heating"] == {"watts": 900, "stages": [1.0], "log": ""}


def test_a_group_keeps_the_defaults_of_its_owner_where_nothing_is_given() -> None:
    assert _made(**{"heating.stages": [1]})["heating"]["watts"] == 1500
    assert _made()["heating"]["watts"] == 1500


def test_a_class_is_constructed_by_the_same_rules() -> None:
    assert Kettle(litres=2, heating=Heating(watts=300)).heating.watts == 300
    with pytest.raises(BenchError, match="unknown option of Kettle 'liters': did you mean litres"):
        Kettle(liters=2)  # type: ignore[call-arg]
    with pytest.raises(BenchError, match=r"Kettle\.litres: give a number greater than 0"):
        Kettle(litres=-2)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"litres": "4"}, r"kettle\.litres: give a number greater than 0 and less than or equal to 3 \(given '4'\)"),
        ({"litres": "much"}, r"kettle\.litres: give a number .*\(given 'much'\)"),
        ({"litres": "inf"}, r"kettle\.litres: give a finite number"),
        ({"litres": float("nan")}, r"kettle\.litres: give a finite number"),
        ({"whistle": "loud"}, r"kettle\.whistle: give one of high, low \(given 'loud'\)"),
        ({"lid": "x"}, r"kettle\.lid: give a whole number greater than or equal to 1 or none"),
        ({"colours": "red"}, r"kettle\.colours: give a list of red, blue, as \[\"red\", \"blue\"\] \(given 'red'\)"),
        ({"colours": ["green"]}, r"kettle\.colours: give a list of red, blue.*\(given 'green'\)"),
        ({"liters": 1}, "unknown option of kettle 'liters': did you mean litres"),
        ({"watts": 1}, r"unknown option of kettle 'watts': did you mean heating\.watts"),
        ({"heating.wats": 1}, r"unknown option of kettle\.heating 'wats': did you mean watts"),
        (
            {"heating.watts": 1},
            r"kettle\.heating\.watts: give a whole number greater than or equal to 100 \(given 1\)",
        ),
        ({"heating.stages": "half"}, r"kettle\.heating\.stages: give a list, as \[0\.1, 0\.2\]"),
        ({"heating": "hot"}, r"kettle\.heating is a group of options: write kettle\.heating\.watts=VALUE"),
        ({"litres": 0.1, "whistle": "low"}, r"kettle: a kettle of less than 0\.2 litres cannot whistle low"),
        ({"litres": 10**4000}, r"kettle\.litres: .*given 1000"),
        ({"colours": "[" * 5000}, r"kettle\.colours: give a list"),
    ],
)
def test_a_bad_option_is_one_line_that_says_what_is_accepted(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BenchError, match=complaint) as caught:
        Kettle.from_options("kettle", values)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


def test_descriptions_give_kind_default_range_and_purpose_also_within_a_group() -> None:
    described = {option.name: option for option in Kettle.describe_options()}
    assert described["litres"] == OptionInfo("litres", "number", "1.0", "> 0 and <= 3", "how much water")
    assert described["whistle"] == OptionInfo("whistle", "choice", "high", "high, low", "tone")
    assert described["lid"][1:4] == ("integer or none", "None", ">= 1")
    assert described["heating.watts"] == OptionInfo("heating.watts", "integer", "1500", ">= 100", "power")
    assert list(described) == option_names(Kettle)
    assert "heating" not in described


def test_an_assignment_is_validated_and_a_refused_one_changes_nothing() -> None:
    kettle = Kettle(litres=0.1)
    kettle.lid = 3
    with pytest.raises(BenchError, match=r"Kettle\.litres: give a number greater than 0"):
        kettle.litres = -1
    with pytest.raises(BenchError, match="cannot whistle low"):
        kettle.whistle = "low"
    with pytest.raises(BenchError, match=r"Heating\.watts: give a whole number"):
        kettle.heating.watts = 0
    assert (kettle.litres, kettle.whistle, kettle.lid, kettle.heating.watts) == (0.1, "high", 3, 1500)


def test_a_typo_in_an_attribute_is_an_error() -> None:
    with pytest.raises(BenchError, match="unknown option of Heating 'wats': did you mean watts"):
        Kettle().heating.wats = 3  # type: ignore[attr-defined]


class Boiler(Options, ABC):
    litres: int = 1

    @abstractmethod
    def boil(self) -> None: ...


class Urn(Boiler):
    def boil(self) -> None:
        self.water = "hot"


def test_what_is_not_an_option_may_be_kept_by_a_class_that_works_and_does_not_become_one() -> None:
    urn = Urn()
    urn.boil()
    assert urn.water == "hot"
    assert "water" not in urn.options()


def test_a_class_that_cannot_be_constructed_says_what_it_lacks() -> None:
    class Samovar(Urn):
        def __init__(self) -> None:
            self.tea = "black"

    for cls, complaint in (
        (Boiler, "Boiler has no boil; define it"),
        (Samovar, "Samovar has an __init__ of its own: declare its options as fields"),
    ):
        for construct in (cls, lambda cls=cls: cls.from_options("boiler", {})):
            with pytest.raises(UnusableClass, match=complaint):
                construct()


def test_options_that_name_a_place_on_this_machine_are_known() -> None:
    assert path_options(Kettle) == {"manual", "heating.log"}


def test_of_some_options_those_that_a_class_has_are_known() -> None:
    given = {"litres": 2, "lids": 3, "heating.watts": 300, "heating.volts": 230}
    assert known_part(Kettle, given) == {"litres": 2, "heating": {"watts": 300}}
    assert known_part(Urn, given) == {"litres": 2}
