"""Peak memory and time of a cell over any number of short documents: a table, one line for each step.

    python tests/speed/million_documents.py --documents 10000 100000 1000000 --systems bm25 sbert splade

Every step is a process of its own, as in a run. `peak` is all that it held at once, libraries and the pages of
memory-mapped files included.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from bench.collections.catalogue import open_dataset
from bench.collections.collection import Collection
from bench.retriever import Retriever, construct
from bench.runner.cost import PeakMemory
from bench.runner.fitting import bound_threads
from bench.runner.plan import open_task
from bench.store import folder_bytes

MOST_MB = 4000.0
"""Of any step over a million documents."""


class Step(NamedTuple):
    """What a step took: `processor_seconds` of all its threads and workers; `disk_mb` of what it left."""

    system: str
    documents: int
    step: str
    seconds: float
    processor_seconds: float
    peak_mb: float
    disk_mb: float


class Place(NamedTuple):
    """Where one corpus, the encoders and the indexes lie, and what may compute at once."""

    folder: Path
    documents: int
    threads: int = 1
    workers: int = 1
    shards: int = 1

    @property
    def corpus(self) -> Path:
        return self.folder / f"corpus-{self.documents}"

    def index(self, system: str) -> Path:
        return self.folder / f"index-{system}-{self.documents}"

    def collection(self) -> Collection:
        return open_dataset(f"beir:{self.corpus}").collection

    def system(self, name: str) -> Retriever:
        """One by its name; `splade-index` is splade without an encoder, whose time grows like any other's."""
        encoders: dict[str, dict[str, Any]] = {
            "sbert": {"model": str(self.folder / "encoder"), "workers": self.workers},
            "colbert": {"model": str(self.folder / "encoder"), "storage": "float16", "workers": self.workers},
            "splade": {"model": str(self.folder / "sparse-encoder"), "query_words": 8, "workers": self.workers},
        }
        kind = name.removesuffix("-index")
        given = encoders[name] | {"device": "cpu", "encoding_batch": 256} if name in encoders else {}
        system = construct(kind, given | {"shards": self.shards})
        if kind != name:
            import made_corpus

            vars(system)["encoder"] = made_corpus.MadeWeights()
        return system


def read(place: Place, _: str) -> float:
    place.collection()
    return folder_bytes(Path(os.environ["BENCH_CACHE"]) / "collections")


def fit(place: Place, name: str) -> float:
    system: Any = place.system(name).fit(place.collection())
    place.index(name).mkdir(exist_ok=True)
    system.save(place.index(name))
    return folder_bytes(place.index(name))


def search(place: Place, name: str) -> float:
    exam = open_task("search", {}).on(place.collection())
    system: Any = place.system(name)
    system.load(place.index(name))
    exam.evaluate(system.retrieve(exam.queries, exam.reach))
    return 0.0


STEPS: dict[str, Callable[[Place, str], float]] = {"read": read, "fit": fit, "search": search}


def measure(system: str, place: Place, step: str) -> Step:
    """Do a step in a process of its own."""
    given = json.dumps([system, step, str(place.folder), *place[1:]])
    own = {"BENCH_CACHE": str(place.folder / "cache"), "OMP_NUM_THREADS": str(place.threads)}
    done = subprocess.run(
        [sys.executable, __file__, "--one", given], env=os.environ | own, check=True, stdout=subprocess.PIPE
    )
    return Step(system, place.documents, step, *json.loads(done.stdout.splitlines()[-1]))


def _here(system: str, step: str, folder: str, *given: int) -> None:
    place = Place(Path(folder), *given)
    bound_threads(place.threads)
    memory, start, worked = PeakMemory(), perf_counter(), sum(os.times()[:4])
    left = STEPS[step](place, system)
    print(json.dumps([perf_counter() - start, sum(os.times()[:4]) - worked, memory.peak, left / 1e6]))


def measured(
    place: Place, systems: Sequence[str], steps: Sequence[str] = ("read", "fit", "search")
) -> Iterator[Step]:
    """Write a corpus and the encoders, unless they are there, and measure each step as it comes."""
    import made_corpus

    if not place.corpus.is_dir():
        made_corpus.write_beir(place.corpus, place.documents)
    if not (place.folder / "encoder").is_dir():
        made_corpus.write_encoder(place.folder / "encoder")
        made_corpus.write_sparse_encoder(place.folder / "sparse-encoder")
    if "read" in steps:
        yield measure("-", place, "read")
    for system, step in product(systems, ("fit", "search")):
        if step in steps:
            yield measure(system, place, step)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--systems", nargs="+", default=["bm25", "sbert", "splade"])
    parser.add_argument("--steps", nargs="+", default=list(STEPS), choices=list(STEPS))
    for name in ("threads", "workers", "shards"):
        parser.add_argument(f"--{name}", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="keep corpus and indexes there, for steps to come")
    given = parser.parse_args()
    print(f"{'system':8} {'documents':>10} {'step':7} {'seconds':>8} {'processor':>9} {'peak MB':>8} {'disk MB':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for documents in given.documents:
            place = Place(given.folder or Path(folder), documents, given.threads, given.workers, given.shards)
            for one in measured(place, given.systems, given.steps):
                figures = f"{one.seconds:8.1f} {one.processor_seconds:9.1f} {one.peak_mb:8.0f} {one.disk_mb:8.1f}"
                print(f"{one.system:8} {one.documents:10,} {one.step:7} {figures}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        _here(*json.loads(sys.argv[2]))
    else:
        main()
