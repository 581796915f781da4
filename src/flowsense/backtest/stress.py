"""Markets that break: a recording as it would have been in a crash, without liquidity, halted.

A `Scenario` changes a span of a recording; what comes of it is again a valid stream, so that
everything downstream, risk included, meets it as it would the real thing::

    flash crash     all prices fall by a share of the mid, then come back
    liquidity gone  a share of the lots of every level, order and trade is left
    wide            bids fall and asks rise until the spread is as many times what it was
    halt            STATUS HALT; the book stands still, then trading goes on with what it is now
    venue down      GAP; nothing is told until a snapshot ends it

As a change begins, ends or takes a step, what of the book is then different is told as one message
of the venue: changed levels by SET, changed orders by MODIFY, with LAST on the last. The market
does not react: who traded in the recording trades in the scenario, at its prices.

Bars fall and thin alike, and are missing while a venue is down or halted. They hold no spread: it
is widened where a backtest on bars is given one, see `Frictions.times`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from flowsense.backtest import Result
from flowsense.backtest.measures import measure
from flowsense.backtest.stressed import Warped
from flowsense.errors import InputError
from flowsense.schema import SECOND, Chunk
from flowsense.sources import Told, chunks
from flowsense.sources.within import Within

MINUTE = 60 * SECOND
STEPS = 20  # of a fall, and of the way back


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happens in [start, end), ns. Raises InputError for what cannot.

    Attributes:
        fall: share of the mid by which prices are lower at `bottom`, below 1.
        bottom: ns; prices fall until then, and rise until `end`, each in 20 equal steps.
        widen: times the spread, from 1.
        keep: share of lots that are left, above 0; what there is is at least one lot.
        stop: what does not go on.
    """

    name: str
    start: int
    end: int
    fall: float = 0.0
    bottom: int = 0
    widen: float = 1.0
    keep: float = 1.0
    stop: Literal["", "halt", "down"] = ""

    def __post_init__(self) -> None:
        for name, good, rule in (
            ("end", 0 <= self.start < self.end, f"ns after its start {self.start}"),
            ("fall", 0 <= self.fall < 1, "a share from 0, below 1"),
            ("bottom", not self.fall or self.start < self.bottom <= self.end, "ns within it"),
            ("widen", 1 <= self.widen < np.inf, "a number from 1"),
            ("keep", 0 < self.keep <= 1, "a share above 0, at most 1"),
            ("stop", self.stop in ("", "halt", "down"), "halt, down or nothing"),
        ):
            if not good:
                raise InputError(
                    f"scenario {self.name!r}: {name} {getattr(self, name)} cannot be: give {rule}"
                )

    def knots(self) -> tuple[tuple[int, float], ...]:
        """From when on which share of the fall holds; (start, 0) where there is none."""
        if not self.fall:
            return ((self.start, 0.0),)
        down, back = self.bottom - self.start, self.end - self.bottom
        steps = range(STEPS)
        falls = [(self.start + down * k // STEPS, (k + 1) / STEPS) for k in steps]
        return (*falls, *((self.bottom + back * k // STEPS, 1 - (k + 1) / STEPS) for k in steps))


def flash_crash(
    start: int, fall: float = 0.1, down_ns: int = MINUTE, back_ns: int = 5 * MINUTE
) -> Scenario:
    """Prices fall by a share within `down_ns`, and are back after `back_ns` more."""
    return Scenario("flash crash", start, start + down_ns + back_ns, fall, start + down_ns)


def liquidity_gone(start: int, for_ns: int = 5 * MINUTE, keep: float = 0.02) -> Scenario:
    return Scenario("liquidity gone", start, start + for_ns, keep=keep)


def wide(start: int, for_ns: int = 5 * MINUTE, times: float = 10.0) -> Scenario:
    return Scenario(f"spread x {times:g}", start, start + for_ns, widen=times)


def halt(start: int, for_ns: int = 5 * MINUTE) -> Scenario:
    return Scenario("halt", start, start + for_ns, stop="halt")


def venue_down(start: int, for_ns: int = 5 * MINUTE) -> Scenario:
    return Scenario("venue down", start, start + for_ns, stop="down")


def standard(start: int, for_ns: int = 5 * MINUTE) -> tuple[Scenario, ...]:
    """One of each at the same time."""
    crash = flash_crash(start, 0.1, max(for_ns // 6, 1), for_ns - max(for_ns // 6, 1))
    span = (start, for_ns)
    return crash, liquidity_gone(*span), wide(*span), halt(*span), venue_down(*span)


@dataclass(frozen=True)
class Stressed(Within):
    """A source under a scenario, in all instruments or those of `only`; a source itself."""

    scenario: Scenario
    only: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = set(self.only) - {i.symbol for i in self.instruments}
        if unknown:
            raise InputError(
                f"{self.source.name}: holds no {min(unknown)}: give one of its symbols"
            )
        bars = [i.symbol for i in self.instruments if not i.depth]
        if bars and self.scenario.widen > 1:
            raise InputError(f"{bars[0]}: bars hold no spread: use Frictions.times for a wider one")

    @property
    def name(self) -> str:
        return f"{self.source.name}, {self.scenario.name}"

    def chunks(self) -> Iterator[Chunk]:
        """Bars and observations beside, of the same times."""
        s, which = self.scenario, self.only
        warped = Warped(
            self.instruments, s, tuple(not which or i.symbol in which for i in self.instruments)
        )
        return (warped.push(chunk) for chunk in chunks(self.source))


class Outcome(NamedTuple):
    """A row of the table of scenarios; shares are of the capital."""

    scenario: str
    net: float  # return over the span
    loss: float  # how much less than without the scenario
    drawdown: float  # worst, share of the peak
    trips: dict[str, int] | None  # reason -> how often it opened a breaker; None: none watched
    unfilled: int  # orders that were cancelled, rejected or still open
    rejected: int


def stress(
    source: Told, backtest: Callable[[Told], Result], scenarios: Sequence[Scenario]
) -> tuple[Outcome, ...]:
    """The backtest as it was, then under each scenario.

    Breakers are those of risk, which a run over ticks tells of as ``config["trips"]``; without
    risk nothing watches. Raises InputError.
    """
    plain = backtest(source)
    net = measure(plain).net
    results = [(s.name, backtest(Stressed(source, s))) for s in scenarios]
    return tuple(outcome(name, r, net) for name, r in [("none", plain), *results])


def outcome(name: str, result: Result, net: float) -> Outcome:
    m, orders = measure(result), result.orders
    return Outcome(
        name,
        m.net,
        net - m.net,
        m.drawdown.depth,
        result.config.get("trips"),
        orders.get("sent", 0) - orders.get("filled", 0),
        orders.get("rejected", 0),
    )
