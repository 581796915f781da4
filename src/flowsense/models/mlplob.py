"""Perceptrons over features and over time, anew for each row. Berti & Kasneci 2025 (MLPLOB)."""

from dataclasses import dataclass
from typing import Any, Self

from flowsense.nn.net import Net, Shape, needs_torch


@dataclass(frozen=True, slots=True)
class Mlplob(Net):
    """`published` has the sizes and the input of the paper."""

    history: int = 48
    layers: int = 3
    units: int = 32
    wider: int = 2  # the layer inside a perceptron
    dropout: float = 0.3

    @classmethod
    def tiny(cls) -> Self:
        return cls(history=4, batch=16, epochs=3, epoch=3, layers=2, units=8)

    @classmethod
    def published(cls, **settings: Any) -> Self:
        """384 rows of the raw book, 3 pairs of layers, 40 units, four times as wide inside."""
        sizes = {"history": 384, "layers": 3, "units": 40, "wider": 4, "book": True}
        return cls(**{**sizes, "antisymmetric": False, "batch": 32, "rate": 3e-4, **settings})

    @property
    def streams(self) -> bool:
        return False

    def module(self, shape: Shape) -> Any:
        of = needs_torch("flowsense.nn.architectures.mlplob", "mlplob")
        sizes = {"layers": self.layers, "units": self.units, "wider": self.wider}
        return of.MlplobNet(*shape, **sizes, dropout=self.dropout)
