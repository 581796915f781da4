"""What one may set, and the record of it that kernels read."""

from dataclasses import asdict, dataclass, field, replace
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.forecast import Regime, Target
from flowsense.risk.anomaly import Anomaly
from flowsense.risk.breaker import Breakers
from flowsense.risk.checked import positive, within
from flowsense.risk.kelly import Kelly
from flowsense.risk.limits import Correlation, Limits

KINDS = ("mid", "barrier", "smoothed")  # a target whose value is in ticks
TERMS = np.dtype(
    [
        *((name, "i8") for name in ("horizon_ns", "barrier", "warmup", "warmup_ns", "quorum")),
        *((name, "i8") for name in ("stale_ns", "cooldown_ns", "halt_ns", "every_ns")),
        *((name, "f8") for name in ("scale", "usual", "least_confidence", "least_reward_risk")),
        *((name, "f8") for name in ("stop", "gain", "width", "width_unit")),
        *((name, "f8") for name in ("fraction", "error", "fee", "spreads")),
        *((name, "f8") for name in ("instrument", "correlated", "total", "drawdown")),
        *((name, "f8") for name in ("least_agreement", "jump", "loss", "rate")),
        *((name, "f8") for name in ("forget_level", "forget_move", "forget_pair")),
    ]
)
UNITS = ("x", "t", "bp")  # of a width, by number
SCALES = {Regime.HIGH_VOLATILITY: 0.5, Regime.VOLATILE: 0.5, Regime.CRISIS: 0.25}  # 1 in others


@dataclass(frozen=True, slots=True)
class Stance:
    """What may differ by regime. Deviations are those of the mid over the horizon."""

    scale: float | None = None  # of the size; None: as the model says, else as SCALES does
    least_confidence: float = 0.65
    least_reward_risk: float = 1.0  # after costs; what a stop may lose counts the costs too
    stop: float = 1.0  # deviations from the mid
    gain: float = 1.0  # deviations beyond the expected move

    def __post_init__(self) -> None:
        within("stance: scale", 1.0 if self.scale is None else self.scale, 0.0, 10.0)
        within("stance: least_confidence", self.least_confidence, 0.0, 1.0)
        within("stance: least_reward_risk", self.least_reward_risk, 0.0, 1_000.0)
        within("stance: gain", self.gain, 0.0, 1_000.0)
        positive("stance: stop", self.stop)


@dataclass(frozen=True, slots=True)
class Costs:
    """Of one way in and out again."""

    fee: float = 0.0  # each way, as a share of the value
    spreads: float = 1.0  # paid in all: 1 takes both ways, 0 rests both ways

    def __post_init__(self) -> None:
        within("costs: fee", self.fee, 0.0, 1.0)
        within("costs: spreads", self.spreads, 0.0, 10.0)


NOTHING = Costs(spreads=0.0)  # is counted by who trades whatever it costs


@dataclass(frozen=True, slots=True)
class Settings:
    target: Target | None = None  # acted on; None: the first whose value is in ticks
    kelly: Kelly = field(default_factory=Kelly)
    limits: Limits = field(default_factory=Limits)
    costs: Costs = field(default_factory=Costs)
    breakers: Breakers = field(default_factory=Breakers)
    anomaly: Anomaly = field(default_factory=Anomaly)
    correlation: Correlation = field(default_factory=Correlation)
    memory: float = 3_000.0  # rows of an instrument until one counts half in its volatility
    stance: Stance = field(default_factory=Stance)
    by_regime: tuple[tuple[str, Stance], ...] = ()  # in place of `stance`

    def __post_init__(self) -> None:
        positive("risk: memory", self.memory)
        known = [str(regime) for regime in Regime]
        for name, _ in self.by_regime:
            if name not in known:
                raise InputError(f"risk: regime {name!r}: give one of {', '.join(known)}")

    def stricter(self, confidence: float | None, agreement: float | None) -> "Settings":
        """With the least confidence and agreement that are asked for; None: as they are."""
        stance, limits = self.stance, self.limits
        if confidence is not None:
            stance = replace(stance, least_confidence=confidence)
        if agreement is not None:
            limits = replace(limits, least_agreement=agreement)
        return replace(self, stance=stance, limits=limits)

    def acted_on(self, targets: tuple[Target, ...]) -> Target:
        """The target of these that signals are made of. Raises InputError."""
        usable = [t for t in targets if t.kind in KINDS]
        names = ", ".join(map(str, usable)) or "nothing whose value is in ticks"
        if self.target is None and not usable:
            raise InputError(f"risk: a model of {names}: signals need {', '.join(KINDS)}")
        if self.target is not None and self.target not in usable:
            raise InputError(f"risk: target {self.target}: the model forecasts {names}")
        return self.target or usable[0]

    def terms(self, target: Target, regimes: tuple[str, ...]) -> NDArray[Any]:
        """(R + 1,) TERMS, one for each regime and the last for rows without one."""
        parts = (self.kelly, self.limits, self.costs, self.breakers, self.anomaly, self.correlation)
        flat = {name: x for part in parts for name, x in asdict(part).items()}
        flat |= of(target) | {
            "forget_level": forgotten(self.anomaly.memory),
            "forget_move": forgotten(self.memory),
            "forget_pair": forgotten(self.correlation.memory),
        }
        by = dict(self.by_regime)
        each = [flat | in_regime(name, by.get(name, self.stance)) for name in (*regimes, "")]
        names = TERMS.names or ()
        return np.array([tuple(one[name] for name in names) for one in each], TERMS)


def in_regime(name: str, stance: Stance) -> dict[str, float]:
    """What kernels know of a stance; a scale that it leaves to the model is no number."""
    usual = {str(regime): scale for regime, scale in SCALES.items()}.get(name, 1.0)
    said = nan if stance.scale is None else stance.scale
    return asdict(stance) | {"scale": said, "usual": usual}


def forgotten(memory: float) -> float:
    """The share forgotten at each step, so that half is left after `memory` of them."""
    return 1.0 - float(2.0 ** (-1.0 / memory))


def of(target: Target) -> dict[str, float]:
    """What kernels know of a target. A barrier without a width is one deviation away."""
    width = target.width
    return {
        "horizon_ns": target.horizon_ns,
        "barrier": int(target.kind == "barrier"),
        "width": width.size if width else 1.0,
        "width_unit": UNITS.index(width.unit) if width else 0,
    }
