"""The recommendation for one row: side, expected move, stop and target, size, and vetoes.

Prices are moves of the mid in ticks. With m the expected move, s the deviation of the mid over
the horizon and c the costs of a way in and out::

    target      m + gain * s from the mid; for a barrier its distance (nearest half tick)
    stop        stop * s from the mid; for a barrier its distance
    reward/risk (target - c) / (stop + c); of a barrier, as far on both sides, nothing is asked but
                that it pays: P(target) (target - c) - P(stop) (stop + c) - P(neither) c > 0
    size        fraction * Kelly * trust * leverage * scale * cushion, at most the limit
"""

from math import floor, isfinite

from flowsense._jit import Record, kernel
from flowsense.forecast import Veto
from flowsense.risk.breaker import NUMBER, PROBABILITY
from flowsense.risk.kelly import bounded, continuous, ternary, trust
from flowsense.risk.limits import leverage
from flowsense.schema import WHOLE

WARMING_UP, UNSURE, DISAGREEMENT, TOO_FEW, POOR_REWARD = map(int, list(Veto)[:5])
EXPOSURE, CORRELATED, OVERDRAWN, OPEN, NOT_TRADING, TOO_SMALL = map(int, list(Veto)[5:])
CREDIBLE = 3.0  # deviations: what a forecast says beyond them is not believed
DISTANT = 2.0**52  # ticks: no stop is farther


@kernel
def judged(c: Record, t: Record, confidence: float) -> int:
    """Vetoes by what is known of the row alone."""
    found = 0 if c.ready else WARMING_UP
    found |= 0 if confidence >= t.least_confidence else UNSURE
    found |= 0 if c.agreement >= t.least_agreement else DISAGREEMENT
    found |= 0 if c.members >= t.quorum else TOO_FEW
    found |= 0 if c.state == WHOLE else NOT_TRADING
    return int(found)


@kernel
def towards(c: Record) -> int:
    """The side, or 0 where numbers cannot be, the forecast warms up, or it has none."""
    usable = c.ready != 0 and c.trips & (NUMBER | PROBABILITY) == 0 and c.sigma > 0.0
    return (int(c.up > c.down) - int(c.up < c.down)) if usable and c.state == WHOLE else 0


@kernel
def width(c: Record, t: Record) -> float:
    """Distance of a barrier, ticks."""
    if t.width_unit == 0:
        return float(t.width * c.sigma)
    return float(t.width if t.width_unit == 1 else t.width * 1e-4 * 0.5 * c.mid2)


@kernel
def halves(ticks: float) -> int:
    """The nearest distance that a mid can move, at least the least."""
    return max(floor(min(2.0 * ticks, DISTANT) + 0.5), 1)


@kernel
def kelly(c: Record, t: Record, m: float, win: float, lose: float, cost: float) -> float:
    """The share of the capital; m, win, lose and cost in ticks, the cost not yet taken off."""
    mid, more, less = 0.5 * c.mid2, max(c.up, c.down), min(c.up, c.down)
    edge = trust((more - less) / (more + less), 2.0 * t.error)
    if t.barrier:
        share = ternary(more, less, (win - cost) / mid, (lose + cost) / mid, cost / mid)
    else:
        share = continuous((m - cost) / mid, (c.sigma / mid) * (c.sigma / mid))
    return float(t.fraction * edge * share)


@kernel
def scaled(c: Record, t: Record) -> float:
    """Of a position in this regime: as set, else as the model says, else what is usual."""
    if isfinite(t.scale):
        return float(t.scale)
    return min(max(float(c.scale), 0.0), 1.0) if isfinite(c.scale) else float(t.usual)


@kernel
def propose(c: Record, t: Record, left: float, out: Record) -> None:
    """Writes what would be done with `left` of the cushion, were nothing else held."""
    out.ts, out.instrument, out.horizon = c.ts, c.instrument, t.horizon_ns
    side, moved = towards(c), c.up + c.down
    confidence = min(max(c.up, c.down) / moved, 1.0) if side != 0 else 0.0
    out.side, out.confidence, out.vetoes = side, confidence, judged(c, t, confidence)
    if side == 0:
        return
    m, mid = min(max(side * c.value, 0.0), CREDIBLE * c.sigma), 0.5 * c.mid2
    cost = t.spreads * c.spread + 2.0 * t.fee * mid
    win = width(c, t) if t.barrier else m + t.gain * c.sigma
    lose = width(c, t) if t.barrier else t.stop * c.sigma
    up, down = halves(win), halves(lose)
    up, down = (up, min(down, c.mid2)) if side > 0 else (min(up, c.mid2), down)
    out.target2, out.stop2 = c.mid2 + side * up, c.mid2 - side * down
    win, lose = 0.5 * up, 0.5 * down
    out.magnitude, out.reward_risk = m, max(win - cost, 0.0) / (lose + cost)
    share = kelly(c, t, m, win, lose, cost)
    if not (share > 0.0 and (t.barrier != 0 or out.reward_risk >= t.least_reward_risk)):
        out.vetoes |= POOR_REWARD
    size = bounded(share * leverage(confidence) * scaled(c, t) * left, t.instrument)
    out["size"] = size  # not `.size`, which plain Python takes for the array's own
