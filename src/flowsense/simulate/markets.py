"""Markets by name: each has one thing planted that a kind of model should find.

Every function gives a `Market`; `simulate(market, seconds, seed)` gives its feed, its observations
and its truth. `Market()` itself has a leader, regimes and informed flow.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from flowsense.errors import InputError
from flowsense.schema import MILLISECOND
from flowsense.simulate.alternative import Signal
from flowsense.simulate.arbitrage import Arbitrage
from flowsense.simulate.latent import Latent, Lead
from flowsense.simulate.market import MOST, Market
from flowsense.simulate.plants import Pattern, Spoofer

LEADER = 0.85  # of a follower's variance, that its leaders explain
BRISK = Market(  # its mids keep up with the efficient prices: everybody knows them
    leads=(),
    latent=Latent(volatility=(1.5, 2.0, 3.0)),
    half_spread=(0.4, 0.4, 0.4),
    attention=1.0,
)
TRENDS = Latent(
    dwell_s=(60.0, 40.0, 40.0, 25.0, 15.0),
    volatility=(0.3, 0.6, 0.6, 1.2, 2.0),
    drift=(0.0, 0.25, -0.25, 0.0, -0.5),
)


def leader(instruments: int = 3) -> Market:
    """The default market, with as many of its leads as there are instruments for."""
    leads = (x for x in Market.leads if max(x.leader, x.follower) < instruments)
    return Market(instruments=instruments, leads=tuple(leads))


def network(
    instruments: int = 30,
    seed: int = 0,
    leaders: float = 1.0,
    lags_ns: tuple[int, int] = (200 * MILLISECOND, 2_000 * MILLISECOND),
    share: float = LEADER,
) -> Market:
    """A sparse random lead-lag network of up to 100 instruments, drawn by its own seed.

    Each has a Poisson(`leaders`) number of leaders among those before it, at most 3, with lags
    uniform in `lags_ns`, whole multiples of 100 ms; together they explain this `share` of its
    variance. Truth: `lag_ns` and `beta` (k, k) of [follower, leader].
    """
    check(instruments)
    rng, leads = np.random.default_rng(seed), []
    for follower in range(1, instruments):
        n = min(int(rng.poisson(leaders)), 3, follower)
        for one in sorted(rng.choice(follower, n, replace=False).tolist()):
            step = 100 * MILLISECOND
            lag = step * int(rng.integers(lags_ns[0] // step, lags_ns[1] // step + 1))
            sign = -1 if rng.random() < 0.2 else 1
            leads.append(Lead(one, follower, lag, sign * float(np.sqrt(share / n))))
    return replace(BRISK, instruments=instruments, leads=tuple(leads))


def breaks(at_s: tuple[float, ...] = (300.0, 600.0), lag_ns: int = MILLISECOND) -> Market:
    """Two instruments that move as one until the first of these seconds, then alone, and again.

    Truth: `breaks_s` of the lead in `truth.market.leads`.
    """
    lead = Lead(0, 1, lag_ns, 0.95, at_s)
    return replace(BRISK, instruments=2, leads=(lead,))


def patterns(
    instruments: int = 1, lags_s: tuple[float, ...] = (1.0, 5.0, 20.0, 60.0), ticks: float = 4.0
) -> Market:
    """Bursts of trades that foretell a move, one pattern per lag; the first is seen in the book.

    Each burst has more orders the later its move, so that they can be told apart. Calm prices
    otherwise, and nobody else knows anything. Truth: `planted["K.signs"]` of pattern K.
    """
    check(instruments)
    plants = tuple(
        Pattern(lag, ticks, every_s=10.0, seen="book" if k == 0 else "trades", orders=20 + 10 * k)
        for k, lag in enumerate(lags_s)
    )
    latent = Latent(volatility=(0.3, 0.3, 0.3))
    calm = replace(BRISK, activity=(1.0, 1.0, 1.0), latent=latent)
    return replace(calm, instruments=instruments, plants=plants)


def alternative(instruments: int = 1, useful: int = 2, useless: int = 2) -> Market:
    """Signals that foretell moves seconds later beside signals that look alike and tell nothing.

    Named useful0, useless0, ...; late arrivals and revisions among both. Truth: `planted["K.told"]`
    and `planted["K.told_at"]` of signal K, the useful ones first.
    """
    check(instruments)
    good = (Signal(f"useful{k}", lead_s=5.0 + 3 * k) for k in range(useful))
    bad = (Signal(f"useless{k}", lead_s=5.0 + 3 * k, worth=0.0) for k in range(useless))
    latent = Latent(volatility=(0.3, 0.6, 1.2))
    return replace(BRISK, instruments=instruments, latent=latent, plants=(*good, *bad))


def arbitrage(assets: int = 4, ticks: int = 30) -> Market:
    """A rate for every pair of assets, A/B and so on, with negative cycles at known times.

    A price times the tick (0.0001) is a rate. Truth: `planted["0.pairs"]`, `planted["0.cycles"]`.
    """
    plant = Arbitrage(assets, ticks=ticks)
    opens = tuple((plant.rates() * 10_000).tolist())
    return replace(
        BRISK,
        instruments=len(opens),
        plants=(plant,),
        names=plant.symbols(),
        opens=opens,
        decimals=4,
    )


def spoofed(instruments: int = 1) -> Market:
    """The first instrument has a spoofer. Truth: `planted["0.spoofs"]`."""
    return replace(leader(instruments), plants=(Spoofer(),))


def trends(instruments: int = 1) -> Market:
    """Five regimes: quiet, rising, falling, volatile, and a falling crisis. Truth: `latent`."""
    check(instruments)
    return Market(
        instruments=instruments,
        leads=(),
        latent=TRENDS,
        activity=(0.7, 1.0, 1.0, 1.3, 1.6),
        half_spread=(0.25, 0.4, 0.4, 0.6, 0.8),
    )


def flow(
    instruments: int = 1,
    branching: float = 0.8,
    decays: tuple[float, float, float] = (8.0, 8.0, 8.0),
) -> Market:
    """Pure Hawkes flow of single lots into one deep level a side: the mid never moves.

    The order flow imbalance over any horizon is then a sum of signed points, and the chances of
    its sign are known exactly: `simulate.bayes.flow_signs`. With branching 0 nothing can be told.
    """
    check(instruments)
    return Market(
        instruments=instruments,
        rates=(1.0, 17.0, 17.0),
        decays=decays,
        branching=branching,
        activity=(1.0, 1.0, 1.0),
        leads=(),
        lean=0.0,
        attention=0.0,
        depth=1e-12,
        lots=1 + 1e-9,
        floor=1,
        opening=(1, 20_000),
        capacity=60_000,
        excitation="pressing",
    )


MARKETS: dict[str, Callable[..., Market]] = {
    "leader": leader,
    "network": network,
    "breaks": breaks,
    "patterns": patterns,
    "alternative": alternative,
    "arbitrage": arbitrage,
    "spoofed": spoofed,
    "trends": trends,
    "flow": flow,
}
ADDED = ("patterns", "alternative", "spoofed")  # what they plant suits every market
ALONE = "flow"  # anything else would move its mid


def composed(names: tuple[str, ...], instruments: int | None = None) -> Market:
    """One market with everything that is named planted in it.

    At most one of them may be more than an addition. `instruments` where it should not be the
    usual number. Raises InputError.
    """
    for name in names:
        if name not in MARKETS:
            raise InputError(f"plant {name!r}: give {', '.join(MARKETS)}")
    bases = [name for name in names if name not in ADDED]
    if len(set(names)) < len(names) or len(bases) > 1 or (ALONE in names and len(names) > 1):
        others = ", ".join(ADDED)
        raise InputError(
            f"plants {', '.join(names)}: give one of them; {others} can be added to all but {ALONE}"
        )
    base, *more = bases + [name for name in names if name in ADDED] or ["leader"]
    market = sized(base, instruments)
    plants = [plant for name in more for plant in MARKETS[name](market.instruments).plants]
    return replace(market, plants=(*market.plants, *plants))


def sized(name: str, instruments: int | None) -> Market:
    """The market of this name. Raises InputError for a number that it cannot have."""
    if name == "arbitrage":
        assets = round((1 + np.sqrt(1 + 8 * (instruments or 6))) / 2)
        market = arbitrage(int(assets))
    elif name == "breaks":
        market = breaks()
    else:
        return MARKETS[name](*(() if instruments is None else (instruments,)))
    if instruments not in (None, market.instruments):
        rule = "6, 10, 15, ... pairs of assets" if name == "arbitrage" else "2"
        raise InputError(f"instruments {instruments}: {name} has {rule}")
    return market


def check(instruments: int) -> None:
    if not 1 <= instruments <= MOST:
        raise InputError(f"instruments {instruments}: give 1 to {MOST}")
