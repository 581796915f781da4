"""A causal transformer over rows, seconds and minutes, row by row. Vaswani et al. 2017."""

from dataclasses import dataclass, replace
from typing import Any, Self

from flowsense.errors import InputError
from flowsense.nn.net import Net, Shape, needs_torch

PRESETS = {"small": (4, 128), "base": (6, 256), "large": (6, 512)}  # layers, width


@dataclass(frozen=True, slots=True)
class Transformer(Net):
    """`Transformer.preset("small")`, `"base"` and `"large"` have 4 x 128, 6 x 256 and 6 x 512."""

    history: int = 100  # rows that each layer looks back on
    asked: int = 64
    batch: int = 8
    rate: float = 1e-3
    layers: int = 2
    units: int = 64
    heads: int = 8
    slow: int = 1  # layers of the encoders of seconds and of minutes
    seconds: int = 100  # tokens that are looked back on
    minutes: int = 30
    dropout: float = 0.1

    @classmethod
    def preset(cls, name: str, **more: Any) -> Self:
        """`small`, `base` or `large`. Raises InputError."""
        if name not in PRESETS:
            raise InputError(f"transformer: preset {name!r}: give {', '.join(PRESETS)}")
        layers, units = PRESETS[name]
        return cls(layers=layers, units=units, **more)

    @classmethod
    def tiny(cls) -> Self:
        few = cls(history=4, asked=8, batch=8, epochs=3, epoch=3)
        return replace(few, layers=1, units=8, heads=2, seconds=3, minutes=2)

    @property
    def streams(self) -> bool:
        return True

    @property
    def bands(self) -> tuple[int, ...]:
        return self.seconds, self.minutes

    def module(self, shape: Shape) -> Any:
        of = needs_torch("flowsense.nn.architectures.transformer", "transformer")
        size = of.Size(self.layers, self.units, self.heads, self.slow, self.bands, self.dropout)
        return of.TransformerNet(*shape, size)
