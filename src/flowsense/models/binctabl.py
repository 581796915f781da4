"""Bilinear layers with attention over time, on a window normalised by itself. Tran et al. 2021."""

from dataclasses import dataclass
from typing import Any, Self

from flowsense.nn.net import Net, Shape, needs_torch


@dataclass(frozen=True, slots=True)
class Binctabl(Net):
    """Reads the raw book of 10 levels, or the columns; `published` is the paper's, of 10 rows."""

    history: int = 10
    book: bool = True
    first: tuple[int, int] = (60, 10)  # features and rows that the first layer leaves
    second: tuple[int, int] = (120, 5)

    @classmethod
    def tiny(cls) -> Self:
        return cls(history=4, batch=16, epochs=3, epoch=3, first=(8, 4), second=(8, 2))

    @classmethod
    def published(cls, **settings: Any) -> Self:
        """C(TABL) on 10 rows: 11,446 numbers for one target of the book."""
        return cls(**{"antisymmetric": False, "batch": 128, "rate": 1e-3, **settings})

    @property
    def streams(self) -> bool:
        return False

    def module(self, shape: Shape) -> Any:
        of = needs_torch("flowsense.nn.architectures.binctabl", "binctabl")
        return of.BinctablNet(*shape, first=self.first, second=self.second)
