"""Seconds that a backtest over four years of 5-minute candles takes, strategy and orders included.

Bitcoin in dollars from April 2013 on where the recording is there, else a walk of four years.
Two strategies, one after the other: a coin that holds for an hour, and a bracket that goes with the
last day's move, its stop and its target waiting at the venue. A tenth of the volume is theirs at
most, fees are ten basis points. Seconds are those of the processor. What they earn is told, and
claims nothing.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowsense.backtest import Result as Account
from flowsense.backtest import Strategy
from flowsense.backtest.closes import Settings, Signals, backtest
from flowsense.backtest.strategies.bracket import Bracket
from flowsense.backtest.strategies.coin import Random
from flowsense.bench import Result, recordings
from flowsense.exchange.client import Terms
from flowsense.forecast import SIGNAL
from flowsense.schema import BAR, CLOSE, DAY, EVENT, LAST, SECOND, Bars, Decimal, Instrument, zeros
from flowsense.sources import Told, chunks
from flowsense.sources.open import open_source
from flowsense.testing import Recording
from flowsense.wall import Stopwatch

YEARS = Path("bitfinex_5m", "BTCUSD.parquet")
EVERY, HOUR = 300 * SECOND, 3600 * SECOND
BARS = 4 * 365 * 288 + 288  # of four years, one of them leap
LIMIT = 60.0  # seconds
SETTINGS = Settings(1e6, terms=(Terms(taker=0.001, maker=0.001),))
WALK = Instrument("WALK", "simulated", Decimal(1, -2), Decimal(1, -2), depth=0)


def walk(n: int, seed: int) -> Recording:
    """Bars without a trend; of two per mille a bar at 10,000.00, their volumes heavy-tailed."""
    rng = np.random.default_rng(seed)
    ends = np.rint(1e6 * np.exp(np.cumsum(rng.normal(0, 2e-3, n)))).astype(np.int64) + 1
    bars = zeros(BAR, n)
    bars["open"], bars["close"] = np.r_[ends[:1], ends[:-1]], ends
    reach = np.rint(ends * np.abs(rng.normal(0, 1e-3, (2, n)))).astype(np.int64)
    bars["high"] = np.maximum(bars["open"], ends) + reach[0]
    bars["low"] = np.maximum(np.minimum(bars["open"], ends) - reach[1], 1)
    bars["lots"] = rng.lognormal(7, 1, n)
    bars["ts_open"] = EVERY * np.arange(1, n + 1)
    bars["ts_recv"] = bars["ts_open"] + EVERY - 1
    events = zeros(EVENT, n)
    for name in ("ts_recv", "lots"):
        events[name] = bars[name]
    events["price"], events["action"], events["bits"] = ends, CLOSE, LAST
    return Recording((WALK,), events, 100_000, "simulated", bars)


def trend(bars: Bars) -> Signals:
    """A signal at every close that is 2 % from that of a day before; stop and target 1 % away."""
    close, day = bars["close"], DAY // EVERY
    side = np.zeros(len(bars), np.int64)
    move = close[day:] / close[:-day] - 1
    side[day:] = np.where(np.abs(move) > 0.02, np.sign(move), 0)
    said = zeros(SIGNAL, len(bars))
    said["ts"], said["side"], said["size"], said["horizon"] = bars["ts_recv"] + 1, side, 0.1, DAY
    for name, way in (("stop2", -side), ("target2", side)):
        said[name] = np.rint(2 * close * (1 + 0.01 * way))
    return np.asarray(said[side != 0]).view(SIGNAL)


def recorded() -> tuple[Told, Bars]:
    """The source, and all its bars."""
    path = recordings() / YEARS
    source: Told = open_source([path]) if path.exists() else walk(BARS, 0)
    return source, np.concatenate([chunk.bars for chunk in chunks(source)]).view(BAR)


def timed(source: Told, strategy: Strategy[Any], said: Signals | None) -> dict[str, float]:
    """Figures of one strategy, reading the source included."""
    watch = Stopwatch(processor=True)
    with watch:
        result = backtest(source, strategy, SETTINGS, said)
    return {"seconds": watch.seconds, **told(result)}


def told(result: Account) -> dict[str, float]:
    last: NDArray[Any] = result.marks[-1]
    return {
        "sent": result.orders["sent"],
        "executions": len(result.fills),
        "net": float(last["equity"]) / result.capital - 1,
        "gross": float(last["gross"]) / result.capital - 1,
    }


def run() -> Result:
    """Seconds of the slower of the two, beside the limit."""
    source, bars = recorded()
    lots = max(int(np.median(bars["lots"])) // 100, 1)
    found = {
        "coin": timed(source, Random(chance=0.1, hold_ns=HOUR, lots=lots), None),
        "bracket": timed(source, Bracket(lots), trend(bars)),
    }
    slowest = max(each["seconds"] for each in found.values())
    metrics: dict[str, Any] = {"data": Path(source.name).name, "bars": len(bars)}
    metrics |= {f"{who}_{what}": x for who, each in found.items() for what, x in each.items()}
    metrics["days"] = float(bars["ts_recv"][-1] - bars["ts_recv"][0]) / DAY
    metrics |= {"seconds": slowest, "bars_per_s": len(bars) / slowest}
    return Result("bars", metrics, {"name": "limit", "seconds": LIMIT}, LIMIT / slowest)
