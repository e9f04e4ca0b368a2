"""Folders as retrieval datasets lie on the Hugging Face hub, MTEB's among them."""

from pathlib import Path

from pydantic import Field

from bench.collections.sources.records import FORMATS
from bench.collections.sources.tables import RecordSource
from bench.errors import BenchError

_LAYOUT = (
    "a dataset of the Hugging Face hub holds corpus, queries and qrels (or default), each a folder of .parquet or "
    ".jsonl files, or such a file"
)


class HuggingFace(RecordSource):
    """A folder as retrieval datasets lie on the hub: corpus, queries and qrels (MTEB also writes default).

    Each is a folder of Parquet or JSON lines, or one such file; of qrels the beginning of a file's name, up to a
    hyphen, is the split. `subset` chooses one of several, such as a language, whose parts are called de-corpus or
    corpus-de. What else lies there (top_ranked, instruction, bm25) is not read.
    """

    argument = "folder"
    layout = _LAYOUT

    folder: Path = Field(description="folder that holds corpus, queries and qrels")
    subset: str = Field("", description="of the parts called SUBSET-corpus or corpus-SUBSET; empty: the only one")

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        parts = (("corpus",), ("queries",), ("qrels", "default"))
        found = [any(_files(folder / name) for name in names) for names in parts]
        return all(found) and not any(folder.glob("qrels/*.tsv*"))

    def files(self) -> tuple[list[Path], list[Path], dict[str, list[Path]]]:
        splits: dict[str, list[Path]] = {}
        for path in self._part("qrels", "default"):
            splits.setdefault(path.name.partition(".")[0].partition("-")[0], []).append(path)
        return self._part("corpus"), self._part("queries"), dict(sorted(splits.items()))

    def _part(self, *names: str) -> list[Path]:
        for name in names:
            called = (f"{self.subset}-{name}", f"{name}-{self.subset}") if self.subset else (name,)
            for one in called:
                if found := _files(self.folder / one):
                    return found
        problem = f"lacks {' and '.join(names)}" + (f" of subset {self.subset}" if self.subset else "")
        raise BenchError(f"{self.folder} {problem}; {_LAYOUT}")


def _files(place: Path) -> list[Path]:
    """The files of records in a folder of that name, or the one file that is called so, in order."""
    endings = [*FORMATS, *(f"{end}.gz" for end in FORMATS)]
    if place.is_dir():
        return sorted(path for end in endings for path in place.glob(f"*{end}"))
    return [path for end in endings if (path := place.with_name(place.name + end)).is_file()][:1]
