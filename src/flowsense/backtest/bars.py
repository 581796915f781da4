"""A venue made of candles: what orders would have met where only bars were kept, not the book.

A bar hides its path, so every doubt is decided against the order:

- An order sent at a close meets the next bar that opens then or later, never the one it was
  decided on. A market order executes at its open, half a spread and the slippage worse, and what
  the bar has no room for is cancelled.
- A limit order executes where the bar trades strictly through its price, at its price. One that
  would take at the open of its first bar takes there; one within the spread waits until the bar
  trades behind that open.
- ``STOP`` requests give up what is held once their price is touched, at the worse of price and
  open, less half a spread and slippage; what was held longest goes first, what was opened in the
  same bar no better than at the worst entry of it. They never open a position. One that is hit
  takes the limits on its side away; they go when the position is gone.
- A withdrawal or a replacement changes what bars do that open later. Where `delay` bars have to
  pass, it leaves the order as it was until then.
- Where a bar reaches an entry and its stop, or a stop and the target beside it, the stop counts.
- All executions in a bar are at most `share` of its volume.

Slippage is impact * volatility * sqrt(our share of the bar's volume): the square-root law (Toth et
al. 2011, "Anomalous price impact", eq. 1), with the volatility of a bar as an exponential mean over
the 20 bars before; where a bar tells no volume, it is taken for their mean. Where none tells any
there is no slippage, and `share` must be None.
"""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from flowsense._jit import records
from flowsense.backtest.fills import MOST, advance
from flowsense.backtest.resting import PLACE, RESTING, STOP, VENUE, take
from flowsense.errors import InputError
from flowsense.exchange.client import KINDS, REPORT, Reports, Requests
from flowsense.exchange.matching import REPLACE, REQUEST, WITHDRAW
from flowsense.schema import (
    BAR,
    BOOK,
    CLOSE,
    LARGEST,
    Bars,
    Events,
    Instrument,
    Quotes,
    check,
    checked,
    zeros,
)
from flowsense.sources import NO_BARS
from flowsense.store.checkpoint import pack, unpack

__all__ = ["STOP", "BarVenue", "Frictions"]
ARRAYS = ("venue", "places", "orders", "waiting")


@dataclass(frozen=True, slots=True)
class Frictions:
    """What trading on bars is assumed to lose, beside fees. Raises InputError.

    Attributes:
        half_spread: share of the price, 1e-4 is one basis point.
        impact: volatilities of a bar that taking all its volume would cost.
        share: of a bar's volume that may be ours; None where bars tell no volume.
        delay: bars that pass before an order, or a change of one, is there and heard of.
        patience_ns: an order that no bar met for so long is cancelled, as nobody knows what it
            would have met; None: an hour, or five bars where that is longer.
    """

    half_spread: float = 1e-4
    impact: float = 1.0
    share: float | None = 0.1
    delay: int = 0
    patience_ns: int | None = None

    def __post_init__(self) -> None:
        for name, good, rule in (
            ("half_spread", 0 <= self.half_spread < 1, "a share of the price from 0, below 1"),
            ("impact", 0 <= self.impact < np.inf, "a number from 0"),
            ("share", self.share is None or 0 < self.share <= 1, "above 0, at most 1, or None"),
            ("delay", 0 <= self.delay < 2**31, "bars from 0"),
            ("patience_ns", self.patience_ns is None or self.patience_ns >= 0, "ns, or None"),
        ):
            if not good:
                raise InputError(f"{name} {getattr(self, name)} of bars cannot be: give {rule}")

    def times(self, factor: float) -> Self:
        """The same with so many times the spread and the impact."""
        return replace(self, half_spread=self.half_spread * factor, impact=self.impact * factor)


