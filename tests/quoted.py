"""Markets that are told by their touch, and the plainest rule from a forecast to a signal."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from flowsense.features.catalogue import spec
from flowsense.features.fold import Fold
from flowsense.forecast import SIGNAL, Forecast, Target
from flowsense.schema import (
    CLEAR,
    EVENT,
    LAST,
    MILLISECOND,
    SECOND,
    SET,
    SNAPSHOT,
    Decimal,
    Instrument,
    zeros,
)

START = 1_000 * SECOND
TARGET = Target("mid", 200 * MILLISECOND)
SPEC = spec((), ("interval:100ms",))
ONE = Instrument("ONE", "test", Decimal(1, 0), Decimal(1, 0))  # a tick and a lot are worth 1


def touches(ts, mid, half=1, lots=1_000):
    """Events (m,) of a book of one level a side, `half` ticks around mid (n,) from ts (n,) on."""
    out = zeros(EVENT, 4 * len(ts))
    out["ts_event"] = out["ts_recv"] = np.repeat(ts, 4)
    out["action"], out["side"] = SET, np.tile([1, -1, 1, -1], len(ts))
    before = np.r_[mid[0], mid[:-1]]
    out["price"] = np.stack([before - half, before + half, mid - half, mid + half], 1).ravel()
    out["lots"] = np.tile([0, 0, lots, lots], len(ts))
    out["bits"][3::4] = LAST
    out["action"][0], out["bits"][:3], out["bits"][3] = CLEAR, SNAPSHOT, SNAPSHOT | LAST
    still = np.repeat(np.r_[False, mid[1:] == before[1:]], 4)
    return out[~still].view(EVENT)


def taped(events, instruments=(ONE,), cuts=()):
    """The tapes of these events, cut there."""
    fold = Fold(SPEC, instruments)
    pieces = np.split(events, cuts)
    return [tape for piece in pieces for tape in fold.push(piece.view(EVENT))]


def rows_of(tapes):
    """(n,) ts, (n,) instrument, (n,) QUOTE, (n,) BOOK of the decision rows."""
    names = ("ts", "instrument", "quote", "book")
    return [np.concatenate([getattr(t.rows[0], n) for t in tapes]) for n in names]


def forecast_of(value, target=TARGET):
    """What expects these moves (n,), ticks."""
    value = np.asarray(value, np.float32)[:, None]
    proba = np.stack([value < 0, value == 0, value > 0], axis=2).astype(np.float32)
    return Forecast((target,), proba, value, np.ones(value.shape, bool))


class Nothing(NamedTuple):
    none: np.ndarray


@dataclass(frozen=True)
class Rule:
    """Every forecast that is not flat is a signal of this size."""

    size: float = 0.1
    regimes = ()

    def init(self, capital):
        return Nothing(np.zeros(1))

    def cases(self, state, rows, forecast):
        out, value = zeros(SIGNAL, len(rows.ts)), forecast.value[:, 0]
        out["ts"], out["instrument"], out["side"] = rows.ts, rows.instrument, np.sign(value)
        out["horizon"], out["magnitude"] = forecast.targets[0].horizon_ns, np.abs(value)
        out["confidence"], out["size"] = 1.0, np.where(value == 0, 0.0, self.size)
        return state, out

    def signals(self, state, cases, standing):
        return state, cases

    def trips(self, state):
        return None
