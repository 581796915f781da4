"""Predictions of what somebody brings: a recording of its own, or one row of features."""

from dataclasses import replace

import numpy as np

from flowsense.errors import InputError
from flowsense.schema import BOOK, QUOTE, SECOND, Instrument, zeros
from flowsense.serve.bodies import events_of
from flowsense.serve.decisions import CAPITAL, Decided, Decisions, Spent
from flowsense.serve.speaking import predictions
from flowsense.serve.swapping import Bench, Loaded, push
from flowsense.served import Prediction
from flowsense.sources import NO_BARS, NO_EVENTS, NO_OBSERVATIONS
from flowsense.tape import FeatureSpec, Rows, Tape

NO_MARKET = "no_market"  # in place of what the risk says of a row that it cannot judge


def of_events(bench: Bench, serving: Loaded, body: bytes) -> tuple[Prediction, ...]:
    """By the model as before its first event; without numbers. Raises InputError."""
    loaded, events = bench.renewed(serving), events_of(body, bench.table)
    out, risk = list[Prediction](), loaded.decisions.risk
    for one in push(loaded.decisions, events):
        out += predictions(one, bench.table, risk, 0, loaded.about.version)
    return tuple(replace(one, sequence=0) for one in out)


def of_row(
    decisions: Decisions, columns: dict[str, float], now: int, symbol: str, venue: str = ""
) -> Prediction:
    """By the model before its first row, which it knows nothing of; `now` ns UTC, when it is asked.

    No market is beside it, so that nothing is decided. Raises InputError.
    """
    table, engine = decisions.engine.fold.instruments, decisions.engine
    rows = row_of(engine.fold.spec, columns, place(table, symbol, venue))
    tape = Tape(NO_EVENTS, NO_BARS, NO_OBSERVATIONS, zeros(QUOTE), (rows,), table)
    before = engine.model.init(table)
    _, forecast = engine.model.predict(before, tape)
    signals = decisions.signals(tape, forecast, decisions.risk.init(CAPITAL))[1]
    one = Decided(tape, forecast, signals, np.zeros(1, np.bool_), Spent(0, 0, 0), before)
    said = predictions(one, table, decisions.risk, 0, engine.version)[0]
    return replace(said, ts=now, vetoes=(NO_MARKET,))


def place(table: tuple[Instrument, ...], symbol: str, venue: str = "") -> int:
    """In the table. Raises InputError for what is not heard, or at several venues."""
    found = [k for k, i in enumerate(table) if i.symbol == symbol and venue in ("", i.venue)]
    if not found:
        known = ", ".join(f"{i.venue}:{i.symbol}" for i in table)
        asked = f"{venue}:{symbol}" if venue else symbol
        raise InputError(f"instrument {asked!r} is not heard: known are {known}")
    if len(found) > 1:
        venues = ", ".join(table[k].venue for k in found)
        raise InputError(f"instrument {symbol!r} is heard at several venues: name one of {venues}")
    return found[0]


def row_of(spec: FeatureSpec, columns: dict[str, float], instrument: int) -> Rows:
    """One row without a market beside it. Raises InputError for a column that there is not."""
    shape = (1, len(spec.columns))
    X, valid = np.zeros(shape, np.float32), np.zeros(shape, np.bool_)
    known = {name: k for k, name in enumerate(spec.columns)}
    for name, value in columns.items():
        if name not in known:
            raise InputError(f"features: {name} is no column of the model")
        X[0, known[name]], valid[0, known[name]] = value, True
    one, who = np.array([SECOND]), np.array([instrument])
    return Rows(one, who, X, valid, np.zeros(1, np.int64), zeros(BOOK, 1), zeros(QUOTE, 1))


def told(spec: FeatureSpec, rows: Rows, r: int) -> dict[str, float]:
    """The columns of a row that are known."""
    known = np.flatnonzero(rows.valid[r])
    return {spec.columns[c]: float(rows.X[r, c]) for c in known}
