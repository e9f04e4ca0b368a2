"""Where collections come from. A source reads its documents, queries and judgements into a writer."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from bench.collections.writer import CollectionWriter
from bench.options import Options
from bench.progress import Progress


class Source(Options, ABC):
    """A kind of source, such as a BEIR folder. Its options follow its name: `limit?documents=50000`."""

    name: ClassVar[str] = ""
    """How it is called where it is registered from a file; empty: by the name of its class."""

    argument: ClassVar[str | None] = None
    """The option that the text after the colon fills: `beir:FOLDER`."""

    rules: ClassVar[dict[str, Any]] = {}
    """Where this source's reading differs from the defaults of `bench.collections.collection.Rules`."""

    layout: ClassVar[str] = ""
    """What a folder of this kind holds, for whoever gives another one."""

    @classmethod
    def recognises(cls, folder: Path) -> bool:  # noqa: ARG003
        """Whether a folder that is given without a source's name is one of this kind."""
        return False

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What the content depends on besides the options: file sizes and times, installed versions.

        Quick to compute: as long as it stays the same, the parsed collection is taken from the cache.
        Raises BenchError when the source is not there.
        """

    @abstractmethod
    def read(self, writer: CollectionWriter, progress: Progress) -> None:
        """Write all documents, then all queries, then all judgements. Raises BenchError for bad input."""
