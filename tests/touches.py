"""Paths of the touch for the tests of labels: written by hand, or at random with losses."""

import numpy as np

from flowsense.labels.stages import Pending, Stages
from flowsense.schema import BROKEN, MILLISECOND, ONE_SIDED, QUOTE, WHOLE

MS = MILLISECOND


def path(*lines):
    """Each line: ms, mid in ticks[, state, breaks]."""
    out = np.zeros(len(lines), QUOTE)
    for i, (ms, mid, *more) in enumerate(lines):
        state, breaks = (*more, WHOLE, 0)[:2] if len(more) != 1 else (more[0], 0)
        out[i] = (round(ms * MS), round(2 * mid), 0, breaks, 0, state)
    return out


def walk(n=600, seed=0, every=20 * MS, wild=True):
    """A random walk by halves of a tick, with quotes at one time; wild: with losses as well."""
    rng, out = np.random.default_rng(seed), np.zeros(n, QUOTE)
    out["ts"] = MS * np.cumsum(rng.integers(0, 2 * every // MS, n))
    out["mid2"] = 2_000 + np.cumsum(rng.integers(-2, 3, n))
    out["state"] = WHOLE
    if wild:
        out["state"][rng.random(n) < 0.03] = ONE_SIDED
        lost = rng.random(n) < 0.01
        out["state"][lost], out["breaks"] = BROKEN, np.cumsum(lost)
    return out


def label(targets, quotes, rows, now=None):
    """Labels of rows at these times (ns), after all these quotes."""
    rows, base = np.asarray(rows, np.int64), np.zeros(len(rows), QUOTE)
    at = np.searchsorted(quotes["ts"], rows) - 1
    base[at >= 0] = quotes[at[at >= 0]]
    last = int(quotes["ts"][-1]) if now is None else now
    return Stages(tuple(targets)).close(Pending(rows, base, quotes, np.array([last])))


def held(quotes, ts):
    """The quote that holds from `ts` on: the last one at or before it."""
    at = np.searchsorted(quotes["ts"], ts, "right")
    return quotes[at - 1] if at else None
