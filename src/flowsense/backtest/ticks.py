"""The run over ticks: events to the venue, reports to the account, views to the strategy.

At each instant of the decision clock, in this order: the venue has the events before it; what it
reported by then is told; the account is marked at the touch as of the instant; risk turns the
forecasts of its rows into signals; the strategy decides; what it sends is with the venue before
the next event. All of it is one fold, so that live trading can feed the same events as they come.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from flowsense.backtest import FILL, MARK, Result, Strategy, View
from flowsense.backtest.account import Account
from flowsense.engine import Engine
from flowsense.errors import InputError
from flowsense.exchange.client import REPORT, Requests, Terms, Venue
from flowsense.exchange.matching import REQUEST
from flowsense.forecast import SIGNAL, Forecast
from flowsense.schema import BEAT, BOOK, EVENT, QUOTE, SECOND, Events, Instrument, zeros
from flowsense.sources import Told, chunks
from flowsense.store.checkpoint import pack, unpack
from flowsense.tape import Reader, Rows, Tape

S = TypeVar("S")  # a flat NamedTuple of arrays
MINUTE = 60 * SECOND
NO_FILLS, NO_REPORTS, NO_REQUESTS = zeros(FILL), zeros(REPORT), zeros(REQUEST)


class Known(NamedTuple):
    """What risk decides by, as of one instant: its n rows, and the K instruments' account."""

    ts: int
    instrument: NDArray[np.int64]  # (n,)
    forecast: Forecast  # of these rows
    quote: NDArray[Any]  # (n,) QUOTE
    book: NDArray[Any]  # (n,) BOOK
    position: NDArray[np.int64]  # (K,) lots
    equity: float
    exposure: float


class Risk(Protocol[S]):
    """A frozen dataclass of settings that makes signals of forecasts."""

    def init(self, instruments: tuple[Instrument, ...]) -> S: ...
    def signals(self, state: S, known: Known) -> tuple[S, NDArray[Any]]:
        """(n,) SIGNAL, one for each row; changes neither argument. Raises InputError."""
        ...


