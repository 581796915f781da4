"""Markets of which everything is known: `simulate` gives the feed, and the truth beside it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense._jit import records
from flowsense.errors import InputError
from flowsense.exchange.matching import LIMIT, REQUEST
from flowsense.exchange.venue import Venue
from flowsense.schema import (
    CLEAR,
    EVENT,
    LAST,
    MILLISECOND,
    SECOND,
    SNAPSHOT,
    Decimal,
    Events,
    Instrument,
    Observations,
    zeros,
)
from flowsense.simulate.flow import WORLD, advance
from flowsense.simulate.hawkes import FLOW, Hawkes, mirrored, pressing
from flowsense.simulate.latent import HINT, STATES, Latent, Lead, Moves, hints_of, news, paths_of
from flowsense.simulate.plants import NO_SCRIPT, Plant, Planted, Stage, in_time
from flowsense.sources import NO_OBSERVATIONS

EPOCH = 1_704_205_800 * SECOND  # 2024-01-02 14:30:00 UTC
ORDERS = 4095  # that may rest in one book
CHUNK = 1 << 16
OPENING = (16, 3)  # levels a side, orders a level, of the first snapshot
MOST = 100  # instruments
EXCITATIONS = {"mirrored": mirrored, "pressing": pressing}


PATHS = Latent()


@dataclass(frozen=True)
class Market:
    """A market of several instruments that share regimes and lead one another.

    Attributes:
        instruments: how many; at most 100.
        price: ticks at the start, of the first; each further one is worth 50 ticks more.
        rates: market orders, adds, cancels per second and side while the regime is 1.
        decays: of the excitement of these three kinds, per second.
        branching: spectral radius of the branching matrix, 0 <= branching < 1.
        activity: factor of the base rates in each regime.
        half_spread: ticks that makers ask on each side of the efficient price, in each regime.
        latent: regimes and efficient prices.
        leads: who hears whose news, how much of it and how late.
        lean: 0 (market orders know nothing) to 1 (all know the sign of efficient price - mid).
        width: ticks of (efficient price - mid) at which the lean reaches tanh(1) of its full size.
        attention: share of adds and cancels that know the efficient price.
        depth: mean ticks that an order rests behind its reference.
        lots: mean of an order.
        floor: orders a side below which cancels become replaces.
        wire_ns: from the venue's clock to ours.
        start: ns UTC of the opening.
        plants: what is planted besides.
        names: symbols; none: SIMA, SIMB, ...
        opens: ticks at which each instrument starts; none: as `price` says.
        decimals: of a price: a tick is 10**-decimals.
        opening: levels a side of the first book, and orders a level.
        capacity: orders that may rest in one book.
        excitation: "mirrored": as in real books; "pressing": by what pushes the same way alone.
    """

    instruments: int = 3
    price: int = 10_000
    rates: tuple[float, float, float] = (1.4, 34.0, 36.5)
    decays: tuple[float, float, float] = (2.0, 12.0, 12.0)
    branching: float = 0.6
    activity: tuple[float, ...] = (0.7, 1.0, 1.6)
    half_spread: tuple[float, ...] = (0.25, 0.4, 0.8)
    latent: Latent = PATHS
    leads: tuple[Lead, ...] = (
        Lead(0, 1, 400 * MILLISECOND, 0.9),
        Lead(0, 2, 900 * MILLISECOND, 0.8),
    )
    lean: float = 0.9
    width: float = 0.5
    attention: float = 0.4
    depth: float = 5.0
    lots: float = 5.0
    floor: int = 65
    wire_ns: int = 250_000
    start: int = EPOCH
    plants: tuple[Plant, ...] = ()
    names: tuple[str, ...] = ()
    opens: tuple[float, ...] = ()
    decimals: int = 2
    opening: tuple[int, int] = OPENING
    capacity: int = ORDERS
    excitation: str = "mirrored"

    def __post_init__(self) -> None:
        self.hawkes()
        for name, good, rule in self.rules():
            if not good:
                raise InputError(f"market: {name} {getattr(self, name)!r} cannot be, give {rule}")
        for lead in self.leads:
            heard = round(sum(x.beta**2 for x in self.leads if x.follower == lead.follower), 9)
            both = {lead.leader, lead.follower}
            if len(both) < 2 or not both <= set(range(self.instruments)):
                raise InputError(f"market: {lead} does not join two of {self.instruments}")
            if heard > 1 or lead.lag_ns <= 0:
                raise InputError(f"market: {lead} cannot be: lag_ns > 0, sum of beta**2 <= 1")

    def rules(self) -> tuple[tuple[str, bool, str], ...]:
        """(attribute, whether it is usable, what it must be)."""
        latent, n = self.latent, len(self.latent.dwell_s)
        states = (latent.dwell_s, latent.volatility, self.activity, self.half_spread)
        whole = all(len(x) == n and all(0 < v < np.inf for v in x) for x in states)
        drifts = len(latent.drift) == n and all(np.isfinite(latent.drift))
        each = (0, self.instruments)  # one to each, or none
        named = len(set(self.names)) == len(self.names) in each
        opened = len(self.opens) in each and all(0 < x < 1e12 for x in self.opens)
        levels, orders = self.opening
        return (
            ("instruments", 1 <= self.instruments <= MOST, f"1 to {MOST}"),
            ("names", named, "one to each, or none"),
            ("opens", opened, "one above 0 to each, or none"),
            ("decimals", 0 <= self.decimals <= 9, "0 to 9"),
            ("opening", levels > 0 < orders and 2 * levels * orders <= self.capacity, "fewer"),
            ("capacity", 0 < self.capacity < 1 << 20, "1 to 1,048,575"),
            (
                "rates",
                self.rates[1] <= self.rates[2],
                "no more adds than cancels, else the books swell",
            ),
            (
                "latent",
                whole and drifts and 2 <= n <= STATES and latent.innovations > 0,
                f"2 to {STATES} states (3 states where nothing else is said), all above 0",
            ),
            ("lean", 0 <= self.lean <= 1, "0 to 1"),
            ("attention", 0 <= self.attention <= 1, "0 to 1"),
            ("width", self.width > 0, "above 0"),
            ("depth", self.depth > 0, "above 0"),
            ("lots", self.lots > 1, "above 1"),
            ("floor", 1 <= self.floor <= 1000, "1 to 1000"),
            ("wire_ns", self.wire_ns >= 0, "0 or more"),
        )

    @classmethod
    def tiny(cls) -> "Market":
        """A fifth of the flow, calmer prices and short regimes, for tests."""
        latent = Latent(dwell_s=(6.0, 4.0, 2.0), volatility=(0.2, 0.4, 0.8))
        return cls(rates=(0.6, 7.0, 7.5), floor=40, latent=latent)

    def hawkes(self) -> Hawkes:
        if self.excitation not in EXCITATIONS:
            raise InputError(
                f"market: excitation {self.excitation!r}: give {', '.join(EXCITATIONS)}"
            )
        return EXCITATIONS[self.excitation](self.rates, self.decays, self.branching)

    @property
    def pure(self) -> bool:
        """Whether it is Hawkes flow and nothing else, so that the mid never moves."""
        blind = self.lean == 0 == self.attention and not self.plants
        return blind and self.depth < 1e-9 and self.lots < 1 + 1e-6 and self.opening[0] == 1

    def table(self) -> tuple[Instrument, ...]:
        tick, lot = Decimal(1, -self.decimals), Decimal(1, 0)
        names = self.names or [f"SIM{letters(i)}" for i in range(self.instruments)]
        return tuple(Instrument(name, "sim", tick, lot, by_order=True) for name in names)

    def prices(self) -> NDArray[np.float64]:
        """(instruments,) efficient prices at the start, ticks."""
        if self.opens:
            return np.array(self.opens, np.float64)
        return self.price + 0.5 + 50 * np.arange(self.instruments, dtype=np.float64)


def letters(i: int) -> str:
    """A to Z, then AA, AB, ..."""
    return (letters(i // 26 - 1) if i >= 26 else "") + chr(ord("A") + i % 26)


class Truth(NamedTuple):
    """What made the events: with it the Bayes answer to any question can be computed."""

    market: Market
    seconds: float
    seed: int
    hawkes: Hawkes
    latent: NDArray[Any]  # (n,) LATENT: regime and efficient price at each change
    lag_ns: NDArray[np.int64]  # (k, k) of [follower, leader], 0 where nothing is heard
    beta: NDArray[np.float64]  # (k, k) likewise
    hints: NDArray[Any]  # (n,) HINT: moves that can be foreseen, by when they come
    planted: dict[str, NDArray[Any]]  # truth of the plants, as "0.signs": number and name


class Simulation(NamedTuple):
    events: Events
    instruments: tuple[Instrument, ...]
    truth: Truth
    observations: Observations = NO_OBSERVATIONS
    kinds: tuple[str, ...] = ()  # names of what is observed


def simulate(market: Market, seconds: float, seed: int, chunk: int = CHUNK) -> Simulation:
    """The feed of a market over these seconds, from a snapshot on, and its truth.

    The same market, seconds and seed give the same bytes, whatever the chunk (events written
    by one call of the loop). Raises InputError.
    """
    if not 0 < seconds < 1e7:
        raise InputError(f"seconds {seconds}: give more than 0 and less than 10,000,000")
    least = 2 * market.capacity + 2
    if chunk < least and chunk != CHUNK:
        raise InputError(f"chunk {chunk}: give at least {least}, one action must fit")
    streams = np.random.SeedSequence(seed).spawn(2 + len(market.plants))
    hidden, shown, *others = (np.random.default_rng(s) for s in streams)
    span, prices = (market.start, market.start + int(seconds * SECOND)), market.prices()
    stage = Stage(*span, market.wire_ns, prices)
    planted = [plant.plan(rng, stage) for plant, rng in zip(market.plants, others, strict=True)]
    told = news(hidden, market.latent, market.instruments, span)
    silent = frozenset[int]().union(*(p.silent for p in planted))
    latent = paths_of(told, market.leads, prices, span, moves_of(planted), silent)
    venue = Venue(market.instruments, market.capacity, wire_ns=market.wire_ns)
    first, world = opening(market, venue), world_of(market, span[1])
    parts = [first, *run(venue, world, latent, shown, max(chunk, least), script_of(planted, span))]
    hints = [hints_of(told, market.leads, *span[:1], market.wire_ns), *(p.hints for p in planted)]
    truth = Truth(
        market,
        seconds,
        seed,
        market.hawkes(),
        latent,
        *network(market),
        hints=sorted_by("ts", hints).view(HINT),
        planted={f"{n}.{k}": x for n, p in enumerate(planted) for k, x in truths(p).items()},
    )
    return Simulation(
        np.concatenate(parts).view(EVENT),
        market.table(),
        truth,
        sorted_by("ts_recv", [NO_OBSERVATIONS, *(p.observations for p in planted)]),
        kinds_of(planted),
    )


def truths(planted: Planted) -> dict[str, NDArray[Any]]:
    """What the plant documents, and `acts` (n,) int64: ns at which it acted at the venue."""
    acts = {"acts": np.sort(planted.script["ts"])} if len(planted.script) else {}
    return planted.truth | acts


def moves_of(planted: Sequence[Planted]) -> dict[int, Moves]:
    """Of each instrument when its price moves, and how far."""
    every = np.concatenate([Planted({}).moves, *(p.moves for p in planted)])
    found = {}
    for i in np.unique(every["instrument"]).tolist():
        mine = every[every["instrument"] == i]
        found[i] = mine["ts"].copy(), mine["step"].copy()
    return found


def script_of(planted: Sequence[Planted], span: tuple[int, int]) -> NDArray[Any]:
    """What all of them do, by time."""
    parts, n = [Planted({}).script], 0
    for p in planted:
        parts.append(p.script.copy())
        parts[-1]["of"] += n
        n += len(p.script)
    return in_time(np.concatenate(parts), span[1])


def kinds_of(planted: Sequence[Planted]) -> tuple[str, ...]:
    """Raises InputError for a name that is given twice."""
    names = [name for p in planted for name in p.kinds]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"market: two plants observe {twice!r}: name one otherwise")
    return tuple(names)


def sorted_by(field: str, parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    every = np.concatenate(parts)
    return np.asarray(every[np.argsort(every[field], kind="stable")].view(parts[0].dtype))


def opening(market: Market, venue: Venue) -> Events:
    """Fill the books evenly; -> the snapshot of each."""
    levels, orders = market.opening
    parts = []
    for i, middle in enumerate(market.prices()):
        q = zeros(REQUEST, 2 * levels * orders)
        n = np.arange(len(q)) // 2
        q["ts"], q["kind"], q["instrument"] = market.start, LIMIT, i
        q["side"], q["lots"] = np.where(np.arange(len(q)) % 2, -1, 1), round(market.lots)
        q["price"] = np.floor(middle) + (q["side"] < 0) - q["side"] * (n // orders)
        clear = zeros(EVENT, 1)
        clear["ts_event"], clear["ts_recv"] = market.start, market.start + market.wire_ns
        clear["instrument"], clear["action"] = i, CLEAR
        parts.append(np.concatenate([clear, venue.push(q)]))
        parts[-1]["bits"] = SNAPSHOT
        parts[-1]["bits"][-1] |= LAST
    return np.concatenate(parts).view(EVENT)


def run(
    venue: Venue,
    world: NDArray[Any],
    latent: NDArray[Any],
    rng: np.random.Generator,
    chunk: int,
    script: NDArray[Any] = NO_SCRIPT,
) -> Iterator[Events]:
    flow, out = zeros(FLOW, len(venue.engines)), zeros(EVENT, chunk)
    flow["at"], flow["next"] = (
        world["begin"],
        world["end"],
    )  # the first latent price starts each flow
    books = (records(venue.engines), records(venue.levels), records(venue.orders))
    hidden = (records(latent), records(script))
    loop = (records(world), records(flow), books, hidden, records(out))
    while told := advance(*loop, rng):
        yield out[:told].copy()


def world_of(market: Market, end: int) -> NDArray[Any]:
    hawkes, w = market.hawkes(), zeros(WORLD, 1)
    w["begin"], w["end"], w["floor"] = market.start, end, market.floor
    w["mu"], w["alpha"], w["beta"] = hawkes
    states = len(market.activity)
    w["activity"][:, :states], w["half"][:, :states] = market.activity, market.half_spread
    w["lean"], w["width"], w["attention"] = market.lean, market.width, market.attention
    w["deeper"] = np.log(market.depth / (1 + market.depth))
    w["larger"] = np.log1p(-1 / market.lots)
    return w


def network(market: Market) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    k = market.instruments
    lag, beta = np.zeros((k, k), np.int64), np.zeros((k, k))
    for lead in market.leads:
        lag[lead.follower, lead.leader] = lead.lag_ns
        beta[lead.follower, lead.leader] = lead.beta
    return lag, beta
