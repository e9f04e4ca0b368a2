import pytest

from bench.numbering import Ids, renumbered


@pytest.mark.parametrize(
    ("known", "given", "found"),
    [
        (["051", "52"], "51", "051"),
        (["51"], "051", "51"),
        (["51", "051"], "0051", None),
        (["51", "051"], "051", "051"),
        (["a51"], "51", None),
        (["٥١"], "51", None),
    ],
)
def test_an_id_is_found_as_the_same_number(known: list[str], given: str, found: str | None) -> None:
    assert Ids(known).find(given) == found


def test_two_ids_never_become_one() -> None:
    assert renumbered(["051", "52"], ["51"]) == {"051": "51"}
    assert renumbered(["051", "51"], ["51"]) == {}
    assert renumbered(["051", "0051"], ["51"]) == {}
