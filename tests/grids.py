"""Rows and tapes of which only the touch is known, and forecasts of them written by hand."""

import numpy as np

from flowsense.forecast import DOWN, UP, Forecast, Target
from flowsense.schema import MILLISECOND, QUOTE, WHOLE, Decimal, Instrument, zeros
from flowsense.sources import NO_BARS, NO_EVENTS, NO_OBSERVATIONS
from flowsense.tape import Rows, Tape

MS, STEP = MILLISECOND, 100 * MILLISECOND
MID = Target.parse("mid@100ms")


def one(symbol="A"):
    return Instrument(symbol, "toy", Decimal(1, 0), Decimal(1, 0))


def rows(*lines):
    """Each line: ms, mid in ticks[, state, breaks, ms of the quote]; one instrument."""
    quote, n = np.zeros(len(lines), QUOTE), len(lines)
    for i, (ms, mid, *more) in enumerate(lines):
        state, breaks, at = (*more, *(WHOLE, 0, ms - 1)[len(more) :])
        quote[i] = (at * MS, 2 * mid, 10 * mid, breaks, 0, state)
    ts, none = np.array([line[0] * MS for line in lines]), np.zeros((n, 0))
    who = np.zeros(n, np.int64)
    return Rows(ts, who, none, none, who, who, quote)


def tape(rows, instruments=1):
    table = tuple(one(str(k)) for k in range(instruments))
    return Tape(NO_EVENTS, NO_BARS, NO_OBSERVATIONS, zeros(QUOTE), (rows,), table)


def walk(moves, start=0, step=STEP):
    """A tape with a row a step; the mid goes by so many ticks from each row to the next."""
    n = len(moves) + 1
    mid = 1_000 + np.concatenate([[0], np.cumsum(moves)])
    quote = np.zeros(n, QUOTE)
    quote["ts"] = start + step * np.arange(n) - 1
    quote["mid2"], quote["ofi"], quote["state"] = 2 * mid, mid, WHOLE
    none, who = np.zeros((n, 0)), np.zeros(n, np.int64)
    return tape(Rows(quote["ts"] + 1, who, none, none, who, who, quote))


def says(up, flat=0.0, ready=True, targets=(MID,), value=None):
    """A forecast of rows whose P(up | move) is `up` (n,)."""
    up = np.asarray(up, np.float64)[:, None]
    proba = np.stack([(1 - up) * (1 - flat), 0 * up + flat, up * (1 - flat)], axis=2)
    proba = np.repeat(proba, len(targets), axis=1).astype(np.float32)
    size = proba[:, :, UP] - proba[:, :, DOWN] if value is None else np.full(proba.shape[:2], value)
    ready = np.broadcast_to(np.reshape(ready, (-1, 1)), proba.shape[:2])
    return Forecast(targets, proba, size.astype(np.float32), np.array(ready))


def cut(forecast, a, b):
    aux = {k: v[a:b] for k, v in forecast.aux.items()}
    parts = (x[a:b] for x in (forecast.proba, forecast.value, forecast.ready))
    return Forecast(forecast.targets, *parts, aux)


def heard(combiner, tape, said, edges=()):
    """Its answers, the tape cut before these rows, each state stored and read again."""
    from flowsense.store.checkpoint import pack, unpack

    state = combiner.init(tape.instruments, len(said), said[0].targets)
    n, out = len(tape.rows[0].ts), []
    for a, b in zip((0, *edges), (*edges, n), strict=True):
        piece = tape._replace(rows=(tape.rows[0].take(slice(a, b)),))
        state, found = combiner.combine(state, piece, [cut(f, a, b) for f in said])
        state = type(state)(**unpack(pack(state._asdict())))
        out.append(found)
    return out


def alike(parts, whole):
    """Bit for bit."""
    for name in ("proba", "value", "ready"):
        joined = np.concatenate([getattr(p, name) for p in parts])
        assert joined.tobytes() == getattr(whole, name).tobytes(), name
    for name, values in whole.aux.items():
        assert np.concatenate([p.aux[name] for p in parts]).tobytes() == values.tobytes(), name
