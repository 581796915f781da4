"""LSTM with attention over its last states, forecast row by row. Hochreiter & Schmidhuber 1997."""

from dataclasses import dataclass
from typing import Any, Self

from flowsense.nn.net import Net, Shape, ensure_shared, needs_torch


@dataclass(frozen=True, slots=True)
class Lstm(Net):
    """Two layers of 64 unless told otherwise, which learn a day in minutes on one core."""

    history: int = 32  # states that attention looks back on
    asked: int = 64
    batch: int = 24
    layers: int = 2
    units: int = 64
    heads: int = 8
    decay: float = 0.3
    dropout: float = 0.3

    @classmethod
    def tiny(cls) -> Self:
        return cls(history=4, asked=8, batch=8, epochs=3, epoch=3, layers=1, units=8, heads=2)

    @classmethod
    def published(cls) -> Self:
        """Three layers of 128: four times the time."""
        return cls(layers=3, units=128)

    @property
    def streams(self) -> bool:
        return True

    def __post_init__(self) -> None:
        Net.__post_init__(self)
        ensure_shared("lstm", self.units, self.heads)

    def module(self, shape: Shape) -> Any:
        of = needs_torch("flowsense.nn.architectures.lstm", "lstm")
        return of.LstmNet(
            *shape, layers=self.layers, units=self.units, heads=self.heads, dropout=self.dropout
        )
