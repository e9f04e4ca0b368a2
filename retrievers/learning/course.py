"""The record of a training: what each epoch came to, and which one was chosen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True)
class Epoch:
    """number: 0 is the model as it started, which has no loss; figures: on what was held out; seconds: it took."""

    number: int
    loss: float | None
    figures: Mapping[str, float]
    seconds: float


@dataclass
class Course:
    """decided_by: the figure of which the highest chooses the epoch, and the first of equals; None: the last one."""

    decided_by: str | None
    epochs: list[Epoch] = field(default_factory=list)

    @property
    def chosen(self) -> Epoch:
        """The epoch whose weights are kept; there has to be one."""
        if self.decided_by is None:
            return self.epochs[-1]
        return max(self.epochs, key=lambda epoch: epoch.figures[self.decided_by or ""])

    @property
    def seconds(self) -> float:
        """Of all epochs."""
        return sum(epoch.seconds for epoch in self.epochs)

    def as_data(self) -> dict[str, Any]:
        """As JSON-like data: `decided_by`, the number of the chosen epoch, and of each epoch all that is known."""
        return {
            "decided_by": self.decided_by,
            "chosen_epoch": self.chosen.number if self.epochs else None,
            "epochs": [
                {"epoch": epoch.number, "loss": epoch.loss, "seconds": epoch.seconds, **epoch.figures}
                for epoch in self.epochs
            ],
        }

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> Self:
        """Read what `as_data` gave."""
        known = ("epoch", "loss", "seconds")
        epochs = [
            Epoch(
                one["epoch"],
                one["loss"],
                {name: value for name, value in one.items() if name not in known},
                one["seconds"],
            )
            for one in data["epochs"]
        ]
        return cls(data["decided_by"], epochs)
