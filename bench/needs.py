"""What a cell needs of the machine that works on it."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.errors import BenchError
from bench.options import plain


class Needs(BaseModel):
    """Cores, accelerators and memory; None is what the executor gives to a cell that asks for nothing.

    cpus: also the threads that the cell computes with
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cpus: int | None = Field(None, ge=1)
    gpus: float | None = Field(None, ge=0)
    memory_gb: float | None = Field(None, gt=0)

    def over(self, others: "Needs") -> "Needs":
        """These, and those of others where these say nothing."""
        return Needs(**{**others.model_dump(exclude_none=True), **self.model_dump(exclude_none=True)})


def needs_of(given: Mapping[str, Any]) -> Needs:
    """From `cpus=4` and the like. Raises BenchError for what is no need."""
    try:
        return Needs.model_validate(dict(given))
    except ValidationError as error:
        raise BenchError(f"--needs {plain(error.errors()[0])}; write cpus=4, gpus=1 or memory_gb=16") from None
