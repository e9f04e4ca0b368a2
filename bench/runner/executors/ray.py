"""Runs cells as tasks of Ray, on a cluster or on this machine: each has the cores, GPUs and memory that it needs.

A task is a stream of what `bench.runner.life` tells on the node that works on the cell; its record goes to the store,
which all nodes reach. Only a node that is lost is a reason to try a cell again.
"""

import os
import signal
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from multiprocessing.connection import wait
from typing import Any

from bench.cells.folder import is_cell
from bench.cells.key import harness_parts
from bench.cells.place import open_store
from bench.cells.record import Problem
from bench.cells.stores import CELLS
from bench.errors import BenchError, MissingExtra
from bench.machine import usable_cores
from bench.runner.cell import Setting
from bench.runner.cost import Stopwatch
from bench.runner.events import Ended, Event, Order, Remarked
from bench.runner.life import GRACE, CellLife, is_neural, none_left_at_work, record_failure
from bench.runner.plan import Cell
from bench.runner.worker import fork_context

_TICK = 0.2
_TRIES = 3
"""How many nodes may be lost under one cell."""

_WORKER = "ray._private.workers.default_worker"
"""The main module of a worker of Ray, which processes that it starts import again."""

_OBJECTS = 100_000_000
"""Bytes of Ray's object store on a machine of our own: what cells say is small, and records go to the store."""


@dataclass(frozen=True)
class RayExecutor:
    """As many cells at a time as have room, or `jobs`.

    address: of a cluster, as `auto` on one of its nodes or HOST:6379; without one, and without $RAY_ADDRESS, Ray is
        started on this machine and ended with the run
    """

    address: str = ""
    jobs: int | None = None

    def __post_init__(self) -> None:
        if find_spec("ray") is None:
            raise MissingExtra("--executor ray", "ray")
        if self.address.startswith("ray://"):
            raise BenchError(
                "--ray-address ray://... passes no progress on; run the command on a node of the cluster, with "
                "--ray-address auto"
            )

    def run(self, cells: Sequence[Cell], order: Order) -> Generator[tuple[Cell, Event]]:
        with _connected(self.address or os.environ.get("RAY_ADDRESS", "")) as (ray, own):
            cluster = _Cluster(ray, order, is_neural(cells), grows=not own)
            waiting, placed = list(cells), list[_Placed]()
            with _none_left_at_work(ray, placed):
                while waiting or placed:
                    while waiting and len(placed) < (self.jobs or len(cells)):
                        yield from cluster.place(waiting.pop(0), placed)
                    for one in _with_news(ray, placed):
                        for event in cluster.heard(one, placed):
                            yield one.cell, event


@dataclass(eq=False)
class _Placed:
    """A cell that Ray was given; `node` is where it is worked on, once that is known."""

    cell: Cell
    stream: Any
    node: str = ""
    lost: int = 0
    watch: Stopwatch = field(default_factory=Stopwatch)


def _with_news(ray: Any, placed: Sequence[_Placed]) -> list[_Placed]:
    """Those whose stream has an item, or has ended."""
    if not placed:
        return []
    streams = [one.stream for one in placed]
    ready, _ = ray.wait(streams, num_returns=len(streams), timeout=_TICK, fetch_local=False)
    return [one for one in placed if one.stream in ready]


class _Cluster:
    """Gives cells to Ray and takes what it says of them."""

    def __init__(self, ray: Any, order: Order, neural: bool, grows: bool) -> None:
        self._ray, self._order, self._grows = ray, order, grows
        self._task = ray.remote(num_returns="streaming", max_retries=0)(_work)
        self._given = (order.store.address, order.fresh, order.argv, neural)

    def place(self, cell: Cell, placed: list[_Placed], lost: int = 0) -> Iterator[tuple[Cell, Event]]:
        wanted = _resources(cell)
        if not any(_has(node, wanted) for node in self._ray.nodes()):
            asked = ", ".join(f"{name} {amount:g}" for name, amount in wanted.items() if amount)
            if not self._grows:
                yield cell, self._failed(cell, Problem("error", f"this machine does not have what it needs: {asked}"))
                return
            yield cell, Remarked(f"no node has what {cell.system} needs ({asked}); it waits until one joins")
        options = {"num_cpus": wanted["CPU"], "num_gpus": wanted["GPU"], "memory": wanted["memory"]}
        placed.append(_Placed(cell, self._task.options(**options).remote(cell, *self._given), lost=lost))

    def heard(self, one: _Placed, placed: list[_Placed]) -> Iterator[Event]:
        """The next item of a stream. Whoever ended leaves `placed`; a cell whose node was lost is placed again."""
        from ray import exceptions

        try:
            said = self._ray.get(next(one.stream))
        except StopIteration:
            placed.remove(one)
        except exceptions.NodeDiedError:
            placed.remove(one)
            yield from self._lost(one, placed)
        except (exceptions.RayError, BenchError) as error:
            placed.remove(one)
            yield self._failed(one.cell, _problem(error), one.watch.seconds)
        else:
            if isinstance(said, str):
                one.node = said
            else:
                yield said

    def _lost(self, one: _Placed, placed: list[_Placed]) -> Iterator[Event]:
        where = f"the node {one.node[:8]} was lost while it worked on {one.cell.system}"
        if one.lost + 1 >= _TRIES:
            problem = Problem("interrupted", f"{where}, the last of {_TRIES}; the same command goes on")
            yield self._failed(one.cell, problem, one.watch.seconds)
        else:
            yield Remarked(f"{where}; another goes on")
            yield from (event for _, event in self.place(one.cell, placed, one.lost + 1))

    def _failed(self, cell: Cell, problem: Problem, seconds: float = 0.0) -> Ended:
        """Record what no worker can, because it is gone or was none."""
        store = self._order.store
        try:
            with store.claim(cell.folder):
                record_failure(cell, problem, seconds)
                store.put(cell.folder)
        except BenchError:  # a lease of the worker that is gone; the record is for this run alone
            if not is_cell(cell.folder):
                record_failure(cell, problem, seconds)
        return Ended(seconds, str(problem))


