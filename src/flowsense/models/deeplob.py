"""Convolutions over the levels of the book and an LSTM. Zhang, Zohren & Roberts 2019 (DeepLOB)."""

from dataclasses import dataclass
from typing import Any, Self

from flowsense.errors import InputError
from flowsense.nn.net import Net, Shape, needs_torch


@dataclass(frozen=True, slots=True)
class Deeplob(Net):
    """Reads the raw book of 10 levels; `published` has the sizes of the paper."""

    history: int = 32
    book: bool = True
    batch: int = 64
    filters: int = 8
    mixed: int = 16  # filters of each part of the inception block
    units: int = 32  # of the LSTM

    @classmethod
    def tiny(cls) -> Self:
        return cls(history=4, batch=16, epochs=3, epoch=3, filters=2, mixed=2, units=4)

    @classmethod
    def published(cls, **settings: Any) -> Self:
        """100 rows, 16 and 32 filters, 64 units: 60,691 numbers, and PyTorch's second bias."""
        sizes = {"history": 100, "filters": 16, "mixed": 32, "units": 64}
        return cls(**{**sizes, "antisymmetric": False, "batch": 32, "rate": 1e-3, **settings})

    @property
    def streams(self) -> bool:
        return False

    def module(self, shape: Shape) -> Any:
        if not self.book:
            raise InputError("deeplob: it reads the levels of the book: leave book=True")
        of = needs_torch("flowsense.nn.architectures.deeplob", "deeplob")
        return of.DeeplobNet(*shape, filters=self.filters, mixed=self.mixed, units=self.units)
