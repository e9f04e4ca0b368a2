"""Every built-in retriever keeps the contract; those that train do it in short."""

import pytest
from quick import ELSEWHERE, QUICK

from bench import registry
from bench.conformance.kit import Outcome, check_retriever


@pytest.mark.parametrize("name", sorted(registry.plugins("retriever").keys() - ELSEWHERE))
def test_a_builtin_keeps_the_contract(name: str) -> None:
    found: list[Outcome] = list(check_retriever(name, QUICK.get(name, {})))
    assert [f"{one.check.name}: {one.seen}" for one in found if one.verdict == "broken"] == []
