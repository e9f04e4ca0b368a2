"""RecoBERT (Malkiel et al. 2020, "RecoBERT: a catalog language model for text-based recommendations")."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection
from bench.errors import BenchError
from bench.models import MINILM, ModelOptions, pick_device
from retrievers.encoding import refuse_textless
from retrievers.recommenders.item_texts import described
from retrievers.recommenders.options import NextItemTrainingOptions
from retrievers.recommenders.sequences import Recommender
from retrievers.recommenders.validation import Validation

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from retrievers.recommenders.catalogue_texts import CatalogueTexts
    from retrievers.recommenders.text_pairs import TextPairs

_ARRAYS = ("rows", "titles", "descriptions")
_AT_ONCE = 2048
"""Pairs whose states are in memory, some 200 MB."""


class PairTrainingOptions(NextItemTrainingOptions):
    """How a network is trained on pairs of titles and descriptions."""

    epochs: int = Field(5, ge=1, description="passes over the items, at most")
    learning_rate: float = Field(1e-4, gt=0, description="of Adam")
    training_batch: int = Field(32, ge=2, description="pairs in a training step, each with a shuffled one")
    patience: int = Field(2, ge=1, description="epochs without a better validation figure, after which it stops")


class RecoBERT(Recommender):
    """Items whose titles and descriptions go with those of the history, as a language model of the catalogue has it.

    The last layers of a BERT learn which description a title has, and to guess hidden words; no history is learned.
    Items i and j are as much alike as cos(T_i, T_j) + cos(D_i, D_j) + C(T_i, D_j) + C(T_j, D_i), with the mean states
    of a title T and a description D, and C = (1 + cos) / 2. What a history comes to is the mean over its
    items, where `decay` lets the latest weigh most; the paper asks with one item.

    Unlike the paper's, the model is all-MiniLM-L6-v2 and not a BERT-large that is first trained on the catalogue's
    language; its lower layers stay as they are and read a title and a description apart, so that each counts its own
    positions; hidden tokens are drawn in a few copies; and marks count in means. With `reading=apart` no layer reads
    both, so that all four terms are products of vectors. With `reading=together`, the paper's, a T_i beside D_j has
    to be read for that pair: this is done for each item's nearest `partners`, and the vectors of T_i beside D_i
    stand for the others. Where an item has no description, its title stands for it; one without text is no answer.
    """

    model: str = Field(MINILM, description="name or folder of a BERT")
    reading: Literal["apart", "together"] = Field(
        "apart", description="whether the learned layers read titles and descriptions alone, or in pairs"
    )
    learned_layers: int = Field(1, ge=1, description="last layers of the model, which learn")
    title_tokens: int = Field(16, ge=1, le=256, description="titles are cut after so many")
    description_tokens: int = Field(48, ge=1, le=250, description="descriptions are cut after so many")
    copies: int = Field(2, ge=1, description="times that the hidden tokens of a text are drawn")
    masked_weight: float = Field(1.0, ge=0, description="of the loss of hidden tokens; 0: none")
    partners: int = Field(
        20, ge=0, description="reading=together: nearest items of each with which its texts are read in pairs"
    )
    decay: float = Field(1.0, gt=0, le=1, description="weight of an item in the history's mean, to the one after it")
    longest: int = Field(50, ge=1, description="latest items of a history that are read")
    training: PairTrainingOptions = Field(default_factory=PairTrainingOptions, description="how it is trained")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:N or mps")

    def fit(self, collection: Collection) -> Self:
        """Raises BenchError without the split `valid`, or where fewer than two items have title and description."""
        import torch

        from retrievers.learning.trainer import train
        from retrievers.recommenders.catalogue_texts import read_catalogue
        from retrievers.recommenders.text_pairs import TextPairs, part_bert, text_pairs_plan

        super().fit(collection)
        refuse_textless(collection)
        users = Validation.of(collection, "recobert", self.training.valid_users, self.seed)
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            parted = part_bert(self.model, self.learned_layers, ModelOptions(device=self.device))
            limits = self.title_tokens, self.description_tokens
            texts = read_catalogue(
                parted.lower, described(collection), limits, self.copies, self.seed, self.workplace, self.progress
            )
            if len(texts.pairs) < 2:
                raise BenchError(
                    f"{collection.name}: recobert learns from items with a title and a description, of which there "
                    f"are {len(texts.pairs)}; take alpharec, which reads texts as they are"
                )
            model = TextPairs(parted, self.reading == "together").to(pick_device(self.device))
            plan = text_pairs_plan(
                model, texts, self.training, self.masked_weight, lambda: self._judged(model, texts, users), self.seed
            )
            course = train(model, plan, self.workplace, self.progress)
            self._hold(model, texts)
            self._read_pairs(model, texts)
        weights = sum(weight.numel() for weight in model.learned().values())
        self._facts = {
            "parameters_learned": weights,
            "head": "of the model" if parted.has_head else "from a random start",
            "pairs_learned": len(texts.pairs),
            "items_without_text": len(self._rows) - len(texts.rows),
            "training": course.as_data(),
        }
        return self

    def _judged(self, model: "TextPairs", texts: "CatalogueTexts", users: Validation) -> dict[str, float]:
        self._hold(model, texts)
        return users.figures(lambda part: self.scores(users.histories[part]), self.training.learning_rate)

    def _hold(self, model: "TextPairs", texts: "CatalogueTexts") -> None:
        """The vectors of each item's own title and description; equal texts have equal ones."""
        from scipy.sparse import csr_array

        pairs, place = np.unique(texts.plain, axis=1, return_inverse=True)
        titles, descriptions = _vectors(model, texts, pairs)
        place = place.reshape(-1)
        self._arrays = {"rows": texts.rows, "titles": titles[place], "descriptions": descriptions[place]}
        self._corrections = csr_array((len(place), len(place)), dtype=np.float32)

    def _read_pairs(self, model: "TextPairs", texts: "CatalogueTexts") -> None:
        """What reading an item's title and another's description together adds to their score, both ways."""
        from scipy.sparse import coo_array

        if self.reading == "apart" or not self.partners:
            return
        titles, descriptions = self._arrays["titles"], self._arrays["descriptions"]
        pairs = nearest_pairs(self._alike(titles, descriptions), self.partners)
        both = np.concatenate([pairs, pairs[:, ::-1]])
        first, second = both.T
        read = _vectors(model, texts, np.stack([texts.plain[0, first], texts.plain[1, second]]))
        change = ((read[0] * read[1]).sum(axis=1) - (titles[first] * descriptions[second]).sum(axis=1)) / 2
        of_pair = change[: len(pairs)] + change[len(pairs) :]
        shape = (len(titles), len(titles))
        self._corrections = coo_array((np.tile(of_pair, 2), both.T), shape=shape, dtype=np.float32).tocsr()

    def _alike(self, titles: np.ndarray, descriptions: np.ndarray) -> np.ndarray:
        """Scores with all items that have text, of vectors of shape [asked, dimension] or weighted means of them."""
        own_titles, own_descriptions = self._arrays["titles"], self._arrays["descriptions"]
        return (
            titles @ (own_titles + own_descriptions / 2).T + descriptions @ (own_descriptions + own_titles / 2).T + 1
        )

    def scores(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        shares = self._shares(histories)
        known = np.flatnonzero(shares.sum(axis=1))
        shares = shares[known]
        scores = np.full((len(histories), len(self._rows)), -np.inf, dtype=np.float32)
        alike = self._alike(shares @ self._arrays["titles"], shares @ self._arrays["descriptions"])
        scores[np.ix_(known, self._arrays["rows"])] = alike + shares @ self._corrections
        return scores

    def _shares(self, histories: Sequence[np.ndarray]) -> "csr_array":
        """Shape [histories, items with text]: the weights of each history's items, of sum 1 where there are any."""
        from scipy.sparse import coo_array

        place = np.full(len(self._rows), -1)
        place[self._arrays["rows"]] = np.arange(len(self._arrays["rows"]))
        read = [place[history][place[history] >= 0][-self.longest :] for history in histories]
        weights = [self.decay ** np.arange(len(items) - 1, -1, -1, dtype=np.float64) for items in read]
        shares = np.concatenate([np.zeros(0), *(of_one / of_one.sum() for of_one in weights if len(of_one))])
        owners = np.repeat(np.arange(len(read)), list(map(len, read)))
        places = (owners, np.concatenate([np.zeros(0, dtype=np.int64), *read]))
        return coo_array((shares.astype(np.float32), places), shape=(len(read), len(self._arrays["rows"]))).tocsr()

    def weights(self) -> list[str]:
        return [self.model]

    def save(self, folder: Path) -> None:
        from scipy.sparse import save_npz

        super().save(folder)
        for name, array in self._arrays.items():
            np.save(folder / f"{name}.npy", array)
        save_npz(folder / "corrections.npz", self._corrections)
        (folder / "facts.json").write_text(json.dumps(self._facts))

    def load(self, folder: Path) -> None:
        from scipy.sparse import load_npz

        super().load(folder)
        self._arrays = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in _ARRAYS}
        self._corrections = load_npz(folder / "corrections.npz")
        self._facts = json.loads((folder / "facts.json").read_text())

    def facts(self) -> dict[str, Any]:
        return self._facts


def _vectors(model: "TextPairs", texts: "CatalogueTexts", pairs: np.ndarray) -> np.ndarray:
    """Shape [2, pairs, dimension], of the texts whose numbers `pairs` has, of shape [2, pairs]."""
    parts = []
    for start in range(0, pairs.shape[1], _AT_ONCE):
        numbers = pairs[:, start : start + _AT_ONCE].tolist()
        parts.append(np.stack(model.vectors(*([texts.states.of(one) for one in part] for part in numbers))))
    return np.concatenate(parts, axis=1)


def nearest_pairs(scores: np.ndarray, most: int) -> np.ndarray:
    """Shape [pairs, 2]: each pair of different items of which one is among the other's `most` nearest, once."""
    scores = scores.copy()
    np.fill_diagonal(scores, -np.inf)
    near = np.argsort(-scores, axis=1, kind="stable")[:, : min(most, len(scores) - 1)]
    asked = np.repeat(np.arange(len(scores)), near.shape[1])
    return np.unique(np.sort(np.stack([asked, near.reshape(-1)], axis=1), axis=1), axis=0)
