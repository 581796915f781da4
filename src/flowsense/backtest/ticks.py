"""The run over ticks: events to the venue, reports to the account, views to the strategy.

At each instant of the decision clock, in this order: the venue has the events before it; what it
reported by then is told; the account is marked at the touch as of the instant; risk turns the
forecasts of its rows into signals; the strategy decides; what it sends is with the venue before
the next event. All of it is one fold, so that live trading can feed the same events as they come.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from flowsense.backtest import FILL, MARK, Result, Strategy, View
from flowsense.backtest.account import Account
from flowsense.engine import Engine
from flowsense.errors import InputError
from flowsense.exchange.client import REPORT, Reports, Requests, Terms, Venue
from flowsense.exchange.matching import REQUEST
from flowsense.forecast import SIGNAL, Forecast, Veto
from flowsense.risk.desk import Standing
from flowsense.schema import BEAT, BOOK, EVENT, LATE, NEVER, QUOTE, SECOND, SNAPSHOT, Events, zeros
from flowsense.sources import Told, chunks
from flowsense.store.checkpoint import pack, unpack
from flowsense.tape import Reader, Rows, Tape

S = TypeVar("S")  # a flat NamedTuple of arrays
MINUTE = 60 * SECOND
VETOES = np.array([int(veto) for veto in Veto])
NO_FILLS, NO_MARKS = zeros(FILL), zeros(MARK)
NO_REPORTS, NO_REQUESTS = zeros(REPORT), zeros(REQUEST)


class Adviser(Protocol[S]):
    """What makes signals of forecasts: `risk.desk.Risk`, or a rule of one's own."""

    @property
    def regimes(self) -> tuple[str, ...]: ...
    def init(self, capital: float) -> S: ...
    def cases(self, state: S, rows: Rows, forecast: Forecast) -> tuple[S, NDArray[Any]]:
        """One record for each of these rows, whole instants; changes no argument."""
        ...

    def signals(self, state: S, cases: NDArray[Any], standing: Standing) -> tuple[S, NDArray[Any]]:
        """(k,) SIGNAL of the k rows of one instant; changes no argument."""
        ...

    def trips(self, state: S) -> dict[str, int] | None:
        """How often each reason opened a breaker; None: it has no breakers."""
        ...


