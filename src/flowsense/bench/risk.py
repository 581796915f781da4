"""What a decision costs: one call of `Risk.signals` per instant, and the reading of a row."""

import numpy as np
from numpy.typing import NDArray

from flowsense.bench import Result
from flowsense.bench.live import Latencies, percentiles
from flowsense.forecast import Forecast, Target
from flowsense.risk.desk import HELD, Risk, Standing
from flowsense.risk.settings import Settings
from flowsense.schema import BOOK, QUOTE, WHOLE, Decimal, Instrument
from flowsense.tape import Rows

Floats = NDArray[np.float64]

ROWS, BLOCK, COLUMNS = 20_000, 50, 150
LIMIT_US = 10.0  # a backtest decides 180,000 times in a few seconds
STEP_NS = 100_000_000
MID = Target.parse("mid@10s")


def material(n: int, seed: int = 0) -> tuple[Rows, Forecast]:
    """Rows of one instrument whose mid is a walk, and forecasts of all strengths."""
    rng = np.random.default_rng(seed)
    book, quote, ts = np.zeros(n, BOOK), np.zeros(n, QUOTE), 10**18 + STEP_NS * np.arange(n)
    mid2 = 200_001 + 2 * np.cumsum(rng.choice([-1, 1], n))
    book["known"], book["bid_px"][:, 0], book["ask_px"][:, 0] = 1, mid2 // 2, mid2 // 2 + 1
    quote["ts"], quote["mid2"], quote["state"] = ts, mid2, WHOLE
    X, valid = rng.normal(size=(n, COLUMNS)).astype(np.float32), np.ones((n, COLUMNS), np.bool_)
    rows = Rows(ts, np.zeros(n, np.int64), X, valid, np.arange(n), book, quote)
    up = rng.random(n)
    proba = np.stack([0.5 * (1 - up), np.full(n, 0.5), 0.5 * up], axis=1).astype(np.float32)
    value = (10 * (2 * up - 1)).astype(np.float32)
    return rows, Forecast((MID,), proba[:, None], value[:, None], np.ones((n, 1), np.bool_))


def timed(n: int) -> tuple[Floats, Floats, float]:
    """us to read each of the rows, by blocks, us of each decision, and the share acted on."""
    rows, forecast = material(n)
    risk = Risk(Settings(), (Instrument("A", "X", Decimal(1, -2), Decimal(1, 0)),), (MID,), COLUMNS)
    standing, state, traded = Standing(1e6, np.zeros(1, HELD)), risk.init(1e6), 0
    with Latencies() as reading, Latencies() as deciding:
        for a in range(0, n, BLOCK):
            b = slice(a, a + BLOCK)
            said = Forecast((MID,), forecast.proba[b], forecast.value[b], forecast.ready[b])
            part = rows.take(b)
            with reading.watch:
                state, cases = risk.cases(state, part, said)
            reading.note()
            for r in range(len(cases)):
                with deciding.watch:
                    state, signals = risk.signals(state, cases[r : r + 1], standing)
                deciding.note()
                traded += int(signals["vetoes"][0] == 0)
    each = 1e6 * np.array(reading.seconds) / BLOCK, 1e6 * np.array(deciding.seconds)
    return *each, traded / n


def run() -> Result:
    """us, p50 and p99; there is no peer, only a limit for a decision."""
    reading, deciding, traded = timed(ROWS)
    metrics = {
        "columns": COLUMNS,
        **percentiles(reading / 1e6, "row"),
        **percentiles(deciding / 1e6, "decision"),
        "acted_on": traded,
    }
    baseline = {"name": "limit", "decision_p50_us": LIMIT_US}
    return Result("risk", metrics, baseline, LIMIT_US / metrics["decision_p50_us"])