def _resources(cell: Cell) -> dict[str, float]:
    """What Ray sets aside for a cell; a core where it does not say."""
    needs = cell.needs
    return {
        "CPU": float(needs.cpus or 1),
        "GPU": needs.gpus or 0.0,
        "memory": float(int((needs.memory_gb or 0.0) * 1e9)),
    }


def _has(node: dict[str, Any], wanted: dict[str, float]) -> bool:
    return node["Alive"] and all(node["Resources"].get(name, 0) >= amount for name, amount in wanted.items())


def _problem(error: Exception) -> Problem:
    """What it means that a task ended without a word of its own."""
    from ray import exceptions

    if isinstance(error, exceptions.OutOfMemoryError):
        return Problem("out of memory", "Ray ended it because its node ran out of memory; give it needs.memory_gb")
    if isinstance(error, exceptions.WorkerCrashedError):
        return Problem("crashed", "the worker of Ray that watched over it ended; see Ray's logs on its node")
    return Problem("error", " ".join(str(error).split())[-500:] or type(error).__name__)


def _work(cell: Cell, address: str, fresh: bool, argv: tuple[str, ...], neural: bool) -> Generator[str | Event]:
    """Body of a task: the node, then what becomes of the cell there. The store's folder may be another one here."""
    import ray

    yield ray.get_runtime_context().get_node_id()
    store = open_store(address)
    here = _made_at_home(cell.below(store.folder / CELLS))
    setting = Setting(cell.needs.cpus or 1, argv)
    life = CellLife(here, Order(store, fresh, argv), setting, fork_context(neural, _WORKER))
    with none_left_at_work([life]):
        yield from life.begin()
        while not life.over:
            wait(life.handles, timeout=_TICK)
            yield from life.step()


def _made_at_home(cell: Cell) -> Cell:
    """The cell with its collection, which a node that does not have it parses itself.

    A node with other code or versions would give other answers under the same key.
    """
    if cell.problem:
        return cell
    planned, here = cell.identity.key_parts, harness_parts()
    differing = sorted(name for name in here["versions"] if here["versions"][name] != planned["versions"].get(name))
    if differing or here["harness"] != planned["harness"]:
        what = ", ".join(differing) or "the harness's code"
        reason = f"this node of Ray has another version of {what} than the run was planned with; install the same"
        return replace(cell, problem=Problem("error", reason))
    if cell.collection_folder.is_dir():
        return cell
    from bench.collections.catalogue import open_dataset

    try:
        dataset = open_dataset(cell.dataset)
    except BenchError as error:
        return replace(cell, problem=Problem("bad input", str(error)))
    if dataset.collection.fingerprint != cell.identity.fingerprint:
        reason = f"{cell.dataset} has other content on this node; give all nodes the same files and versions"
        return replace(cell, problem=Problem("bad input", reason))
    return replace(cell, collection_folder=dataset.folder)


@contextmanager
def _connected(address: str) -> Iterator[tuple[Any, bool]]:
    """Ray as it runs in this process already, on a cluster, or started here; and whether it is the last."""
    import ray

    if ray.is_initialized():
        yield ray, False
        return
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    own = {"num_cpus": len(usable_cores()), "object_store_memory": _OBJECTS, "include_dashboard": False}
    try:
        with _kept_signal():
            ray.init(address=address, **quiet) if address else ray.init(address="local", **own, **quiet)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        where = f"no Ray answers at {address}" if address else "Ray cannot be started here"
        raise BenchError(f"{where}: {' '.join(str(error).split())}; see `ray status`") from error
    try:
        yield ray, not address
    finally:
        ray.shutdown()


@contextmanager
def _kept_signal() -> Iterator[None]:
    """Ray has SIGTERM end the process at once; here it is to end the run in order."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


@contextmanager
def _none_left_at_work(ray: Any, placed: list[_Placed]) -> Iterator[None]:
    """Whatever ends the block, nothing works on behind it: each task is asked to end, and after a while made to."""
    try:
        yield
    finally:
        from ray import exceptions

        for one in placed:
            ray.cancel(one.stream)
        watch = Stopwatch()
        while placed and watch.seconds < GRACE + 1:
            for one in _with_news(ray, placed):
                try:
                    ray.get(next(one.stream))
                except (StopIteration, exceptions.RayError):
                    placed.remove(one)
        for one in placed:
            ray.cancel(one.stream, force=True)
