"""Retrievers that go wrong in one way each, and one that works, as a user's plugin file."""

import ctypes
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection, Query
from bench.rankings import Rankings
from bench.retriever import Retriever
from bench.store import new_folder


class TfIdf(Retriever):
    """Cosine of tf-idf vectors (Salton and Buckley 1988)."""

    family = "sparse"
    min_df: int = Field(1, ge=1, description="drop terms in fewer documents")

    def fit(self, collection: Collection) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self.vectorizer = TfidfVectorizer(min_df=self.min_df)
        self.matrix = self.vectorizer.fit_transform(collection.texts())

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        scores = self.vectorizer.transform(query.text for query in queries) @ self.matrix.T
        return Rankings.from_scores(queries, scores, k)


class RandomOrder(Retriever):
    """A random order, from every generator that a careless plugin may use."""

    def fit(self, collection: Collection) -> None:
        self.size = len(collection)

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        orders = [np.random.permutation(self.size)[:k] for _ in queries]
        return Rankings.from_hits(queries, [(order, -np.arange(len(order), dtype=float)) for order in orders])


class _First(Retriever):
    def fit(self, collection: Collection) -> None:
        self.size = len(collection)

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        return Rankings.from_hits(queries, [([0], [1.0]) for _ in queries])


class PeeksAtTest(_First):
    """Reads the judgements it is to be measured by."""

    def fit(self, collection: Collection) -> None:
        collection.qrels("test")


class GivesNan(_First):
    """Scores that are not numbers."""

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        return Rankings.from_hits(queries, [([0], [float("nan")]) for _ in queries])


class Raises(_First):
    """An ordinary fault."""

    def fit(self, collection: Collection) -> None:
        raise ValueError("the soufflé\ncollapsed")


class IsKilled(_First):
    """Ends as the system's out-of-memory killer ends a process."""

    def fit(self, collection: Collection) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class TakesForever(_First):
    """Never finishes to fit."""

    def fit(self, collection: Collection) -> None:
        while True:
            self.progress("counting sheep", 1, 2)
            time.sleep(0.05)


class CountsFits(_First):
    """Saves its index, and writes down each time it fits."""

    ledger: str = Field(description="file to write to")

    def fit(self, collection: Collection) -> None:
        super().fit(collection)
        with Path(self.ledger).open("a") as file:
            file.write("fit\n")

    def save(self, folder: Path) -> None:
        (folder / "size").write_text(str(self.size))

    def load(self, folder: Path) -> None:
        self.size = int((folder / "size").read_text())

    def facts(self) -> dict[str, Any]:
        return {"size": self.size}


class Saved(CountsFits):
    """Saves what it draws at random from the global generator, and answers by it."""

    ledger: str = Field("", description="file to write to, if any")

    def fit(self, collection: Collection) -> None:
        if self.ledger:
            super().fit(collection)
        self.size = len(collection)
        self.order = np.random.permutation(self.size)

    def save(self, folder: Path) -> None:
        np.save(folder / "order.npy", self.order)

    def load(self, folder: Path) -> None:
        self.order = np.load(folder / "order.npy", allow_pickle=False)
        self.size = len(self.order)

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        orders = [(self.order + len(query.text)) % self.size for query in queries]
        return Rankings.from_hits(queries, [(order[:k], -np.arange(len(order[:k]), dtype=float)) for order in orders])


class LoadsWrongly(Saved):
    """Its `load` gives another order than its `fit`."""

    def load(self, folder: Path) -> None:
        super().load(folder)
        self.order = self.order[::-1].copy()


class DrawsAnew(Retriever):
    """Its order is drawn anew whenever it is asked, and it is not saved."""

    family = "test"

    def fit(self, collection: Collection) -> None:
        self.size = len(collection)

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        orders = [np.random.default_rng().permutation(self.size)[:k] for _ in queries]
        return Rankings.from_hits(queries, [(order, -np.arange(len(order), dtype=float)) for order in orders])


class NeedsMemory(Saved):
    """Holds a known amount of memory to answer."""

    megabytes: int = Field(200, description="how much")

    def fit(self, collection: Collection) -> None:
        self.workplace.shared({"states": self.megabytes}, self._work)
        super().fit(collection)

    def _work(self, folder: Path) -> None:
        time.sleep(0.2)
        np.save(folder / "states.npy", np.ones(300 * 125_000))

    def load(self, folder: Path) -> None:
        super().load(folder)
        self.held = np.ones(self.megabytes * 125_000)


class Remote(Saved):
    """Answers elsewhere."""

    remote = True


class SameForAllSeeds(Saved):
    """Draws nothing."""

    @property
    def deterministic(self) -> bool:
        return True


