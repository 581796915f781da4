"""Labels: what comes after `known_at` changes none, and none can be told from a random walk's past.

The walk needs no model: its past says nothing of its future, so a label that can be told from it
holds some of the past. That is no look-ahead, but every score on it counts the label's own memory
as skill (Zhang, Zohren & Roberts 2019 define one; `flowsense.evaluate.walk` prices it).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.features.catalogue import spec
from flowsense.forecast import FLAT, Target, spell
from flowsense.labels import Labels, join
from flowsense.labels.stages import Stages
from flowsense.schema import (
    CLEAR,
    EVENT,
    LAST,
    MILLISECOND,
    SECOND,
    SET,
    SNAPSHOT,
    Chunk,
    Decimal,
    Events,
    Instrument,
)
from flowsense.testing.labels import Bench, LabelStage, check_labels
from flowsense.testing.leaks.findings import Finding, found
from flowsense.testing.streams import tape_of

KNOWN, WALK = "known_at", "walk"
STEPS = 40  # of the walk in one horizon
ROWS = 1_500  # two horizons apart, so that no two labels share a move
OFTEN = 16  # horizons in the stream that `known_at` is checked on
START = 20_000  # ticks; a basis point is two
SURE = 5.0  # deviations: one honest label in 600,000 is called a leak, with three rules
LONGEST = 30 * SECOND  # of a horizon that is walked; a longer one is walked as this
PLACE = Instrument("WALK", "coin", Decimal(1, -2), Decimal(1, 0))


def check_label(
    target: Target,
    instruments: tuple[Instrument, ...],
    stream: Chunk,
    seed: int = 0,
    stage: LabelStage | None = None,
) -> list[Finding]:
    """Of one label: `check_labels`, then the walk. `stage` is asked in place of `Stages`."""

    def known() -> str:
        short, events, features = shortened(target, stream), stream.events, spec(("depth",))
        asked = stage or Stages((short,))
        if not Bench(asked, features, instruments).labels(events).valid.any():
            return "not judged: the stream is too short for any label"
        check_labels(asked, features, instruments, events, seed)
        return f"{len(events)} events, horizon {spell(short.horizon_ns)}"

    return [
        found(KNOWN, str(target), known),
        found(WALK, str(target), lambda: check_walk(target, seed, stage)),
    ]


def shortened(target: Target, stream: Chunk) -> Target:
    """With a horizon that goes into the stream often enough, so that its rows have labels."""
    span = int(np.ptp(stream.events["ts_recv"][[0, -1]]))
    longest = max(span // OFTEN // MILLISECOND, 1) * MILLISECOND
    return target._replace(horizon_ns=min(target.horizon_ns, longest))


def check_walk(target: Target, seed: int = 0, stage: LabelStage | None = None) -> str:
    """On a driftless random walk no rule of its past tells the label. Raises AssertionError."""
    horizon = target.horizon_ns if stage else min(target.horizon_ns, LONGEST)
    if horizon != target.horizon_ns:
        target = target._replace(horizon_ns=horizon)
    labels, past = walked(target, stage or Stages((target,)), seed)
    valid = labels.valid[:, 0]
    y, seen = labels.y[valid, 0].astype(np.float64), past.of(valid)
    n = len(y)
    assert n > ROWS // 4, f"only {n} of {len(valid)} rows of a random walk have a label"
    for name, x in seen._asdict().items():
        side, rule = (np.sign(y - FLAT), np.sign(x)) if target.directed else (y, np.abs(x))
        r = correlation(side, rule)
        if abs(r) * n**0.5 > SURE:
            raise AssertionError(told(target, name, side, rule, r))
    return f"{n} rows of a random walk, horizon {spell(horizon)}"


def told(
    target: Target, name: str, side: NDArray[np.float64], rule: NDArray[np.float64], r: float
) -> str:
    what = RULES[name]
    if not target.directed:
        return f"on a random walk the size of {what} has a correlation of {r:.2f} with it"
    both = (side != 0) & (rule != 0)
    hit = float((side[both] == np.sign(r) * rule[both]).mean())
    return (
        f"on a random walk the sign of {what} tells {hit:.0%} of {int(both.sum())} sides, "
        "where .50 is chance: part of the label is past"
    )


class Past(NamedTuple):
    """(n,) each; ticks."""

    place: NDArray[np.float64]
    move: NDArray[np.float64]
    step: NDArray[np.float64]

    def of(self, which: NDArray[np.bool_]) -> "Past":
        return Past(*(x[which] for x in self))


RULES = {
    "place": "mid - mean mid of the last horizon",
    "move": "the move over the last horizon",
    "step": "the last move",
}


def walked(target: Target, stage: LabelStage, seed: int) -> tuple[Labels, Past]:
    """Labels of rows on a random walk, and what its past says at each."""
    step = max(target.horizon_ns // STEPS, 1)
    events, mid = walk(step, 2 * STEPS * (ROWS + 8), seed)
    clock = f"interval:{spell(2 * target.horizon_ns)}"
    tape = tape_of(spec(("depth",), (clock,)), (PLACE,), events)
    state, done = stage.fold(stage.init(), tape)
    labels, ts = join([done, stage.close(state)]), tape.rows[0].ts
    at = (ts - 1 - int(events["ts_recv"][0])) // step  # the last step before the row
    back = np.maximum(at[:, None] - np.arange(STEPS + 1), 0)
    window = mid[back].astype(np.float64)
    return labels, Past(
        window[:, 0] - window.mean(axis=1),
        window[:, 0] - window[:, -1],
        window[:, 0] - window[:, 1],
    )


def walk(step_ns: int, steps: int, seed: int) -> tuple[Events, NDArray[np.int64]]:
    """One level a side that goes up or down a tick at every step, and its mid in ticks."""
    rng = np.random.default_rng(seed)
    mid = START + np.r_[0, rng.choice((-1, 1), steps).cumsum()]
    out = np.zeros((steps + 1, 4), EVENT)
    before = np.r_[mid[:1], mid[:-1]]
    for k, (price, side, lots) in enumerate(
        ((before - 1, 1, 0), (before + 1, -1, 0), (mid - 1, 1, 5), (mid + 1, -1, 5))
    ):
        out["price"][:, k], out["side"][:, k], out["lots"][:, k] = price, side, lots
    out["action"], out["bits"][:, -1] = SET, LAST
    out["ts_recv"] = out["ts_event"] = (SECOND + step_ns * np.arange(steps + 1))[:, None]
    first = out[0].copy()
    first["bits"] |= SNAPSHOT
    first["action"][0], first["bits"][0] = CLEAR, SNAPSHOT
    out[0] = first
    return out.reshape(-1).view(EVENT), mid


def correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 0 else 0.0
