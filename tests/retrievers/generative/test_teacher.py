"""A teacher that picks parts and ranks documents."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from bench.collections.collection import Query
from bench.rankings import Rankings
from retrievers.generative.decoder import Encoded
from retrievers.generative.examples import Example, Examples, Spans
from retrievers.generative.projection import Projection
from retrievers.generative.teacher import Lists, Teacher, keep_found


class Answers(Teacher):
    """Says what it was told to say."""

    def __init__(self, hits: Sequence[tuple[list[int], list[float]]]) -> None:
        self._hits = hits

    def answer(self, texts: Sequence[str], k: int) -> Rankings:
        return Rankings.from_hits([Query(text, text) for text in texts], self._hits)


def test_parts_are_kept_if_the_teacher_finds_their_document_early_enough() -> None:
    parts = [Example([1], 5), Example([2], 6), Example([3], 7)]
    teacher = Answers([([4, 5], [0.2, 0.9]), ([6, 4, 8], [0.1, 0.5, 0.7]), ([], [])])
    assert keep_found(parts, ["a", "b", "c"], teacher, 2) == [parts[0]]
    assert keep_found(parts, ["a", "b", "c"], teacher, 3) == parts[:2]


def test_lists_are_as_probable_as_the_teacher_finds_them() -> None:
    examples = Examples.of([Example([1], 5)], [Example([2], 6)], [Example([3], 7)], Spans(1, 4))
    lists = Lists.of(examples, ["a", "b"], Answers([([4, 5], [0.8, 0.9]), ([], [])]), 3, documents=8)
    query, part, span = lists(np.arange(3), Encoded(torch.zeros(3, 1, 1), torch.ones(3, 1))).numpy()
    np.testing.assert_allclose(query[[5, 4]], [1 / (1 + np.exp(-2)), 1 / (1 + np.exp(2))], rtol=1e-6)
    assert part.nonzero()[0].tolist() == [6]  # its own, for want of an answer
    assert span.nonzero()[0].tolist() == [7]
    assert query.sum() == pytest.approx(1)


def test_a_projection_learns_what_the_training_queries_mean() -> None:
    """The documents lie along the first two axes, and the queries that ask for them along the other two."""
    documents, asked = np.eye(4, dtype=np.float32)[:2], np.eye(4, dtype=np.float32)[2:]
    model = Projection(torch.from_numpy(documents))
    untrained = model.logits(torch.from_numpy(documents)).detach()
    torch.testing.assert_close(untrained, 20 * torch.eye(2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(200):
        loss = torch.nn.functional.cross_entropy(model.logits(torch.from_numpy(asked)), torch.arange(2))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.01
    encoded = Encoded(torch.from_numpy(asked)[:, None], torch.ones(2, 1, dtype=torch.bool))
    said = model.distribution(np.arange(2), encoded)
    torch.testing.assert_close(said, torch.eye(2), atol=0.01, rtol=0)
