"""Filtering interactions, and leave-one-out as queries and judgements."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.collections.collection import Collection, Document, Rules, read_collection
from bench.collections.sources.recbole import RecBole
from bench.collections.sources.sequences import Item, core, ties
from bench.collections.writer import CollectionWriter
from bench.errors import BenchError

TOOLS = {
    "saw": Document("saw", "Hand saw", "Cuts planks."),
    "plane": Document("plane", "Block plane", "Smooths edges."),
    "clamp": Document("clamp", "Bar clamp", "Holds glued boards together."),
    "glue": Document("glue", "", "Wood glue that sets in an hour."),
}
SEQUENCES = {"ann": ["saw", "plane", "clamp", "glue"], "bob": ["plane", "saw", "rasp"], "cy": ["saw", "glue"]}


def collection(folder: Path, sequences: Mapping[str, Sequence[str]], split: str = "test") -> Collection:
    with CollectionWriter(folder) as writer:
        source = RecBole(folder=folder, history_titles=2)
        source.write(writer, [Item(document, "shop") for document in TOOLS.values()], sequences)
    return read_collection(folder, "tools", Rules(split=split))


def target(found: Collection, split: str, position: int) -> list[str]:
    return found.documents.ids(found.qrels(split).of(position)[0])


def test_each_split_asks_for_one_item_after_all_before_it(tmp_path: Path) -> None:
    found = collection(tmp_path, SEQUENCES)
    assert [query.id for query in found.queries("test")] == ["ann", "bob"]
    asked = {split: (found.queries(split)[0].history, target(found, split, 0)) for split in found.splits}
    assert asked == {
        "test": (("saw", "plane", "clamp"), ["glue"]),
        "valid": (("saw", "plane"), ["clamp"]),
        "train": (("saw",), ["plane"]),
    }


def test_of_three_items_the_first_is_fitted_with_no_history(tmp_path: Path) -> None:
    found = collection(tmp_path, SEQUENCES)
    assert (found.queries("train")[1].history, target(found, "train", 1)) == ((), ["plane"])
    assert found.queries("train")[1].text == ""


def test_the_question_in_words_names_the_latest_items_first(tmp_path: Path) -> None:
    found = collection(tmp_path, {"ann": ["saw", "plane", "clamp", "glue", "saw"]})
    assert found.queries("test")[0].text == "Wood glue that sets in an hour.; Bar clamp"


def test_who_and_what_is_left_out_or_without_text_is_counted(tmp_path: Path) -> None:
    found = collection(tmp_path, SEQUENCES)
    assert found.notes["users left out (fewer than 3 interactions)"] == 1
    assert found.notes["items without text"] == 1
    assert found.notes["items that occur only as targets"] == 3  # clamp, glue, rasp
    assert found.documents.ids() == ["saw", "plane", "clamp", "glue", "rasp"]
    assert found.documents[4] == Document("rasp", "", "")


def test_without_a_long_enough_sequence_there_is_no_collection(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="has 3 interactions or more, .* needs; give longer sequences"):
        collection(tmp_path, {"cy": ["saw", "glue"]})


@pytest.mark.parametrize(("split", "seen"), [("test", ["train", "valid"]), ("valid", ["train"])])
def test_what_is_fitted_holds_no_target_of_the_evaluated_split(tmp_path: Path, split: str, seen: list[str]) -> None:
    found = collection(tmp_path, SEQUENCES, split)
    view = found.training_view()
    assert view.splits == seen
    hidden = {"test": "glue", "valid": "clamp"}[split]
    for name in seen:
        assert hidden not in view.queries(name)[0].history
        assert hidden not in target(view, name, 0)


def test_the_order_of_a_sequence_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    swapped = {**SEQUENCES, "ann": ["plane", "saw", "clamp", "glue"]}
    prints = []
    for name, sequences in {"a": SEQUENCES, "b": dict(SEQUENCES), "c": swapped}.items():
        (tmp_path / name).mkdir()
        prints.append(collection(tmp_path / name, sequences).fingerprint)
    assert prints[0] == prints[1] != prints[2]


pairs = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=60)


def _columns(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    table = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _core_by_hand(pairs: list[tuple[int, int]], minimum: int) -> list[bool]:
    """One offender at a time."""
    alive = [True] * len(pairs)
    for _ in range(len(pairs) + 1):
        left = [pair for pair, stays in zip(pairs, alive, strict=True) if stays]
        users, items = Counter(user for user, _ in left), Counter(item for _, item in left)
        bad = [i for i, (u, v) in enumerate(pairs) if alive[i] and (users[u] < minimum or items[v] < minimum)]
        if not bad:
            break
        u, v = pairs[bad[0]]
        lost = 0 if users[u] < minimum else 1
        alive = [stays and pair[lost] != (u, v)[lost] for stays, pair in zip(alive, pairs, strict=True)]
    return alive


@given(pairs, st.integers(0, 5))
def test_the_core_is_the_largest_part_without_rare_users_and_items(
    pairs: list[tuple[int, int]], minimum: int
) -> None:
    assert core(*_columns(pairs), minimum).tolist() == _core_by_hand(pairs, minimum)


def test_ties_are_interactions_of_one_user_at_one_time() -> None:
    assert ties(np.array([0, 0, 0, 1, 1]), np.array([1.0, 1.0, 2.0, 1.0, 3.0])) == 2
