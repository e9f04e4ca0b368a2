"""How the sequences of an epoch come in batches."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from retrievers.recommenders.plans import of_like_length


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(1, 8), st.integers(0, 3))
def test_every_sequence_is_in_one_batch_beside_those_of_like_length(lengths: list[int], size: int, seed: int) -> None:
    sizes = np.array(lengths)
    batches = list(of_like_length(sizes, size, np.random.default_rng(seed)))
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert len(batches) == -(-len(lengths) // size)
    assert max(map(len, batches)) <= size
    by_length = sorted(batches, key=lambda batch: (sizes[batch].min(), sizes[batch].max()))
    assert np.array_equal(np.concatenate([np.sort(sizes[batch]) for batch in by_length]), np.sort(sizes))