class BarVenue:
    """A `Venue` of bars: a fold over bars, what is said of the venue, and requests.

    STATUS halts an instrument: orders are refused, those that rest meet no bar; a stop that such a
    bar touches, as part of it was before the halt, goes on at the next open. After a GAP nobody
    knows what orders met: they are cancelled, and others refused until the next bar. A CLOSE that
    comes without its bar is a bar of one price. `most` orders may rest.

    A driver that pushes events alone, as that of ticks does, tells the bars by `expect`. Raises
    InputError.
    """

    def __init__(
        self,
        instruments: tuple[Instrument, ...],
        frictions: Frictions | None = None,
        most: int = 256,
    ) -> None:
        if not 0 < most < 2**20:
            raise InputError(f"bars: {most} orders at most: give 1 to {2**20 - 1}")
        f = frictions or Frictions()
        self._instruments = instruments
        self.venue, self.places = zeros(VENUE, 1), zeros(PLACE, len(instruments))
        self.orders, self.waiting = zeros(RESTING, 2 * most), NO_BARS
        self.venue["half_spread"], self.venue["impact"] = f.half_spread, f.impact
        self.venue["share"] = -1.0 if f.share is None else f.share
        self.venue["patience"] = -1 if f.patience_ns is None else f.patience_ns
        self.venue["delay"] = f.delay
        self.settings = f"{f} {most} {instruments}"
        self._bind()

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        return self._instruments

    def push(self, events: Events, requests: Requests, bars: Bars = NO_BARS) -> Reports:
        """Reports of these requests, then of what these events and their bars did.

        Each has the `ts` at which the client may know: of the request, or the end of the bar;
        executions have the open of the bar as `ts_venue`, or its end where they came later.
        Raises InputError.
        """
        events, k = checked(events, len(self.places)), len(self.places)
        bars = sound(bars, k) if len(bars) else self._due(events)
        return self.fold(events, requests, self.complete(events, bars))

    def expect(self, bars: Bars) -> None:
        """Bars of closes yet to come, for a caller that pushes events alone. Raises InputError."""
        if len(bars):
            self.waiting = np.concatenate([self.waiting, sound(bars, len(self.places))])

    def _due(self, events: Events) -> Bars:
        """Those that have closed."""
        now = int(events["ts_recv"][-1]) if len(events) else -1
        n = int(np.searchsorted(self.waiting["ts_recv"], now, side="right"))
        due, self.waiting = self.waiting[:n], self.waiting[n:]
        return due

    def complete(self, events: Events, bars: Bars) -> Bars:
        """With bars of one price, of closes whose bars nobody told."""
        closes = events[events["action"] == CLOSE]
        if all(np.array_equal(closes[n], bars[n]) for n in ("instrument", "ts_recv")):
            return bars
        closes = closes[closes["ts_recv"] > self.places["ts"][closes["instrument"]]]
        told, pairs = set(keys(bars)), keys(closes)
        alone = closes[np.array([pair not in told for pair in pairs], np.bool_)]
        if not len(alone):
            return bars
        both = np.concatenate([bars, sound(flat(alone), len(self.places))])
        return both[np.argsort(both["ts_recv"], kind="stable")].view(BAR)

    def fold(self, events: Events, requests: Requests, bars: Bars) -> Reports:
        """`push` of events and bars that were checked and are complete."""
        parts = [self._taken(requests)] if len(requests) else []
        v = self.venue[0]
        v["done"] = v["read"] = 0
        inputs, done = (records(bars), records(events)), False
        while not done:
            out = zeros(REPORT, MOST * int(v["live"]) + 8)
            done = advance(*self._arrays, *inputs, records(out))
            parts.append(out[: v["told"]])
        return parts[0] if len(parts) == 1 else np.concatenate(parts).view(REPORT)

    def _taken(self, requests: Requests) -> Reports:
        out = zeros(REPORT, len(requests))
        take(*self._arrays, records(asked(requests, len(self.places))), records(out))
        return out[: self.venue["told"][0]]

    def touch(self, quotes: Quotes, lots: NDArray[np.int64]) -> NDArray[Any]:
        """(K,) BOOK: where so many lots (K,) would go at the mids of these quotes (K,).

        Half a spread and the slippage away, as of a bar of the mean volume.
        """
        v, p, mid = self.venue[0], self.places, quotes["mid2"] / 2
        part = np.divide(np.abs(lots), p["volume"], out=np.zeros(len(p)), where=p["volume"] > 0)
        worse = mid * (v["half_spread"] + v["impact"] * np.sqrt(p["variance"] * part))
        out, dust = zeros(BOOK, len(p)), 1e-12 * mid
        out["bid_px"][:, 0] = np.clip(np.floor(mid - worse + dust), 1, LARGEST)
        out["ask_px"][:, 0] = np.clip(np.ceil(mid + worse - dust), 1, LARGEST)
        out["bid_sz"][:, 0] = out["ask_sz"][:, 0] = mid > 0
        return out

    def snapshot(self) -> bytes:
        """Everything that later reports depend on."""
        return pack(
            {"settings": np.array(self.settings)} | {n: getattr(self, n).copy() for n in ARRAYS}
        )

    def restore(self, data: bytes) -> None:
        """Go on where a snapshot was taken. Raises InputError where it is of another venue."""
        arrays = unpack(data)
        if str(arrays["settings"]) != self.settings:
            raise InputError(
                f"snapshot of bars {arrays['settings']}, these are {self.settings}: "
                "restore what it was taken of"
            )
        for name in ARRAYS:
            setattr(self, name, arrays[name].view(getattr(self, name).dtype))
        self._bind()

    def _bind(self) -> None:
        self._arrays = records(self.venue), records(self.places), records(self.orders)


