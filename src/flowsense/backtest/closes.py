"""A strategy over years of candles: at each close it may act, the next bar answers."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from flowsense._jit import records
from flowsense.backtest import FILL, MARK, Result, Strategy, View
from flowsense.backtest.account import Account
from flowsense.backtest.bars import BarVenue, Frictions, sound
from flowsense.backtest.fills import look
from flowsense.backtest.ticks import Backtest, again, joined
from flowsense.errors import InputError
from flowsense.exchange.client import REPORT, Reports, Terms
from flowsense.exchange.matching import REQUEST
from flowsense.forecast import SIGNAL, Forecast
from flowsense.schema import (
    BAR,
    BOOK,
    EVENT,
    QUOTE,
    SECOND,
    WHOLE,
    Bars,
    Chunk,
    Events,
    Instrument,
    Quotes,
    checked,
    zeros,
)
from flowsense.sources import NO_BARS, NO_EVENTS, Told, chunks
from flowsense.store.checkpoint import pack, unpack
from flowsense.tape import Tape

S = TypeVar("S")
MINUTE = 60 * SECOND
NO_REPORTS, NO_REQUESTS = zeros(REPORT), zeros(REQUEST)
Step = tuple[Tape, Forecast | None]
Signals = NDArray[Any]  # (n,) SIGNAL, ts never falling


@dataclass(frozen=True, slots=True)
class Settings:
    """Of one run. `terms` are of each instrument, or none: no fees, no funding."""

    capital: float
    frictions: Frictions = field(default_factory=Frictions)
    terms: tuple[Terms, ...] = ()
    name: str = "bars"


class Closes(Generic[S]):
    """A fold over chunks: cut anywhere, the result is the same.

    At the close of all bars of one time the strategy sees a `View` with `ts` the nanosecond after;
    a quote whose mid is the close, a book without levels. `signals` are shown from their `ts` on.
    Raises InputError for signals or chunks out of order, and for what account, venue and bars
    refuse.
    """

    def __init__(
        self,
        instruments: tuple[Instrument, ...],
        strategy: Strategy[S],
        settings: Settings,
        signals: Signals | None = None,
    ) -> None:
        self.instruments, self.strategy, self.settings = instruments, strategy, settings
        self.venue = BarVenue(instruments, settings.frictions)
        self.account = Account(instruments, settings.capital, settings.terms)
        self.state = strategy.init(instruments)
        self.signals = ordered(signals, len(instruments))
        self.shown, self.signal = 0, zeros(SIGNAL, len(instruments))
        self.signal["instrument"] = np.arange(len(instruments))
        self.quotes, self.book = zeros(QUOTE, len(instruments)), zeros(BOOK, len(instruments))
        self.quotes["instrument"] = np.arange(len(instruments))
        self.requests, self.heard = NO_REQUESTS, list[Reports]()
        self.waiting = (NO_EVENTS, NO_BARS)
        self.marks, self.kept, self.fills = zeros(MARK, 1024), 0, [zeros(FILL)]
        self.volume = np.zeros(len(instruments), np.int64)
        self.asked = np.zeros(len(instruments), np.bool_)  # whether orders were sent

    def push(self, chunk: Chunk) -> None:
        """What is of the last time waits, as more of it may come."""
        k = len(self.instruments)
        told = checked(chunk.events, k), sound(chunk.bars, k)
        self._follow(told)
        events, bars = (np.concatenate(both) for both in zip(self.waiting, told, strict=True))
        last = max((int(r["ts_recv"][-1]) for r in (events, bars) if len(r)), default=0)
        cut = [int(np.searchsorted(r["ts_recv"], last)) for r in (events, bars)]
        self.waiting = events[cut[0] :], bars[cut[1] :]
        for part in instants(events[: cut[0]], bars[: cut[1]]):
            self._at(*part)

    def _follow(self, told: tuple[Events, Bars]) -> None:
        """Raises InputError for what comes before the last that was told."""
        last = max((int(r["ts_recv"][-1]) for r in self.waiting if len(r)), default=0)
        for name, r in zip(("events", "bars"), told, strict=True):
            if len(r) and r["ts_recv"][0] < last:
                first = int(r["ts_recv"][0])
                raise InputError(f"{name}: ts_recv {first} comes after {last}: give them in order")

    def result(self) -> Result:
        """After the last chunk. Raises InputError where no bar told a volume and orders need it."""
        for part in instants(*self.waiting):
            self._at(*part)
        self.waiting = (NO_EVENTS, NO_BARS)
        self._judge()
        return Result(
            name=self.settings.name,
            capital=self.settings.capital,
            instruments=self.instruments,
            marks=self.marks[: self.kept].copy(),
            fills=np.concatenate(self.fills),
            orders=self.account.counts(),
            config=self._config(),
        )

    def snapshot(self) -> bytes:
        """Everything that the rest of the run and its result depend on."""
        events, bars = self.waiting
        mine = {n: getattr(self, n) for n in ("quotes", "signal", "volume", "asked", "requests")}
        mine |= {"shown": np.array(self.shown), "marks": self.marks[: self.kept]}
        mine |= {"fills": np.concatenate(self.fills), "heard": joined(self.heard, NO_REPORTS)}
        mine |= {"events": events, "bars": bars, "held": self.account.held}
        mine |= {"venue": np.frombuffer(self.venue.snapshot(), np.uint8)}
        parts = {"state": self.state._asdict(), "account": self.account.snapshot()}  # type: ignore[attr-defined]
        return pack(mine | {f"{p}/{k}": v for p, every in parts.items() for k, v in every.items()})

    def restore(self, data: bytes) -> None:
        """Go on from a snapshot of a run with the same settings and signals."""
        arrays = unpack(data)
        for name in ("quotes", "signal", "volume", "asked"):
            getattr(self, name)[:] = arrays[name]
        self.shown, self.requests = int(arrays["shown"]), arrays["requests"].view(REQUEST)
        self.marks, self.kept = arrays["marks"].view(MARK), len(arrays["marks"])
        self.fills, self.heard = [arrays["fills"].view(FILL)], [arrays["heard"].view(REPORT)]
        self.waiting = arrays["events"].view(EVENT), arrays["bars"].view(BAR)
        self.venue.restore(arrays["venue"].tobytes())
        self.account.restore({k: arrays[f"account/{k}"] for k in self.account.snapshot()})
        self.account.held[:] = arrays["held"]
        self.state = again(self.state, "state", arrays)

    def _at(self, events: Events, bars: Bars) -> None:
        """All that came at one time."""
        bars = self.venue.complete(events, bars)
        reports = self.venue.fold(events, self.requests, bars)
        self.requests = NO_REQUESTS
        if len(reports):
            self.account.note(opens(bars))
            fills = self.account.tell(reports)
            if len(fills):
                self.fills.append(fills)
            self.heard.append(reports)
        if look(records(self.quotes), self.volume, records(bars), records(events)):
            self._decide(int((events if len(events) else bars)["ts_recv"][0]) + 1)

    def _decide(self, ts: int) -> None:
        account, quotes = self.account, self.quotes.copy()
        equity = account.mark(quotes, ts)
        self._keep(ts)
        self._show(ts)
        view = View(
            ts,
            (quotes["ts"] == ts - 1) & (quotes["state"] == WHOLE),
            quotes,
            self.book,
            self.signal,
            account.position,
            account.open,
            equity,
            joined(self.heard, NO_REPORTS),
        )
        self.heard.clear()
        self.state, self.requests = self.strategy.decide(self.state, view)
        if len(self.requests):
            account.send(self.requests, ts)
            self.asked[self.requests["instrument"]] = True

    def _show(self, ts: int) -> None:
        """Signals until ts; those of views before stay as they were."""
        first, signals = self.shown, self.signals
        while self.shown < len(signals) and signals["ts"][self.shown] <= ts:
            self.shown += 1
        if self.shown > first:
            self.signal = self.signal.copy()
            self.signal[signals["instrument"][first : self.shown]] = signals[first : self.shown]

    def _keep(self, ts: int) -> None:
        """One mark a minute, and the last."""
        if self.kept == len(self.marks):
            self.marks = np.concatenate([self.marks, zeros(MARK, self.kept + 1024)])
        again = self.kept > 0 and self.marks["ts"][self.kept - 1] // MINUTE == ts // MINUTE
        self.kept += not again
        self.marks[self.kept - 1] = self.account.marks[0]
        self.marks["regime"][self.kept - 1] = -1

    def _judge(self) -> None:
        silent = self.asked & (self.volume == 0) & (self.venue.places["ts"] > 0)
        if silent.any() and self.settings.frictions.share is not None:
            name = self.instruments[int(silent.argmax())].symbol
            raise InputError(
                f"{name}: no bar tells a volume, of which orders may take a share: give share=None"
            )

    def _config(self) -> dict[str, Any]:
        s = self.settings
        return {
            "strategy": repr(self.strategy),
            "capital": s.capital,
            "frictions": asdict(s.frictions),
            "terms": [t._asdict() for t in s.terms],
            "told": list(told(self.instruments, self.venue.places)),
        } | closing(self.account, self.venue, self.quotes)


def backtest(
    source: Told, strategy: Strategy[Any], settings: Settings, signals: Signals | None = None
) -> Result:
    """A pass over a source of bars. Raises InputError, also on a source without any."""
    run = Closes(source.instruments, strategy, settings, signals)
    for chunk in chunks(source):
        run.push(chunk)
    out = run.result()
    if not len(out.marks):
        raise InputError(f"{source.name}: holds no bar: give candles, or test on ticks")
    return out


def over(run: Backtest, venue: BarVenue, tapes: Iterable[Step]) -> Result:
    """The run of ticks, with risk and forecasts, on bars: `venue` is that of the run."""
    for tape, forecast in tapes:
        venue.expect(tape.bars)
        run.push(tape, forecast)
    out = run.result()
    return out._replace(config=out.config | closing(run.account, venue, run.quote))


def instants(events: Events, bars: Bars) -> Iterator[tuple[Events, Bars]]:
    """All of one `ts_recv` together."""
    ts = np.unique(np.concatenate([events["ts_recv"], bars["ts_recv"]]))
    ends = [np.searchsorted(r["ts_recv"], ts, side="right").tolist() for r in (events, bars)]
    e = b = 0
    for j, i in zip(*ends, strict=True):
        yield events[e:j], bars[b:i]
        e, b = j, i


def opens(bars: Bars) -> Quotes:
    """The touch as a bar opens, by which executions in it are judged."""
    out = zeros(QUOTE, len(bars))
    out["ts"], out["mid2"], out["state"] = bars["ts_open"], 2 * bars["open"], WHOLE
    out["instrument"] = bars["instrument"]
    return out


def closing(account: Account, venue: BarVenue, quotes: Quotes) -> dict[str, Any]:
    """What is held at the end, and what going out at the last closes would cost: half a spread,
    slippage as of a bar of the mean volume, and fees.
    """
    lots = zip(account.instruments, account.position, strict=True)
    return {
        "held": {i.symbol: int(n) for i, n in lots if n},
        "closing them costs": account.closing(venue.touch(quotes, account.position)),
    }


def ordered(signals: Signals | None, instruments: int) -> Signals:
    """Raises InputError."""
    if signals is None:
        return zeros(SIGNAL)
    if signals.dtype != SIGNAL:
        raise InputError(f"signals: dtype {signals.dtype}, not SIGNAL")
    who = signals["instrument"]
    if len(who) and not 0 <= who.min() <= who.max() < instruments:
        worst = who.min() if who.min() < 0 else who.max()
        raise InputError(f"signals: instrument {worst}, the table holds {instruments}")
    back = np.flatnonzero(np.diff(signals["ts"]) < 0)
    if len(back):
        raise InputError(f"signals: ts falls at {back[0] + 1}: sort them by it")
    return signals.view(SIGNAL)


def told(instruments: Iterable[Instrument], places: NDArray[Any]) -> Iterator[str]:
    """What a reader of the result has to know of the bars."""
    for i, p in zip(instruments, places, strict=True):
        if p["holes"]:
            yield (
                f"{i.symbol}: {p['holes']} holes, the longest from {day(p['since'])} to "
                f"{day(p['until'])}: no order was executed across them, positions were held"
            )
        if p["jumps"]:
            yield (
                f"{i.symbol}: {p['jumps']} opens far from the close before, the last on "
                f"{day(p['jumped'])}: adjust prices if they are splits"
            )


def day(ts: int) -> str:
    return f"{datetime.fromtimestamp(int(ts) // SECOND, UTC):%Y-%m-%d %H:%M}"
