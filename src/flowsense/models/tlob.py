"""Attention over time and over features, anew for each row. Berti & Kasneci 2025 (TLOB)."""

from dataclasses import dataclass
from typing import Any, Self

from flowsense.nn.net import Net, Shape, ensure_shared, needs_torch


@dataclass(frozen=True, slots=True)
class Tlob(Net):
    """Reads the raw book of 10 levels, or the columns; `published` has the sizes of the paper."""

    history: int = 32
    book: bool = True
    batch: int = 64
    layers: int = 2  # pairs: one over time, one over features
    units: int = 24
    heads: int = 1
    wider: int = 2  # the layer inside a perceptron

    @classmethod
    def tiny(cls) -> Self:
        return cls(history=4, batch=16, epochs=3, epoch=3, layers=2, units=8)

    @classmethod
    def published(cls, **settings: Any) -> Self:
        """128 rows, 4 pairs of layers, 40 units, one head."""
        sizes = {"history": 128, "layers": 4, "units": 40, "heads": 1, "wider": 4}
        return cls(**{**sizes, "antisymmetric": False, "batch": 32, "rate": 1e-4, **settings})

    @property
    def streams(self) -> bool:
        return False

    def __post_init__(self) -> None:
        Net.__post_init__(self)
        ensure_shared("tlob", self.units, self.heads)
        ensure_shared("tlob", self.history, self.heads, "rows of history")

    def module(self, shape: Shape) -> Any:
        of = needs_torch("flowsense.nn.architectures.tlob", "tlob")
        sizes = {"layers": self.layers, "units": self.units, "heads": self.heads}
        return of.TlobNet(*shape, **sizes, wider=self.wider)