class Backtest:
    """A fold over tapes and their forecasts; `result` tells of it so far.

    Raises InputError for capital that is not above 0, and terms that are not of each instrument
    of the venue.
    """

    def __init__(
        self,
        venue: Venue,
        strategy: Strategy[Any],
        risk: Risk[Any],
        *,
        capital: float,
        terms: Sequence[Terms] = (),
        regimes: tuple[str, ...] = (),
        name: str = "",
    ) -> None:
        self.venue, self.strategy, self.risk = venue, strategy, risk
        self.name, self.capital, self.regimes = name, capital, regimes
        table, k = venue.instruments, len(venue.instruments)
        self.instruments, self.account = table, Account(table, capital, terms)
        self.state, self.cautious = strategy.init(table), risk.init(table)
        self.quote, self.book = zeros(QUOTE, k), zeros(BOOK, k)
        self.signal, self.here = zeros(SIGNAL, k), np.zeros(k, np.bool_)
        self.quote["instrument"] = self.signal["instrument"] = np.arange(k)
        self.requests, self.reports = list[Requests](), list[NDArray[Any]]()
        self.fills, self.marks = [NO_FILLS], [zeros(MARK)]
        self.minute, self.beat = -1, zeros(EVENT, 1)
        self.beat["action"] = BEAT

    def push(self, tape: Tape, forecast: Forecast) -> None:
        """All instants of a tape. Raises InputError for one of other instruments."""
        if tape.instruments != self.instruments:
            raise InputError(f"the stream holds {names(tape)}, the venue {names(self)}")
        rows, at, seen = tape.rows[0], 0, 0
        told = np.searchsorted(tape.quotes["ts"], rows.ts, "right").tolist()
        before, ts = rows.event.tolist(), rows.ts.tolist()
        for a, b in pairwise(rows.instants().tolist()):
            self._feed(tape.events[at : before[a]], ts[a])
            if told[a] > seen:
                self.account.note(tape.quotes[seen : told[a]])
            at, seen = before[a], told[a]
            self._instant(ts[a], rows, forecast, slice(a, b))
        self._feed(tape.events[at:])
        if len(tape.quotes) > seen:
            self.account.note(tape.quotes[seen:])

    def _feed(self, events: Events, ts: int = -1) -> None:
        """To the venue with what was sent before them; what it reports is told at the instant.

        Where something is awaited, the venue hears that it is ts now, whatever the market does.
        """
        if ts >= 0 and (self.requests or self.account.ledger["open"][0]):
            self.beat["ts_recv"] = ts
            events = np.concatenate([events, self.beat]).view(EVENT)
        if not len(events):
            return
        reports = self.venue.push(events, joined(self.requests, NO_REQUESTS))
        self.requests.clear()
        if len(reports):
            self.reports.append(reports)

    def _instant(self, ts: int, rows: Rows, forecast: Forecast, n: slice) -> None:
        reports, account, who = joined(self.reports, NO_REPORTS), self.account, rows.instrument[n]
        self.reports.clear()
        self.here[:] = False
        self.here[who] = True
        self.quote[who], self.book[who] = rows.quote[n], rows.book[n]
        if len(reports):
            fills = account.tell(reports)
            if len(fills):
                self.fills.append(fills)
        equity = account.mark(self.quote, ts)
        said = part(forecast, n)
        position, exposure = account.position, float(account.marks["exposure"][0])
        known = Known(ts, who, said, rows.quote[n], rows.book[n], position, equity, exposure)
        self.cautious, self.signal[who] = self.risk.signals(self.cautious, known)
        market = (self.here, self.quote, self.book, self.signal)
        view = View(ts, *market, position, account.open, equity, reports)
        self.state, requests = self.strategy.decide(self.state, view)
        if len(requests):
            account.send(requests, ts)
            self.requests.append(requests)
        if ts // MINUTE != self.minute:
            self._keep(ts, said)

    def _keep(self, ts: int, said: Forecast) -> None:
        """The first mark of a minute."""
        self.minute = ts // MINUTE
        regime = said.aux.get("regime")
        self.account.marks["regime"] = -1 if regime is None else int(regime.mean(axis=0).argmax())
        self.marks.append(self.account.marks.copy())

    def result(self) -> Result:
        """Until the last instant; positions are marked at the mid, not closed."""
        marks = np.concatenate(self.marks)
        if len(marks) and self.account.marks["ts"][0] > marks["ts"][-1]:
            marks = np.concatenate([marks, self.account.marks])
        config = {"strategy": repr(self.strategy), "risk": repr(self.risk)}
        return Result(
            self.name or type(self.strategy).__name__.lower(),
            self.capital,
            self.instruments,
            marks,
            np.concatenate(self.fills),
            self.account.counts(),
            config,
            self.regimes,
        )

    def snapshot(self) -> bytes:
        """Everything that the rest of the run and its result depend on."""
        mine = {n: getattr(self, n) for n in ("quote", "book", "signal")}
        mine |= {"minute": np.array(self.minute), "last": self.account.marks}
        mine |= {"venue": np.frombuffer(self.venue.snapshot(), np.uint8)}
        mine |= {"requests": joined(self.requests, NO_REQUESTS)}
        mine |= {"reports": joined(self.reports, NO_REPORTS)}
        mine |= {"fills": np.concatenate(self.fills), "marks": np.concatenate(self.marks)}
        parts = {"state": self.state._asdict(), "risk": self.cautious._asdict()}
        parts["account"] = self.account.snapshot()
        return pack(mine | {f"{p}/{k}": v for p, all_ in parts.items() for k, v in all_.items()})

    def restore(self, data: bytes) -> None:
        """Go on from a snapshot of a run with the same settings."""
        arrays = unpack(data)
        for name in ("quote", "book", "signal"):
            getattr(self, name)[:] = arrays[name]
        self.minute, self.account.marks[:] = int(arrays["minute"]), arrays["last"]
        self.venue.restore(arrays["venue"].tobytes())
        self.requests, self.reports = [arrays["requests"].view(REQUEST)], [arrays["reports"]]
        self.fills, self.marks = [arrays["fills"].view(FILL)], [arrays["marks"].view(MARK)]
        self.account.restore({k: arrays[f"account/{k}"] for k in self.account.snapshot()})
        self.state, self.cautious = (
            type(s)(**{k: arrays[f"{p}/{k}"] for k in s._fields})
            for p, s in (("state", self.state), ("risk", self.cautious))
        )


def joined(parts: list[NDArray[Any]], none: NDArray[Any]) -> NDArray[Any]:
    if len(parts) <= 1:
        return parts[0] if parts else none
    return np.concatenate(parts).view(none.dtype)


def part(forecast: Forecast, n: slice) -> Forecast:
    """Of these rows."""
    aux = {name: x[n] for name, x in forecast.aux.items()}
    return Forecast(forecast.targets, forecast.proba[n], forecast.value[n], forecast.ready[n], aux)


def names(of: Tape | Backtest) -> str:
    return ", ".join(i.symbol for i in of.instruments)


def live(engine: Engine, source: Told) -> Iterator[tuple[Tape, Forecast]]:
    """What an engine makes of a recording: tapes, each with its forecast."""
    for events, bars, observations in chunks(source):
        yield from engine.push(events, bars, observations)


def stored(reader: Reader, forecast: Forecast) -> Iterator[tuple[Tape, Forecast]]:
    """The tapes of a reader with their parts of a forecast that was made of all its rows.

    Raises InputError where the rows are not as many, or their events were not kept.
    """
    at = 0
    for tape in reader:
        n = len(tape.rows[0].ts)
        if n and not len(tape.events) and tape.rows[0].event.any():
            raise InputError("these rows were prepared without events: prepare them with events")
        yield tape, part(forecast, slice(at, at + n))
        at += n
    if at != len(forecast.ready):
        raise InputError(f"a forecast of {len(forecast.ready)} rows, the recording has {at}")


def backtest(run: Backtest, pairs: Iterator[tuple[Tape, Forecast]]) -> Result:
    """The whole of a stream."""
    for tape, forecast in pairs:
        run.push(tape, forecast)
    return run.result()
