"""Rows, forecasts and accounts made by hand."""

from typing import NamedTuple

import numpy as np

from flowsense.forecast import Forecast, Signal, Target
from flowsense.risk.desk import HELD, Risk, Standing, State
from flowsense.risk.settings import Settings
from flowsense.schema import BOOK, QUOTE, SECOND, WHOLE, Decimal, Instrument
from flowsense.tape import Rows

STEP = SECOND // 10
MID = Target.parse("mid@10s")
START = 1_700_006_400 * SECOND  # a midnight


def table(n=1):
    return tuple(Instrument(f"S{i}", "X", Decimal(1, -2), Decimal(1, 0)) for i in range(n))


def rows(mid2, instrument=0, start=START, step=STEP, X=None, spread=0):
    """Rows of whole books `step` ns apart; mid2 (n,), instrument a number or (n,)."""
    mid2 = np.asarray(mid2, np.int64)
    n = len(mid2)
    book, quote = np.zeros(n, BOOK), np.zeros(n, QUOTE)
    ts, bid = start + step * np.arange(n), (mid2 - spread) // 2
    book["known"], book["bid_px"][:, 0], book["ask_px"][:, 0] = 1, bid, mid2 - bid
    quote["ts"], quote["mid2"], quote["state"] = ts - 1, mid2, WHOLE
    X = np.zeros((n, 1), np.float32) if X is None else X
    who = np.broadcast_to(np.asarray(instrument, np.int64), n).copy()
    return Rows(ts, who, X, np.ones(X.shape, np.bool_), np.arange(n), book, quote)


def forecast(n=1, down=0.1, up=0.6, value=3.0, target=MID, **aux):
    p = np.tile(np.float32([down, 1 - down - up, up]), (n, 1, 1))
    told = {name: np.full((n, 1), x, np.float32) for name, x in aux.items()}
    values, ready = np.full((n, 1), value, np.float32), np.ones((n, 1), np.bool_)
    return Forecast((target,), p, values, ready, told)


def standing(equity=1e6, exposure=0.0, least=0.0, n=1):
    held = np.zeros(n, HELD)
    held["exposure"], held["least"] = exposure, least
    return Standing(equity, held)


def walk(n, seed=0, start=20_000):
    """Half ticks: one tick up or down at each row, which is 10 ticks in 10 s."""
    return start + np.cumsum(np.random.default_rng(seed).choice([-2, 2], n))


class Warm(NamedTuple):
    """A desk whose volatility is known."""

    risk: Risk
    state: State
    mid2: np.ndarray  # (K,) one tick above the last
    ts: int  # of the next row

    def ask(self, said, account=None):
        """The signals of one instant of all instruments, and the desk after it."""
        k = len(self.mid2)
        due = rows(self.mid2, np.arange(k), self.ts, step=0)
        return self.judge(due, said, account or standing(n=k))

    def judge(self, due, said, account):
        state, cases = self.risk.cases(self.state, due, said)
        state, found = self.risk.signals(state, cases, account)
        up = np.where(due.quote["mid2"] == self.mid2, self.mid2 + 2, self.mid2)
        return found, Warm(self.risk, state, up, self.ts + STEP)


def warm(settings=None, n=700, instruments=1, start=20_000, regimes=(), target=MID):
    risk = Risk(settings or Settings(), table(instruments), (target,), 1, regimes)
    state, last = risk.init(1e6), []
    for i in range(instruments):
        mid2 = walk(n, i, start)
        state, _ = risk.cases(state, rows(mid2, i), forecast(n, target=target))
        last.append(int(mid2[-1]) + 2)
    return Warm(risk, state, np.array(last), START + n * STEP)


def one(found):
    """The only signal, for people."""
    assert len(found) == 1
    return Signal.of(found[0])