class ReadsSlowly(Saved):
    """Took 100 seconds to read the questions that it is told of; the answers take none."""

    @contextmanager
    def reading_once(self, queries: Sequence[Query]) -> Iterator[None]:
        self.workplace.reused_seconds += 100
        yield


class ExitsPolitely(_First):
    """Ends its process as if all were well."""

    def fit(self, collection: Collection) -> None:
        raise SystemExit(0)


class ExitsAtOnce(_First):
    """Ends its process without a word."""

    def fit(self, collection: Collection) -> None:
        os._exit(0)


class IgnoresTheEnd(TakesForever):
    """Never finishes to fit, and does not end when it is asked to."""

    def fit(self, collection: Collection) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        super().fit(collection)


class FailsOnProbes(_First):
    """Answers the queries of the collection and none that is made of documents."""

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        if any(":" in query.id for query in queries) or k == 10:
            raise ValueError("too long a question")
        return super().retrieve(queries, k)


class NoRetrieve(Retriever):
    """Forgot half of the interface."""

    def fit(self, collection: Collection) -> None: ...


class RaisesWhenMade(_First):
    """Cannot be constructed."""

    def model_post_init(self, context: Any) -> None:
        raise RuntimeError("no licence found")


class LeavesThread(_First):
    """Works, and starts a thread that never ends and keeps its process."""

    def fit(self, collection: Collection) -> None:
        super().fit(collection)
        threading.Thread(target=time.sleep, args=(1000,)).start()


class HangsOnProbes(Saved):
    """Answers the queries of the collection, and never comes back from one that is made of documents."""

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        while any(":" in query.id for query in queries) or k == 10:
            time.sleep(0.05)
        return super().retrieve(queries, k)


class Reverses(Saved):
    """Puts the list of its questions into another order, and answers each of them."""

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        found = super().retrieve(queries, k)
        if isinstance(queries, list):
            queries.reverse()
        return found


class ReusesArrays(Saved):
    """Writes each answer into the same arrays."""

    _scores: np.ndarray = np.zeros(100_000)

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        found = super().retrieve(queries, k)
        scores = self._scores[: len(found.scores)]
        scores[:] = found.scores
        return Rankings(found.query_ids, found.offsets, found.rows, scores)


class ChangesFolder(Saved):
    """Leaves the working folder for another."""

    away: str = Field(description="the other one")

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        os.chdir(self.away)
        return super().retrieve(queries, k)


class TellsHalf(Saved):
    """Does not know how much there is to do."""

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        self.progress("thinking", 1, None)  # type: ignore[arg-type]
        return super().retrieve(queries, k)


class ClosesOutput(Saved):
    """Closes what others write to."""

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        sys.stdout.close()
        return super().retrieve(queries, k)


class StartsProcess(TakesForever):
    """Never finishes to fit, nor does the process that it starts."""

    def fit(self, collection: Collection) -> None:
        subprocess.Popen(["sleep", "1000"])
        super().fit(collection)


class LacksPackage(_First):
    """Imports what is not installed."""

    def fit(self, collection: Collection) -> None:
        import no_such_package  # noqa: F401


class HasNoMemory(_First):
    """Asks for more than there is."""

    def fit(self, collection: Collection) -> None:
        np.ones((1 << 50,))


class IsAsked(_First):
    """Is ended by somebody else."""

    def fit(self, collection: Collection) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


class Crashes(_First):
    """Reads where there is nothing."""

    def fit(self, collection: Collection) -> None:
        print("about to fall")
        ctypes.string_at(0)


class FillsTheDisk(Saved):
    """Saves more than it is allowed to."""

    def save(self, folder: Path) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
        np.save(folder / "order.npy", np.zeros(1 << 20))


class LearnsInSteps(Saved):
    """Learns in small steps with a checkpoint behind each, and writes down each step that it begins."""

    steps: int = Field(40, description="how many")

    def fit(self, collection: Collection) -> None:
        self.size, done, order = len(collection), 0, np.arange(len(collection))
        kept = self.workplace.checkpoints / "state.npz"
        if kept.is_file():
            with np.load(kept, allow_pickle=False) as state:
                done, order = int(state["done"]), state["order"]
        for step in range(done, self.steps):
            with Path(self.ledger).open("a") as file:
                file.write(f"{step}\n")
            order = np.random.default_rng(step).permutation(order)
            time.sleep(0.01)
            with new_folder(kept.parent) as draft:
                np.savez(draft / "state.npz", done=step + 1, order=order)
            self.progress("learning", step + 1, self.steps)
        self.order = order


class HoldsTheInterpreter(_First):
    """Lets no other thread of its process do anything."""

    def fit(self, collection: Collection) -> None:
        self.progress("counting sheep", 0, 1)
        re.match("(a+)+$", "a" * 60 + "b")
