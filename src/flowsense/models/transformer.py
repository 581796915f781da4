"""A causal transformer over rows, seconds and minutes, row by row. Vaswani et al. 2017."""

from dataclasses import dataclass, replace
from typing import Any, Self

from numpy.typing import ArrayLike

from flowsense.errors import InputError
from flowsense.nn.attention import Attention, attention
from flowsense.nn.net import Net, Shape, ensure_shared, needs_torch
from flowsense.schema import SECOND
from flowsense.tape import Needs, Tape

MINUTE = 60 * SECOND
PRESETS = {"small": (4, 128), "base": (6, 256), "large": (6, 512)}  # layers, width


@dataclass(frozen=True, slots=True)
class Transformer(Net):
    """`Transformer.preset("small")`, `"base"` and `"large"` have 4 x 128, 6 x 256 and 6 x 512."""

    history: int = 100  # rows that each layer looks back on
    asked: int = 64
    batch: int = 8
    rate: float = 3e-3
    layers: int = 3  # the last of which reads seconds and minutes
    units: int = 64
    heads: int = 8
    slow: int = 1  # layers of the encoders of seconds and of minutes, each
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
        return replace(few, layers=2, units=8, heads=2, seconds=3, minutes=2)

    @property
    def streams(self) -> bool:
        return True

    @property
    def needs(self) -> Needs:
        return Needs(history=self.history, back_ns=self.minutes * MINUTE)

    @property
    def bands(self) -> tuple[int, ...]:
        return self.seconds, self.minutes

    def attention(self, state: Any, tape: Tape, rows: ArrayLike) -> Attention:
        """What it reads when it forecasts these rows (R,) of a tape; `state` is that before it.

        `rows` are numbers of rows of this tape, rising; or one. Raises InputError where there is
        no such row, or no fit.
        """
        if self.fitted is None:
            raise InputError("transformer: fit or load it before its attention is read")
        return attention(self.fitted, state, tape, rows)

    def __post_init__(self) -> None:
        Net.__post_init__(self)
        ensure_shared("transformer", self.units, self.heads)
        if self.layers < 2 or self.history < 3 or min(self.bands) < 2:
            raise InputError(
                "transformer: give 2 layers, a history of 3 and 2 seconds and minutes at least"
            )

    def module(self, shape: Shape) -> Any:
        of = needs_torch("flowsense.nn.architectures.transformer", "transformer")
        size = of.Size(self.layers, self.units, self.heads, self.slow, self.bands, self.dropout)
        return of.TransformerNet(*shape, size)