class Backtest:
    """A fold over tapes and their forecasts; `result` tells of it so far.

    Args:
        venue: where orders go.
        strategy: what sends them.
        risk: makes signals of forecasts; None: the strategy hears none.
        capital: in the currency that gains are settled in.
        terms: of each instrument, as the venue has them; none: nothing costs anything.
        name: of the result; none: that of the strategy.
        span: ns, [start, end): outside of it nobody decides, and nothing is told. Before it venue,
            volatility and anomalies are warmed.
        every_ns: of each so long span of time the first mark is kept.

    Raises:
        InputError: capital that is not above 0, terms of other instruments, contracts that are
            settled in several currencies.
    """

    def __init__(
        self,
        venue: Venue,
        strategy: Strategy[Any],
        risk: Adviser[Any] | None = None,
        *,
        capital: float,
        terms: Sequence[Terms] = (),
        name: str = "",
        span: tuple[int, int] = (0, NEVER),
        every_ns: int = MINUTE,
    ) -> None:
        self.span, self.over, self.every_ns = span, False, every_ns
        table, k = venue.instruments, len(venue.instruments)
        self.venue, self.strategy, self.risk = venue, strategy, risk
        self.name, self.capital, self.instruments = name, capital, table
        self.account = Account(table, capital, terms)
        self.state = strategy.init(table)
        self.caution: Any = risk.init(capital) if risk else None
        self.quote, self.book, self.signal = zeros(QUOTE, k), zeros(BOOK, k), zeros(SIGNAL, k)
        self.quote["instrument"] = self.signal["instrument"] = np.arange(k)
        self.market = (np.zeros(k, np.bool_), self.quote, self.book, self.signal)
        self.requests, self.reports = list[Requests](), list[Reports]()
        self.fills, self.marks = [NO_FILLS], [NO_MARKS]
        self.marked, self.lag = -1, 0
        self.vetoed = np.zeros(len(Veto), np.int64)  # recommendations, by what forbade them

    def push(self, tape: Tape, forecast: Forecast | None = None) -> None:
        """All instants of a tape. Raises InputError for one of other instruments."""
        if tape.instruments != self.instruments:
            raise InputError(f"the stream holds {names(tape)}, the venue trades {names(self)}")
        if self.over:
            return
        rows, at, seen = tape.rows[0], 0, 0
        cases, lags = self._cases(rows, forecast), lagging(tape.events, self.lag)
        regime = None if forecast is None else forecast.aux.get("regime")
        told = np.searchsorted(tape.quotes["ts"], rows.ts, "right").tolist()
        before, ts = rows.event.tolist(), rows.ts.tolist()
        for a, b in pairwise(rows.instants().tolist()):
            if ts[a] < self.span[0]:
                continue
            self.over = ts[a] >= self.span[1]
            if told[a] > seen:
                self.account.note(tape.quotes[seen : told[a]])
            self._feed(tape.events[at : before[a]], ts[a], int(lags[before[a]]))
            if self.over:
                return
            at, seen = before[a], told[a]
            self._instant(ts[a], rows, slice(a, b), None if cases is None else cases[a:b])
            if ts[a] // self.every_ns != self.marked:
                self._keep(ts[a], None if regime is None else regime[a:b])
        if len(tape.quotes) > seen:
            self.account.note(tape.quotes[seen:])
        self._feed(tape.events[at:])
        self.lag = int(lags[-1])

    def _cases(self, rows: Rows, forecast: Forecast | None) -> NDArray[Any] | None:
        if self.risk is None or not len(rows.ts):
            return None
        if forecast is None:
            raise InputError("signals are made of forecasts: give them, or leave out risk")
        if len(forecast.ready) != len(rows.ts):
            raise InputError(f"a forecast of {len(forecast.ready)} rows for {len(rows.ts)} rows")
        self.caution, cases = self.risk.cases(self.caution, rows, forecast)
        return cases

    def _feed(self, events: Events, ts: int = -1, lag: int = 0) -> None:
        """To the venue, with what was sent before them; the account hears what it reports.

        Where something is awaited, the venue hears that it is ts now, whatever the market does:
        all that happened `lag` ago is known.
        """
        if ts >= 0 and (self.requests or self.account.ledger["open"][0]):
            events = followed(events, ts, lag)
        if not len(events):
            return
        reports = self.venue.push(events, joined(self.requests, NO_REQUESTS))
        self.requests.clear()
        if len(reports):
            self.reports.append(reports)
            self.fills.append(self.account.tell(reports))

    def _instant(self, ts: int, rows: Rows, n: slice, cases: NDArray[Any] | None) -> None:
        """What was reported, what it is worth, what is recommended, what is decided."""
        account, here, who = self.account, self.market[0], rows.instrument[n]
        reports = joined(self.reports, NO_REPORTS)
        self.reports.clear()
        here[:] = False
        here[who], self.quote[who], self.book[who] = True, rows.quote[n], rows.book[n]
        equity = account.mark(self.quote, ts)
        if self.risk and cases is not None:
            standing = Standing(equity, account.held)
            self.caution, signal = self.risk.signals(self.caution, cases, standing)
            self.signal[who] = signal
            self.vetoed += (signal["vetoes"][:, None] & VETOES != 0).sum(axis=0)
        view = View(ts, *self.market, account.position, account.open, equity, reports)
        self.state, requests = self.strategy.decide(self.state, view)
        if len(requests):
            account.send(requests, ts)
            self.requests.append(requests)

    def _keep(self, ts: int, regime: NDArray[np.float32] | None) -> None:
        """The first mark of a span of time."""
        self.marked = ts // self.every_ns
        self.account.marks["regime"] = likeliest(regime)
        self.marks.append(self.account.marks.copy())

    def result(self) -> Result:
        """Until the last instant. Positions are marked at the mid, not closed: ``config["held"]``
        says what is held, ``config["closing them costs"]`` what the touch would take for it.
        """
        marks, last = np.concatenate(self.marks), self.account.marks
        if self.marked >= 0:
            self.account.mark(self.quote, int(last["ts"][0]))  # with what was reported after it
            marks = np.concatenate([marks[marks["ts"] < last["ts"]], last])
        lots = zip(self.instruments, self.account.position, strict=True)
        config = {
            "strategy": repr(self.strategy),
            "risk": repr(self.risk),
            "held": {i.symbol: int(n) for i, n in lots if n},
            "closing them costs": self.account.closing(self.book),
        }
        if self.risk:
            counts = zip(Veto, self.vetoed.tolist(), strict=True)
            config["vetoes"] = {str(veto.name).lower(): n for veto, n in counts if n}
            config["trips"] = self.risk.trips(self.caution)
        return Result(
            self.name or type(self.strategy).__name__.lower(),
            self.capital,
            self.instruments,
            marks,
            np.concatenate(self.fills),
            self.account.counts(),
            config,
            self.risk.regimes if self.risk else (),
        )

    def snapshot(self) -> bytes:
        """Everything that the rest of the run and its result depend on."""
        mine = {n: getattr(self, n) for n in ("quote", "book", "signal")}
        mine |= {
            "marked": np.array(self.marked),
            "lag": np.array(self.lag),
            "over": np.array(self.over),
            "last": self.account.marks,
        }
        mine |= {"held": self.account.held, "vetoed": self.vetoed}
        mine |= {"venue": np.frombuffer(self.venue.snapshot(), np.uint8)}
        mine |= {"requests": joined(self.requests, NO_REQUESTS)}
        mine |= {"reports": joined(self.reports, NO_REPORTS)}
        mine |= {"fills": np.concatenate(self.fills), "marks": np.concatenate(self.marks)}
        parts = {"state": self.state._asdict(), "account": self.account.snapshot()}
        parts["risk"] = self.caution._asdict() if self.risk else {}
        return pack(mine | {f"{p}/{k}": v for p, every in parts.items() for k, v in every.items()})

    def restore(self, data: bytes) -> None:
        """Go on from a snapshot of a run with the same settings."""
        arrays = unpack(data)
        for name in ("quote", "book", "signal"):
            getattr(self, name)[:] = arrays[name]
        self.marked, self.lag = int(arrays["marked"]), int(arrays["lag"])
        self.over = bool(arrays["over"])
        self.account.marks[:] = arrays["last"]
        self.account.held[:], self.vetoed = arrays["held"], arrays["vetoed"]
        self.venue.restore(arrays["venue"].tobytes())
        self.requests, self.reports = (
            [arrays["requests"].view(REQUEST)],
            [arrays["reports"].view(REPORT)],
        )
        self.fills, self.marks = [arrays["fills"].view(FILL)], [arrays["marks"].view(MARK)]
        self.account.restore({k: arrays[f"account/{k}"] for k in self.account.snapshot()})
        self.state = again(self.state, "state", arrays)
        self.caution = again(self.caution, "risk", arrays) if self.risk else None


