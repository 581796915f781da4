"""Forecasts and an account in, signals out: a fold that is called at every instant."""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numba import types
from numpy.typing import NDArray

from flowsense._jit import Record, array, compiled, kernel, records
from flowsense.errors import InputError
from flowsense.forecast import SIGNAL, Forecast, Target
from flowsense.risk.breaker import DESK, DRAWDOWN, NUMBER, Trip, Tripped, account, tally, trip
from flowsense.risk.cases import CASE, Cases, assembled, said, watch, watching
from flowsense.risk.limits import alike, cushion, others, sample
from flowsense.risk.recommend import (
    CORRELATED,
    EXPOSURE,
    OPEN,
    OVERDRAWN,
    TOO_SMALL,
    propose,
)
from flowsense.risk.settings import TERMS, Settings
from flowsense.schema import WHOLE, Instrument, zeros
from flowsense.tape import Rows

MOST = 1e18  # of an amount, whatever the currency
HELD = np.dtype(  # by instrument, in the currency of the account
    [
        ("exposure", "f8"),  # value of the position, below 0: short
        ("least", "f8"),  # value of the smallest order that the venue takes
    ]
)
SEAT = np.dtype(  # what is remembered of an instrument
    [
        ("until", "i8"),  # ns, when its breaker closes
        ("why", "i8"),  # of `Trip`
        ("mid2", "i8"),  # last known
        ("sampled", "i8"),  # mid2 when correlations were last learned
        ("samples", "i8"),
        ("back", "f8"),  # last return between samples
        ("planned", "f8"),  # share of the equity: what is held, or was just recommended
        ("wanted", "f8"),  # of this instant, not yet served
    ]
)
Signals: TypeAlias = NDArray[Any]  # (k,) SIGNAL


class Standing(NamedTuple):
    """The account as of an instant."""

    equity: float  # capital with all gains, currency
    held: NDArray[Any]  # (K,) HELD


class State(NamedTuple):
    """K instruments, F columns."""

    seen: NDArray[Any]  # (K,) SEEN
    level: NDArray[np.float64]  # (K, F + SAID, 2)
    desk: NDArray[Any]  # (1,) DESK
    seats: NDArray[Any]  # (K,) SEAT
    cov: NDArray[np.float64]  # (K, K) of returns


@kernel
def whole(equity: float, held: Record) -> bool:
    """Whether all amounts of an account are numbers that an account can have."""
    found = abs(equity) <= MOST
    for j in range(len(held)):
        found = found and abs(held[j].exposure) <= MOST and 0.0 <= held[j].least <= MOST
    return bool(found)


@kernel
def prepare(d: Record, seats: Record, equity: float, held: Record, ts: int, t: Record) -> bool:
    """Whether the breaker of the account is open; what is held becomes what is planned."""
    if not whole(equity, held):
        tally(d, NUMBER, d.why)
        d.ts, d.why = ts, d.why | NUMBER
        d.until = max(d.until, ts + max(t.cooldown_ns, 1))
        return True
    for j in range(len(seats)):
        seats[j].planned = held[j].exposure / max(equity, 1.0 / MOST)
    return account(d, ts, equity, t)


@kernel
def allot(seats: Record, cov: Record, t: Record, floor: float, out: Record) -> None:
    """No more than the limits leave: the size, or a veto."""
    i = out.instrument
    wanted, seats[i].wanted = seats[i].wanted, 0.0
    total = t.total - others(seats, i)
    same = t.correlated - alike(seats, cov, i, out.side)
    size = min(wanted, total, same)
    out.vetoes |= EXPOSURE if total <= 0.0 else 0
    out.vetoes |= CORRELATED if same <= 0.0 else 0
    out.vetoes |= TOO_SMALL if out.vetoes == 0 and size < floor else 0
    out["size"] = size if out.vetoes == 0 else 0.0
    seats[i].planned = out.side * size if out.vetoes == 0 else seats[i].planned


@kernel
def hungriest(seats: Record, out: Record) -> int:
    """Which signal wants the most and was not served yet; -1: none."""
    best, most = -1, 0.0
    for r in range(len(out)):
        wanted = seats[out[r].instrument].wanted
        if wanted > most:
            best, most = r, wanted
    return int(best)


