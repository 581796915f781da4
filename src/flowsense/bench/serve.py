"""The whole way, from a socket to a published prediction, under a load that does not wait.

Another process speaks Binance's USD-M protocol on time (`bench.barrage`): BTC and ETH of 2024-08-08
faster than they were, then at the pace of life under more and more names. Five specialists in one
ensemble forecast on a grid of 100 ms; they are fitted in seconds, so what they cost is what is
looked at, not what they say. Milliseconds are from the socket read of the message that closed a row
to the row's publication; `late_ms` from the row's boundary on the clock, which nothing that stalls
can hide from. The pace that counts is the greatest at which 99 % are below 10 ms.
"""

import asyncio
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from flowsense.bench import Result, recordings
from flowsense.bench.specialists import specialists
from flowsense.live.feed import Address
from flowsense.schema import EVENT, SECOND, Events
from flowsense.serve.config import PipelineConfig
from flowsense.serve.pipeline import InferencePipeline
from flowsense.served import Prediction
from flowsense.sources.open import open_source
from flowsense.store.events import write_events
from flowsense.wall import now_utc, within

LIMIT_MS = 10.0
WANTED = 100_000  # events per second
VENUE = "binance-usdm"
LENGTH = 12.0  # seconds of one step
SPEEDS = (1.0, 4.0, 12.0, 24.0, 40.0, 60.0)  # times life
NAMES = (4, 8, 16)  # copies of the two instruments
WARM = 2.0  # seconds that are not counted: books are built and codes are cold
FILES = ("usdm_btcusdt_20240808", "usdm_ethusdt_20240808")


class Load(NamedTuple):
    """One step: what came in, and how fast it came out."""

    instruments: int
    events_per_second: float
    messages_per_second: float
    predictions: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    late_ms: float  # 99 %, from the boundary
    unfolded: int  # events that were conflated, or waited when all was said
    stages: dict[str, float]  # us, 99 %


def market(folder: Path) -> tuple[Path, float]:
    """The recording as one file, and its events per second."""
    data = recordings() / "binance_ws_raw"
    source = open_source([data / f"{name}.jsonl.zst" for name in FILES])
    events = np.concatenate(list(source)).view(EVENT)
    path = folder / "market.parquet"
    write_events(path, source.instruments, [events])
    return path, rate(events)


def rate(events: Events) -> float:
    return len(events) / (float(events["ts_recv"][-1] - events["ts_recv"][0]) / SECOND)


def load(path: Path, model: Path, speed: float, copies: int) -> Load:
    """One step, with a venue of its own."""
    passes = max(1, round(LENGTH * speed / 340 + 0.5))
    call = [sys.executable, "-m", "flowsense.bench.barrage", str(path)]
    words = [str(speed), str(copies), str(passes)]
    with subprocess.Popen([*call, *words], stdout=subprocess.PIPE, text=True) as venue:
        assert venue.stdout is not None
        port, messages, seconds = venue.stdout.readline().split()
        try:
            return asyncio.run(
                heard(venue, int(port), model, copies, int(messages), float(seconds))
            )
        finally:
            venue.kill()


async def heard(
    venue: "subprocess.Popen[str]",
    port: int,
    model: Path,
    copies: int,
    messages: int,
    seconds: float,
) -> Load:
    """What a pipeline makes of it for `LENGTH` seconds."""
    names = [f"{s}{c or ''}" for c in range(copies) for s in ("BTCUSDT", "ETHUSDT")]
    address = Address(f"ws://127.0.0.1:{port}", f"http://127.0.0.1:{port}")
    config = PipelineConfig(model, tuple(names), VENUE, addresses={VENUE: address})
    pipeline, told = InferencePipeline(config), list[tuple[Prediction, int]]()
    pipeline.on_prediction(lambda said: told.append((said, now_utc())))
    await pipeline.start()
    try:
        async with within(min(LENGTH, seconds) + WARM):
            await asyncio.Event().wait()
    except TimeoutError:
        pass
    feed, waiting = pipeline.feeds[0], pipeline.inbox.waiting
    await pipeline.stop()
    since = told[0][0].ts + int(WARM * SECOND)
    counted = [(p, at) for p, at in told if p.ts >= since]
    total = np.array([p.latency_us["total"] for p, _ in counted]) / 1e3
    late = np.array([at - p.ts for p, at in counted]) / 1e6
    span = (counted[-1][0].ts - told[0][0].ts) / SECOND
    stages = {
        name: float(np.quantile([p.latency_us[name] for p, _ in counted], 0.99))
        for name in counted[0][0].latency_us
    }
    p50, p99, p999 = np.quantile(total, (0.5, 0.99, 0.999)).tolist()
    return Load(
        *(2 * copies, feed.events / span, feed.messages / span, len(counted)),
        *(p50, p99, p999, float(np.quantile(late, 0.99))),
        pipeline.inbox.dropped + max(waiting - config.turn, 0),
        stages,
    )


def run() -> Result:
    """Steps until 99 % are not below the limit any more; the last that held is reported."""
    with TemporaryDirectory() as folder:
        path, each = market(Path(folder))
        model = specialists(Path(folder) / "model", path)
        steps = climb(path, model, [(speed, 1) for speed in SPEEDS])
        wide = climb(path, model, [(1.0, count) for count in NAMES])
    best = max((s for s in steps if held(s)), key=lambda s: s.events_per_second, default=steps[0])
    most = max((s.instruments for s in (*steps, *wide) if held(s)), default=0)
    metrics: dict[str, Any] = best._asdict() | {
        "instruments_at_most": most,
        "events_per_second_of_life": each,
        "steps": [s._asdict() for s in (*steps, *wide)],
    }
    baseline = {"name": "limit", "events_per_second": WANTED, "p99_ms": LIMIT_MS}
    return Result("serve", metrics, baseline, best.events_per_second / WANTED)


def climb(path: Path, model: Path, steps: list[tuple[float, int]]) -> list[Load]:
    out = list[Load]()
    for speed, copies in steps:
        out.append(load(path, model, speed, copies))
        if not held(out[-1]):
            break
    return out


def held(step: Load) -> bool:
    return step.p99_ms < LIMIT_MS and step.unfolded == 0
