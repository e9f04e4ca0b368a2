"""Executors: where and when the cells of a run are worked on, see `bench.runner.events.Executor`."""

from collections.abc import Sequence

from bench.errors import UnknownName
from bench.runner.events import Executor

EXECUTORS = ("local", "ray", "slurm")


def make_executor(name: str, jobs: int | None = None, ray_address: str = "", command: Sequence[str] = ()) -> Executor:
    """The executor of that name. Raises UnknownName, and MissingExtra for one whose package is not installed.

    jobs: cells at a time; None is one on this machine, and as many as have room elsewhere
    command: the arguments of `bench run` that make the same plan, for one that starts it anew
    """
    if name == "local":
        from bench.runner.executors.local import LocalExecutor

        return LocalExecutor(jobs or 1)
    if name == "ray":
        from bench.runner.executors.ray import RayExecutor

        return RayExecutor(ray_address, jobs)
    if name == "slurm":
        from bench.runner.executors.slurm import SlurmExecutor

        return SlurmExecutor(tuple(command), jobs)
    raise UnknownName("executor", name, EXECUTORS)