def sound(bars: Bars, instruments: int) -> Bars:
    """Bars checked. Raises InputError."""
    check("bars", bars, BAR, range(instruments))
    low, high = bars["low"], bars["high"]
    inside = (low <= bars["open"]) & (bars["open"] <= high)
    inside &= (low <= bars["close"]) & (bars["close"] <= high)
    good = inside & (low > 0) & (bars["lots"] >= 0) & (bars["ts_open"] <= bars["ts_recv"])
    if not good.all():
        i = int(good.argmin())
        shown = ", ".join(f"{n} {bars[n][i]}" for n in ("open", "high", "low", "close", "lots"))
        raise InputError(f"bars: {shown} at {i} cannot be: leave it out")
    return bars.view(BAR)


def keys(records: NDArray[Any]) -> list[tuple[int, int]]:
    return list(zip(records["instrument"].tolist(), records["ts_recv"].tolist(), strict=True))


def flat(closes: Events) -> Bars:
    """Bars of one price."""
    out = zeros(BAR, len(closes))
    for name in ("open", "high", "low", "close"):
        out[name] = closes["price"]
    for name in ("ts_recv", "lots", "instrument"):
        out[name] = closes[name]
    out["ts_open"] = out["ts_recv"]
    return out


def asked(requests: Requests, instruments: int) -> NDArray[Any]:
    """Requests checked. Raises InputError."""
    if requests.dtype != REQUEST:
        raise InputError(f"requests: dtype {requests.dtype}, not REQUEST")
    q, kinds = requests, (*KINDS, STOP)
    changes = (q["kind"] == WITHDRAW) | (q["kind"] == REPLACE)
    for name, good, rule in (
        ("instrument", (q["instrument"] >= 0) & (q["instrument"] < instruments), "of the table"),
        ("kind", (q["kind"] >= min(kinds)) & (q["kind"] <= max(kinds)), f"1 to {max(kinds)}"),
        ("side", changes | (np.abs(q["side"]) == 1), "+1 or -1"),
        ("order_id", q["order_id"] > 0, "ids above 0"),
        ("ts", np.diff(q["ts"], prepend=q["ts"][0]) >= 0, "ns that never fall"),
    ):
        if not good.all():
            i = int(np.argmin(good))
            raise InputError(f"request {i}: {name} {q[name][i]} cannot be, give {rule}")
    return q.view(REQUEST)
