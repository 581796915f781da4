"""Perceptrons over features and over time, anew for each row. Berti & Kasneci 2025 (MLPLOB)."""

from dataclasses import dataclass
from typing import Any, Self

from flowsense.nn.net import Net, Shape, needs_torch


@dataclass(frozen=True, slots=True)
class Mlplob(Net):
    """`Mlplob(history=384, units=40, layers=3, book=True)` is the published size and input."""

    history: int = 48
    layers: int = 3
    units: int = 32
    wider: int = 2  # the layer inside a perceptron
    dropout: float = 0.3

    @classmethod
    def tiny(cls) -> Self:
        return cls(history=4, batch=16, epochs=3, epoch=3, layers=2, units=8)

    @property
    def streams(self) -> bool:
        return False

    def module(self, shape: Shape) -> Any:
        of = needs_torch("flowsense.nn.architectures.mlplob", "mlplob")
        sizes = {"layers": self.layers, "units": self.units, "wider": self.wider}
        return of.MlplobNet(*shape, **sizes, dropout=self.dropout)
