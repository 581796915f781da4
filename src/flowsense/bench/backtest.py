"""Seconds that a backtest of one LOBSTER morning takes, its features and forecasts being ready.

Three strategies of GOOG every 100 ms from 09:30 to 14:30 New York, one after the other: a maker
that heeds the forecast, the same without it, and a taker that acts on what risk recommends. Orders
and reports are 1 ms on their way, fees are those of a large venue. The forecast is logistic,
learned from the first third of the rows and silent there. Seconds are those of the processor. What
the strategies earn is told, and claims nothing: one morning of one stock.
"""

from pathlib import Path
from typing import Any

import numpy as np

from flowsense.backtest import Result as Account
from flowsense.backtest import Strategy
from flowsense.backtest.strategies.follow import Follow
from flowsense.backtest.strategies.quote import Quote
from flowsense.backtest.ticks import Backtest, backtest, stored
from flowsense.bench import Result, recordings
from flowsense.exchange.client import Terms
from flowsense.exchange.latency import Constant
from flowsense.exchange.replay import Replay, Rules
from flowsense.features.catalogue import spec
from flowsense.forecast import Forecast, Target
from flowsense.model import Budget
from flowsense.models import build
from flowsense.risk.desk import Risk
from flowsense.risk.settings import Settings
from flowsense.schema import MILLISECOND, NEVER
from flowsense.simulate.market import Market, simulate
from flowsense.sources.open import open_source
from flowsense.testing import Recording
from flowsense.train.dataset import Dataset, forecast, prepare
from flowsense.wall import Stopwatch

MORNING = Path("lobster", "GOOG_2012-06-21_34200000_52200000_message_10.csv.zst")
FAMILIES = ("ofi", "depth", "flow")
TARGET = Target("mid", 500 * MILLISECOND)
LIMIT = 20.0  # seconds
CAPITAL = 1_000_000.0
WAIT = Constant(MILLISECOND)
TERMS = Terms(taker=0.00005, rebate=0.00003)  # 30 and 20 cents in 10,000 dollars, roughly Nasdaq's
STRATEGIES: dict[str, Strategy[Any]] = {
    "maker": Quote(lots=100, most=500),
    "deaf_maker": Quote(lots=100, most=500, heeds=False),
    "taker": Follow(),
}


def morning() -> tuple[Dataset, str]:
    """Rows with their events, and where from: a simulated market where there is no recording."""
    path, target = recordings() / MORNING, (TARGET,)
    if path.exists():
        source = open_source(path)
        return prepare(source, spec(FAMILIES), target, events=True), path.name
    simulation = simulate(Market(instruments=1, leads=()), 600, 0)
    recording = Recording(simulation.instruments, simulation.events)
    return prepare(recording, spec(FAMILIES), target, events=True), "simulated"


def said(data: Dataset) -> tuple[Forecast, int]:
    """Forecasts of all rows, silent on those that were learned from; ns when they end."""
    ts, known = data.ts, data.labels.known_at[:, 0]
    learned = int(ts[len(ts) // 3])
    early = data.labels.valid & (known < learned)[:, None]
    stop = np.zeros_like(early)
    model = build("logistic").fit(
        data, data.labels.to_fit(early, stop), seed=0, budget=Budget(steps=200)
    )
    return forecast(model, data, start=learned, end=NEVER), learned


def timed(strategy: Strategy[Any], data: Dataset, heard: Forecast) -> tuple[Account, float]:
    """What came of it, and the seconds it took."""
    table = data.instruments
    venue = Replay(table, TERMS, Rules(order=WAIT, response=WAIT))
    risk = Risk(Settings(), table, heard.targets, len(data.spec.columns))
    run = Backtest(venue, strategy, risk, capital=CAPITAL, terms=(TERMS,) * len(table))
    watch = Stopwatch(processor=True)
    with watch:
        result = backtest(run, stored(data, heard))
    return result, watch.seconds


def told(result: Account, seconds: float) -> dict[str, float]:
    """Figures of one strategy."""
    last = result.marks[-1]
    return {
        "seconds": seconds,
        "sent": result.orders["sent"],
        "executions": len(result.fills),
        "net": float(last["equity"]) - CAPITAL,
        "fees": float(last["fees"]),
    }


def run() -> Result:
    """Seconds of the slowest of the strategies, beside the limit."""
    data, name = morning()
    heard, _ = said(data)
    metrics: dict[str, Any] = {"data": name, "events": data.events, "rows": len(data)}
    slowest = 0.0
    for each, strategy in STRATEGIES.items():
        found = told(*timed(strategy, data, heard))
        metrics |= {f"{each}_{what}": x for what, x in found.items()}
        slowest = max(slowest, found["seconds"])
    metrics |= {"seconds": slowest, "events_per_s": data.events / slowest}
    metrics["rows_per_s"] = len(data) / slowest
    return Result("backtest", metrics, {"name": "limit", "seconds": LIMIT}, LIMIT / slowest)