@compiled(
    types.void(
        types.Tuple((array(DESK), array(SEAT), array(np.float64, 2))),
        array(TERMS),
        array(CASE),
        types.float64,
        array(HELD),
        array(SIGNAL),
    ),
    brief=True,
)
def decide(
    state: Any, terms: Record, cases: Record, equity: float, held: Record, out: Record
) -> None:
    """Cases of one instant; out (k,) zeros. The largest wish is served first, ties as they come."""
    desk, seats, cov = state
    d, t, ts = desk[0], terms[len(terms) - 1], cases[0].ts
    halted = prepare(d, seats, equity, held, ts, t)
    lost = d.why & DRAWDOWN != 0
    left = cushion(1.0 - d.equity / d.peak, t.drawdown) if d.peak > 0.0 else 0.0
    for r in range(len(cases)):
        c, s = cases[r], seats[cases[r].instrument]
        shut = trip(d, s, c.trips, ts, t.cooldown_ns)
        if c.state == WHOLE and c.trips & NUMBER == 0:
            s.mid2 = c.mid2
        propose(c, terms[c.regime], left, out[r])
        out[r].vetoes |= (OPEN if halted or shut else 0) | (OVERDRAWN if lost else 0)
        out[r].vetoes |= TOO_SMALL if out[r].vetoes == 0 and not out[r]["size"] > 0.0 else 0
        s.wanted = out[r]["size"] if out[r].vetoes == 0 else 0.0
        out[r]["size"] = 0.0
    if d.sampled == 0 or ts - d.sampled >= t.every_ns:
        sample(seats, cov, t.forget_pair)
        d.sampled = ts
    best = hungriest(seats, out)
    while best >= 0:
        i = out[best].instrument
        allot(seats, cov, t, held[i].least / max(equity, 1.0 / MOST), out[best])
        best = hungriest(seats, out)


