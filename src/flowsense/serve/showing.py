"""`serve --demo`: a simulated market, told as a venue tells it, and a model that forecasts it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import inf
from pathlib import Path
from threading import Event, Thread

from flowsense.ensemble.blend import Blend
from flowsense.ensemble.members import Ensemble
from flowsense.features.catalogue import spec
from flowsense.forecast import Target
from flowsense.live.feed import Address
from flowsense.model import Budget
from flowsense.model.calibrated import Calibrated
from flowsense.models import build
from flowsense.replay import speaker
from flowsense.replay.feed import feed
from flowsense.replay.server import Replay
from flowsense.simulate.latent import Latent
from flowsense.simulate.market import simulate
from flowsense.simulate.markets import BRISK
from flowsense.simulate.plants import Pattern
from flowsense.sources.open import open_source
from flowsense.store.events import write_events
from flowsense.train.dataset import prepare
from flowsense.train.shelf import keep

VENUE = "binance-spot"  # whose protocol is spoken
LEARN, SHOW = 120.0, 600.0  # seconds: to learn from, and until it begins again
TARGETS = ("mid@1s", "mid@500ms")  # the first is acted on
FAMILIES = ("depth", "ofi", "flow")
BURSTS = Pattern(lag_s=0.8, ticks=10.0, every_s=5.0, orders=20, within_s=0.3)
MARKET = replace(  # calm but for the bursts, whose moves are worth more than the spread twice
    BRISK,
    instruments=2,
    leads=(),
    half_spread=(0.25, 0.25, 0.25),
    latent=Latent(volatility=(0.3, 0.3, 0.3)),
    plants=(BURSTS,),
)


def model(folder: Path, seed: int) -> Path:
    """A checkpoint of an ensemble that has learned from another stretch of the market."""
    path = folder / "learn.parquet"
    write(path, LEARN, seed + 1)
    of = spec(FAMILIES)
    data = prepare(open_source([path]), of, tuple(map(Target.parse, TARGETS)))
    members = build("logistic"), build("antisymmetric"), build("xgboost", trees=60)
    plain = Calibrated(Ensemble(members, Blend(table=False)))
    fitted = plain.fit(data, data.labels, seed=seed, budget=Budget(steps=100, seconds=inf))
    place = folder / "demo"
    keep(place, fitted, data, (int(data.ts[0]), int(data.ts[-1]) + 1), seed, {})
    return place


def write(path: Path, seconds: float, seed: int) -> None:
    made = simulate(MARKET, seconds, seed)
    write_events(path, made.instruments, [made.events])


@contextmanager
def market(folder: Path, seed: int) -> Iterator[tuple[tuple[str, ...], Address]]:
    """Symbols and address of the venue, which speaks on a thread of its own until the end."""
    path = folder / "market.parquet"
    write(path, SHOW, seed)
    there, done, found = Event(), Event(), list[Address]()
    told = feed(open_source([path]), VENUE, loop=True)

    async def speak() -> None:
        async with Replay(told, speaker(VENUE)(told.instruments)) as venue:
            found.append(Address(venue.stream, venue.rest))
            there.set()
            await asyncio.to_thread(done.wait)

    thread = Thread(target=lambda: asyncio.run(speak()), name="flowsense venue", daemon=True)
    thread.start()
    there.wait(10.0)
    try:
        yield tuple(i.symbol for i in told.instruments), found[0]
    finally:
        done.set()
        thread.join(5.0)
