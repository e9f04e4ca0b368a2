"""Systems with a vector for each distinct text, once documents are added."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from bench import registry
from bench.collections.collection import Collection, Query
from bench.retriever import Retriever

MakeCollection = Callable[..., Collection]
Docstrings = Mapping[str, tuple[str, str]]


def opened(name: str) -> Retriever:
    return registry.find("retriever", name).load()()


@pytest.mark.parametrize("name", ["sif", "sbert", "colbert", "splade"])
def test_a_copy_that_is_added_ties_with_what_it_copies(
    name: str, docstrings: Docstrings, make_collection: MakeCollection, tmp_path: Path
) -> None:
    bodies = {key: body for key, (_, body) in list(docstrings.items())[:12]}
    first = make_collection(bodies)
    more = make_collection({f"copy of {key}": body for key, body in bodies.items()} | {"new": "knead the dough"})
    system, loaded = opened(name), opened(name)
    system.fit(first)
    system.save(tmp_path)
    loaded.load(tmp_path)
    asked = [Query(str(number), summary) for number, (summary, _) in enumerate(list(docstrings.values())[:5])]
    for grown in (system, loaded):
        grown.add(more)
        for _, rows, scores in grown.retrieve(asked, 25):
            by_row = dict(zip(rows.tolist(), scores.tolist(), strict=True))
            assert all(by_row.get(row) == by_row.get(row + 12) for row in range(12))