def copied(table: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """A copy as bytes: field by field it takes 2 us, half of a call."""
    return np.frombuffer(bytearray(table.tobytes()), dtype)


class Risk:
    """Signals of what a model forecasts, as far as the settings and the account allow.

    Twice called for each tape: `cases` once, with all its decision rows, then `signals` once for
    each instant of it, in order::

        state, cases = risk.cases(state, tape.rows[0], forecast)
        for a, b in pairwise(tape.rows[0].instants()):
            state, signal = risk.signals(state, cases[a:b], Standing(equity, held))

    Neither changes its arguments. Cutting the tapes anywhere gives the same signals.
    """

    def __init__(
        self,
        settings: Settings,
        instruments: tuple[Instrument, ...],
        targets: tuple[Target, ...],
        columns: int,
        regimes: tuple[str, ...] = (),
        members: int | None = None,
    ) -> None:
        """`targets` are the model's, `columns` those of a row, `regimes` the names of its
        ``aux["regime"]``, if it has any; of an ensemble, `members` is how many it has: no more of
        them have to answer. Raises InputError where the settings do not fit.
        """
        if not instruments:
            raise InputError("risk: no instrument: give those of the stream")
        if members is not None and members < 1:
            raise InputError(f"risk: {members} members: give 1 or more, or None")
        self.settings, self.instruments, self.regimes = settings, instruments, regimes
        self.target = settings.acted_on(targets)
        self.place, self.columns = targets.index(self.target), columns
        terms = settings.terms(self.target, regimes)
        terms["quorum"] = np.minimum(terms["quorum"], members or settings.limits.quorum)
        self.terms = records(terms)

    def __repr__(self) -> str:
        return f"Risk({self.target}, {self.settings})"

    def init(self, capital: float) -> State:
        """The state before the first row; capital in the currency of the account."""
        if not 0 < capital <= MOST:
            raise InputError(f"risk: capital {capital}: give an amount above 0")
        k, desk = len(self.instruments), zeros(DESK, 1)
        desk["equity"] = desk["peak"] = desk["opened"] = capital
        desk["day"] = -1
        seen, level = watching(k, self.columns)
        return State(seen, level, desk, zeros(SEAT, k), np.zeros((k, k)))

    def cases(self, state: State, rows: Rows, forecast: Forecast) -> tuple[State, Cases]:
        """What these decision rows, whole instants, and their forecasts say: (n,) CASE.

        Raises InputError for other instruments, columns, targets or regimes than were announced.
        """
        self._check(rows, forecast)
        cases = assembled(rows, forecast, self.place, len(self.regimes))
        seen, level = state.seen.copy(), state.level.copy()
        X, valid = np.ascontiguousarray(rows.X), np.ascontiguousarray(rows.valid)
        watch(records(seen), level, self.terms, records(cases), X, valid, said(cases))
        return state._replace(seen=seen, level=level), cases

    def _check(self, rows: Rows, forecast: Forecast) -> None:
        if rows.X.shape[1] != self.columns:
            raise InputError(f"risk: rows of {rows.X.shape[1]} columns: {self.columns} were told")
        if len(forecast.ready) != len(rows.ts):
            raise InputError(f"risk: {len(forecast.ready)} forecasts of {len(rows.ts)} rows")
        for who in (rows.instrument.min(initial=0), rows.instrument.max(initial=0)):
            if not 0 <= who < len(self.instruments):
                last = len(self.instruments) - 1
                raise InputError(f"risk: a row of instrument {who}: the stream has 0 to {last}")
        if self.target not in forecast.targets[self.place : self.place + 1]:
            raise InputError(f"risk: {self.target} is not forecast where it was told to be")
        told = forecast.aux.get("regime")
        if self.regimes and told is not None and told.shape[1] != len(self.regimes):
            raise InputError(f"risk: {told.shape[1]} regimes, names of {len(self.regimes)}")
        scale = forecast.aux.get("position_scale", forecast.ready[:, 0])
        if scale.shape != (len(rows.ts),):
            raise InputError(f"risk: position_scale {scale.shape} of {len(rows.ts)} rows")

    def signals(self, state: State, cases: Cases, standing: Standing) -> tuple[State, Signals]:
        """(k,) SIGNAL, one for each of the cases (k,) of one instant, in their order.

        A size is the share of the equity to hold on that side from now on, not one to add.
        Whatever enters, it is finite, from 0 to ``limits.instrument``, and 0 under any veto.
        Raises InputError for an account of other instruments.
        """
        if len(standing.held) != len(state.seats):
            found = f"an account of {len(standing.held)} instruments"
            raise InputError(f"risk: {found}: the stream has {len(state.seats)}, give all of them")
        if len(cases) == 0:
            return state, zeros(SIGNAL)
        desk, seats, cov = copied(state.desk, DESK), copied(state.seats, SEAT), state.cov.copy()
        out = np.zeros(len(cases), SIGNAL)
        decide(
            (records(desk), records(seats), cov),
            self.terms,
            records(cases),
            standing.equity,
            records(standing.held),
            records(out),
        )
        return State(state.seen, state.level, desk, seats, cov), out

    def reset(self, state: State) -> State:
        """All breakers closed by hand; the highest equity and the day's first are the present."""
        desk, seats = state.desk.copy(), state.seats.copy()
        desk["until"] = desk["why"] = seats["until"] = seats["why"] = 0
        desk["peak"] = desk["opened"] = desk["equity"]
        return state._replace(desk=desk, seats=seats)

    def trips(self, state: State) -> dict[str, int]:
        """How often each reason opened a breaker so far; those that never did are left out."""
        counts = zip(Trip, state.desk["count"][0].tolist(), strict=True)
        return {str(reason.name).lower(): n for reason, n in counts if n}

    def tripped(self, state: State) -> tuple[Tripped, ...]:
        """Breakers that are open as of the last instant."""
        desk, found = state.desk[0], list[Tripped]()
        if desk["until"] != 0:
            found.append(Tripped(None, Trip(int(desk["why"])), int(desk["until"])))
        for i in np.flatnonzero(state.seats["until"] > desk["ts"]):
            seat = state.seats[i]
            found.append(Tripped(int(i), Trip(int(seat["why"])), int(seat["until"])))
        return tuple(found)