def likeliest(regime: NDArray[np.float32] | None) -> int:
    """Of (k, R) chances, by their mean; -1 where nobody tells any."""
    if regime is None or not regime.any():
        return -1
    return int(regime.mean(axis=0).argmax())


def again(state: Any, name: str, arrays: dict[str, NDArray[Any]]) -> Any:
    """A state of the same types as this one. Arrays are viewed as the dtypes that kernels know."""
    kept = {k: arrays[f"{name}/{k}"].view(v.dtype) for k, v in state._asdict().items()}
    return type(state)(**kept)


def lagging(events: Events, most: int) -> NDArray[np.int64]:
    """(m + 1,) the longest that any event so far was on its way to us, before each and at the end.

    ns; `most` is that of the events before. What a snapshot repeats is older than its way.
    """
    known = (events["ts_event"] > 0) & (events["bits"] & (SNAPSHOT | LATE) == 0)
    way = np.where(known, events["ts_recv"] - events["ts_event"], 0)
    return np.maximum.accumulate(np.r_[most, way])


def followed(events: Events, ts: int, lag: int) -> Events:
    """The same with a BEAT; `np.concatenate` compares the fields of records each time."""
    more = zeros(EVENT, len(events) + 1)
    more[:-1] = events
    beat = more[-1]
    beat["ts_recv"], beat["ts_event"], beat["action"] = ts, max(ts - lag, 0), BEAT
    return more


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


def stored(
    reader: Reader, forecast: Forecast | None = None
) -> Iterator[tuple[Tape, Forecast | None]]:
    """The tapes of a reader with their parts of a forecast that was made of all its rows.

    Raises InputError where the rows are not as many, or their events were not kept.
    """
    at = 0
    for tape in reader:
        n = len(tape.rows[0].ts)
        if n and not len(tape.events) and tape.rows[0].event.any():
            raise InputError("these rows were prepared without events: prepare them with events")
        yield tape, None if forecast is None else part(forecast, slice(at, at + n))
        at += n
    if forecast is not None and at != len(forecast.ready):
        raise InputError(f"a forecast of {len(forecast.ready)} rows, the recording has {at}")


def backtest(run: Backtest, pairs: Iterable[tuple[Tape, Forecast | None]]) -> Result:
    """The whole of a stream."""
    for tape, forecast in pairs:
        run.push(tape, forecast)
    return run.result()
