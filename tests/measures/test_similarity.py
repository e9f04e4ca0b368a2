from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from bench.errors import BadLine, BenchError
from bench.measures.similarity import Pair, read_pairs, score_pairs, sentences_collection

HEAD = "score\tsentence1\tsentence2\n"
PAIRS = [
    Pair(5.0, "A girl is styling her hair.", "A girl is brushing her hair."),
    Pair(3.6, "Men play soccer.", "Boys play soccer on the beach."),
    Pair(1.0, "A woman slices an onion.", "A man rides a horse."),
    Pair(0.0, "Tea is served.", "Stock prices fell on Monday."),
]


class WordOverlap:
    """A sentence as the set of its words."""

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        words = sorted({word for pair in PAIRS for text in pair[1:] for word in text.lower().split()})
        return np.array([[word in text.lower().split() for word in words] for text in texts], dtype=np.float32)


def written(folder: Path, text: str) -> Path:
    path = folder / "pairs.tsv"
    path.write_text(text, encoding="utf-8")
    return path


def test_correlations_are_those_of_the_cosines() -> None:
    found = score_pairs(WordOverlap(), PAIRS)
    cosines = []
    for pair in PAIRS:
        one, two = (set(text.lower().split()) for text in pair[1:])
        cosines.append(len(one & two) / np.sqrt(len(one) * len(two)))
    scores = [pair.score for pair in PAIRS]
    assert found.pearson == pytest.approx(pearsonr(scores, cosines).statistic, abs=1e-9)
    assert found.spearman == pytest.approx(spearmanr(scores, cosines).statistic, abs=1e-9)
    assert (found.n, found.without_vector) == (4, 0)


def test_a_sentence_without_a_vector_is_counted_and_like_nothing() -> None:
    found = score_pairs(WordOverlap(), [*PAIRS, Pair(5.0, "Quarks!", "A girl is brushing her hair.")])
    assert (found.n, found.without_vector) == (5, 1)
    assert found.pearson < score_pairs(WordOverlap(), PAIRS).pearson


@pytest.mark.parametrize("value", [0.0, 1.0, np.nan])
def test_vectors_that_allow_no_correlation_are_refused(value: float) -> None:
    class Constant:
        def embed(self, texts: Sequence[str]) -> np.ndarray:
            return np.full((len(texts), 3), value)

    with pytest.raises(BenchError, match="no correlation can be computed"):
        score_pairs(Constant(), PAIRS)


def test_pairs_are_read_as_they_are_written(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD + '2.5\tShe said "no".\tShe agreed.\n\n4\tÜber uns.\tAbout us.\n')
    assert read_pairs(path) == [Pair(2.5, 'She said "no".', "She agreed."), Pair(4.0, "Über uns.", "About us.")]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("", 1, "the head is"),
        ("2.5\tA.\tB.\n", 1, "the head is"),
        (HEAD + "2.5\tA.\n", 2, "2 fields"),
        (HEAD + "1\tA.\tB.\nhigh\tA.\tB.\n", 3, "the score is 'high'"),
        (HEAD + "nan\tA.\tB.\n", 2, "the score is 'nan'"),
        (HEAD + "1\t \tB.\n", 2, "a sentence is empty"),
    ],
)
def test_a_malformed_line_is_refused_with_its_number(text: str, line: int, problem: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(BadLine, match=f"pairs.tsv:{line}: {problem}"):
        read_pairs(path)


def test_scores_that_do_not_differ_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="2 pairs without two different scores"):
        read_pairs(written(tmp_path, HEAD + "1\tA.\tB.\n1\tC.\tD.\n"))


def test_the_collection_holds_each_sentence_once(tmp_path: Path) -> None:
    collection = sentences_collection([*PAIRS, PAIRS[0]], tmp_path)
    assert list(collection.texts()) == [text for pair in PAIRS for text in pair[1:]]


@pytest.mark.real_data
def test_minilm_reaches_its_published_spearman(data_folder: Path) -> None:
    from retrievers.dense.sbert import SBERT

    found = score_pairs(SBERT(), read_pairs(data_folder / "stsb" / "test.tsv"))
    assert found.spearman == pytest.approx(0.8203, abs=0.0005)
    assert (found.n, found.without_vector) == (1379, 0)


@pytest.mark.real_data
def test_sif_over_word_pieces_follows_human_judgement(data_folder: Path, tmp_path: Path) -> None:
    from retrievers.dense.sif import SIF

    pairs = read_pairs(data_folder / "stsb" / "test.tsv")
    retriever = SIF()
    retriever.fit(sentences_collection(pairs, tmp_path))
    assert score_pairs(retriever, pairs).spearman == pytest.approx(0.712, abs=0.005)
