"""Near copies beside a comparison of every pair."""

import re
from itertools import combinations

from bench.collections.sources.near_copies import ALIKE, near_copies

BODIES = [
    "Return a copy of the array with the given type and order.",
    "Return a copy of the matrix with the given type and order.",
    "Return a copy of the array, with the given TYPE and order!",
    "Open the file and read its lines.",
    "",
    "",
]


def alike(first: str, second: str) -> bool:
    one, two = (set(re.findall(r"\w+", text.casefold())) for text in (first, second))
    return bool(one | two) and len(one & two) / len(one | two) >= ALIKE


def test_pairs_are_those_that_share_most_of_their_words(docstrings: dict[str, tuple[str, str]]) -> None:
    texts = BODIES + [rest for _, rest in docstrings.values()]
    expected = [pair for pair in combinations(range(len(texts)), 2) if alike(*(texts[i] for i in pair))]
    assert [0, 2] in near_copies(texts).tolist()
    assert sorted(map(tuple, near_copies(texts).tolist())) == expected


def test_things_have_to_be_alike_in_each_of_their_texts() -> None:
    summaries = ["Copy it.", "Copy it.", "Change the type.", "Read it.", "", ""]
    assert near_copies(BODIES, summaries).tolist() == [[0, 1]]
