"""Rows, forecasts and accounts made by hand."""

import numpy as np

from flowsense.forecast import Forecast, Target
from flowsense.risk.desk import HELD, Risk, Standing
from flowsense.risk.settings import Settings
from flowsense.schema import BOOK, QUOTE, SECOND, WHOLE, Decimal, Instrument
from flowsense.tape import Rows

STEP = SECOND // 10
MID = Target.parse("mid@10s")
START = 1_700_000_000 * SECOND


def table(n=1):
    return tuple(Instrument(f"S{i}", "X", Decimal(1, -2), Decimal(1, 0)) for i in range(n))


def rows(mid2, instrument=0, start=START, step=STEP, X=None):
    """Rows of whole books `step` ns apart; mid2 and instrument (n,) or numbers."""
    mid2 = np.asarray(mid2, np.int64)
    n = len(mid2)
    book, quote = np.zeros(n, BOOK), np.zeros(n, QUOTE)
    ts = start + step * np.arange(n)
    book["known"], book["bid_px"][:, 0], book["ask_px"][:, 0] = 1, mid2 // 2, mid2 - mid2 // 2
    quote["ts"], quote["mid2"], quote["state"] = ts - 1, mid2, WHOLE
    X = np.zeros((n, 1), np.float32) if X is None else X
    who = np.broadcast_to(np.asarray(instrument, np.int64), n).copy()
    return Rows(ts, who, X, np.ones(X.shape, np.bool_), np.arange(n), book, quote)


def forecast(n, down=0.1, up=0.6, value=3.0, target=MID, **aux):
    p = np.tile(np.float32([down, 1 - down - up, up]), (n, 1, 1))
    told = {name: np.full((n, 1), x, np.float32) for name, x in aux.items()}
    return Forecast(
        (target,), p, np.full((n, 1), value, np.float32), np.ones((n, 1), np.bool_), told
    )


def standing(equity=1e6, exposure=0.0, least=0.0, n=1):
    held = np.zeros(n, HELD)
    held["exposure"], held["least"] = exposure, least
    return Standing(equity, held)


def walk(n, seed=0, start=20_000):
    """Half ticks: a walk that moves by two at each row."""
    return start + np.cumsum(np.random.default_rng(seed).choice([-2, 2], n))


def warm(settings=None, n=700, instruments=1, capital=1e6, seed=0):
    """A desk that has seen n rows of each instrument; -> risk, state, last mid2 of each, next ts."""
    risk = Risk(settings or Settings(), table(instruments), (MID,), 1)
    state, last = risk.init(capital), []
    for i in range(instruments):
        mid2 = walk(n, seed + i)
        state, cases = risk.cases(state, rows(mid2, i), forecast(n))
        last.append(int(mid2[-1]))
    return risk, state, last, START + n * STEP
