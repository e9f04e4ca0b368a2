"""One fixed ranking of items under ever coarser identifiers: the SID-level figure rises, what it is worth falls."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from bench.collections.catalogue import open_dataset
from bench.collections.collection import Collection
from bench.measures.collisions import expected, sid_level
from bench.measures.names import Effectiveness
from bench.progress import no_progress
from bench.rankings import Rankings
from bench.tasks.next_item import NextItem
from retrievers.recommenders.item_knn import ItemKNN
from retrievers.recommenders.semantic_ids.options import TokenizerOptions
from retrievers.recommenders.semantic_ids.tokenizers import tokenize

RECALL = Effectiveness("Recall", 10)


def ranking_of(collection: Collection, one_in: int, mask: str) -> tuple[Rankings, np.ndarray]:
    """Item-kNN's 200 best for one in so many users, and their targets."""
    whole = NextItem(depth=200, mask_history=mask).on(collection)
    exam = replace(whole, queries=whole.queries[::one_in])
    system = ItemKNN().fit(collection.training_view())
    answers = exam.final(system.retrieve(exam.queries, exam.reach))
    return answers, collection.qrels().rows[::one_in]


def inflation(
    collection: Collection, codes: int, one_in: int, mask: str = "auto", letters: bool = False
) -> np.ndarray:
    """Recall@10 of items, of identifiers and expected, for all levels of residual k-means, two, and one."""
    words = TfidfVectorizer(analyzer="char", ngram_range=(2, 3)) if letters else TfidfVectorizer(stop_words="english")
    spaces = TruncatedSVD(64, random_state=0)
    vectors = spaces.fit_transform(words.fit_transform(collection.texts())).astype(np.float32)
    options = TokenizerOptions(levels=3, codes=codes)
    tokens = tokenize(options, vectors, [], 0, no_progress).identifiers.tokens
    rankings, targets = ranking_of(collection, one_in, mask)
    rows = []
    for levels in (3, 2, 1):
        groups = np.unique(tokens[:, :levels], axis=0, return_inverse=True)[1]
        alone = expected(rankings, targets, np.arange(len(tokens)), [RECALL])
        of_groups = [credit(rankings, targets, groups, [RECALL]) for credit in (sid_level, expected)]
        rows.append([values[RECALL].mean() for values in (alone, *of_groups)])
    return np.array(rows)


def assert_inflated(table: np.ndarray) -> None:
    items, identifiers, credit = table.T
    assert len(set(items)) == 1
    assert items[0] < identifiers[0] < identifiers[1] < identifiers[2], table
    assert items[0] > credit[0] > credit[1] > credit[2], table


def test_coarser_identifiers_of_words_look_better_and_are_worse(
    docstrings: dict[str, tuple[str, str]], make_sequences: Callable[..., Collection]
) -> None:
    """Each docstring is a user, who goes through its words."""
    texts = {
        name: re.findall("[a-z]{3,}", f"{summary} {rest}".lower()) for name, (summary, rest) in docstrings.items()
    }
    counts = Counter(word for words in texts.values() for word in words)
    common = {word for word, _ in counts.most_common(400)}
    read = {name: [word for word in words if word in common] for name, words in texts.items()}
    collection = make_sequences({name: words for name, words in read.items() if len(words) > 3})
    assert_inflated(inflation(collection, codes=40, one_in=1, mask="no", letters=True))


@pytest.mark.real_data
def test_coarser_identifiers_of_purchases_look_better_and_are_worse(data_folder: Path) -> None:
    """Every fifth user of Amazon Beauty; the ranking's item figure over all users is .065."""
    collection = open_dataset(f"recbole:{data_folder / 'amazon-beauty'}").collection
    table = inflation(collection, codes=256, one_in=5)
    assert_inflated(table)
    assert table[0, 0] == pytest.approx(0.065, abs=0.01)
    assert table[1, 1] > 1.25 * table[1, 0]
