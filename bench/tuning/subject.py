"""What a search tries: a system, what it is fitted on and what judges it; all that a process needs to try options."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.collections.collection import Collection, Rules, read_collection
from bench.retriever import Retriever
from bench.runner.plan import construct, open_task
from bench.settings import merge, nest
from bench.suite import SystemEntry, TaskEntry
from bench.tasks import Task
from bench.tasks.exam import Exam


@dataclass(frozen=True)
class Subject:
    """One system on one collection.

    entry: the system, with the options that all trials share
    collection, folder, rules: what is fitted on, without the split `test`
    split: judges, asked by the task
    plugin_files: whose retrievers and tasks are used too
    """

    entry: SystemEntry
    seed: int
    device: str | None
    collection: str
    folder: Path
    rules: Rules
    split: str
    task: TaskEntry
    plugin_files: tuple[Path, ...] = ()

    def system(self, options: Mapping[str, Any]) -> Retriever:
        """The system with the options of a trial. Raises BenchError for values that it does not accept."""
        chosen = merge(nest(self.entry.options), nest(options))
        return construct(self.entry.model_copy(update={"options": chosen}), self.seed, self.device)

    def opened_task(self) -> Task:
        """The task that asks."""
        return open_task(self.task.task, self.task.options)

    def exam(self, collection: Collection) -> Exam:
        """What is asked and judged, of the split that judges."""
        rules = collection.rules.model_copy(update={"split": self.split})
        return self.opened_task().on(replace(collection, rules=rules))

    def opened(self) -> Collection:
        """The collection. Raises BenchError if its folder is damaged."""
        return read_collection(self.folder, self.collection, self.rules)
