"""What the API bears, and what it costs: 200 listeners, and questions that wait for no answer.

The service is here, on one loop with its pipeline, as `serve` has it; the venue and those who
listen and ask (`bench.crowd`) are processes of their own. A delivery is from the moment at which
the pipeline tells a prediction to that at which a listener has read it; an answer counts from the
moment at which its question was due. A rate holds if all are answered, 99 % of them within 50 ms.
"""

import asyncio
import json
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from sys import executable
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowsense.bench import Result
from flowsense.bench.programs import VENUE, market, names, program, said
from flowsense.features.catalogue import spec
from flowsense.live.feed import Address
from flowsense.serve.app import ROUTES
from flowsense.serve.config import PipelineConfig
from flowsense.serve.logs import configure
from flowsense.serve.monitor import Monitor
from flowsense.serve.pipeline import InferencePipeline
from flowsense.serve.run import serve
from flowsense.serve.settings import Limits, Settings
from flowsense.served import Prediction
from flowsense.sources.open import open_source
from flowsense.store.events import write_events
from flowsense.testing.fitted import FAMILIES, save
from flowsense.wall import new_loop, now_utc, pause

LISTENERS, INSTRUMENTS, MESSAGES = 200, 5, 1_000.0
LIMIT_MS = 50.0
WARM_S, ALONE_S, LISTEN_S, ASK_S = 3.0, 8.0, 12.0, 3.0
RATES = {  # questions per second, until one does not hold
    "latest": (250.0, 500.0, 1_000.0, 2_000.0, 4_000.0),
    "row": (125.0, 250.0, 500.0, 1_000.0, 2_000.0),
    "events": (10.0, 25.0, 50.0, 100.0, 200.0),
}
EVENTS = 1_000  # of a recording that is sent


@dataclass
class Told:
    """What the pipeline has said since it was asked for last."""

    at: dict[int, int] = field(default_factory=dict)  # ns UTC, by sequence
    ms: list[float] = field(default_factory=list)

    def __call__(self, said: Prediction) -> None:
        self.at[said.sequence] = now_utc()
        self.ms.append(said.latency_us["total"] / 1e3)

    def quantiles(self) -> tuple[float, float]:
        """50 % and 99 % in ms, and none are kept."""
        found, self.ms = self.ms, []
        p50, p99 = np.quantile(found, (0.5, 0.99)).tolist()
        return p50, p99


def run() -> Result:
    """In about a minute."""
    configure("error")
    with TemporaryDirectory() as folder, asyncio.Runner(loop_factory=new_loop) as runner:
        metrics = runner.run(measured(Path(folder)))
    baseline = {"name": "limit", "delivery_p99_ms": LIMIT_MS}
    return Result("api", metrics, baseline, LIMIT_MS / metrics["delivery_p99_ms"])


async def measured(folder: Path) -> dict[str, Any]:
    path, each = market(folder, INSTRUMENTS)
    bodies = questions(folder, path)
    words = (str(path), "--as", VENUE, "--loop", "--speed", str(MESSAGES / each))
    async with AsyncExitStack() as stack:
        venue = await stack.enter_async_context(program("replay", *words))
        address = Address(await said(venue, r"(ws://\S+)"), await said(venue, r"(http://\S+)"))
        model, told = save(folder / "model"), Told()
        config = PipelineConfig(model, names(INSTRUMENTS), VENUE, addresses={VENUE: address})
        port = await stack.enter_async_context(serving(InferencePipeline(config), told))
        await pause(WARM_S)
        told.quantiles()
        await pause(ALONE_S)
        alone = told.quantiles()
        found = {"alone_p50_ms": alone[0], "alone_p99_ms": alone[1]}
        found |= await heard(port, told, folder / "heard.npy")
        for kind, body in bodies.items():
            found |= await climb(kind, port, body, told)
    return found


@asynccontextmanager
async def serving(pipeline: InferencePipeline, told: Told) -> AsyncIterator[int]:
    """Its port, once predictions are made."""
    pipeline.on_prediction(told)
    monitor = Monitor(pipeline, routes=ROUTES)
    limits = replace(Limits(), rate=1e9, burst=1e9)  # what it bears is asked, not what it allows
    metrics = monitor.metrics
    settings = Settings(
        port=0,
        limits=limits,
        metrics=metrics.render,
        heard=metrics.asked,
        crowd=metrics.clients,
    )
    ports, stop = list[int](), asyncio.Event()

    beside = (("the monitor", monitor.run),)
    task = asyncio.create_task(
        serve(pipeline, settings, stop=stop, ready=ports.append, beside=beside)
    )
    while not (ports and told.at) and pipeline.state != "failed" and not task.done():
        await pause(0.05)
    try:
        if not (ports and told.at):
            raise RuntimeError(f"nothing is served: {pipeline.why or 'see the log'}")
        yield ports[0]
    finally:
        stop.set()
        await task


def questions(folder: Path, recording: Path) -> dict[str, Path]:
    """Bodies of each kind, as files."""
    symbol, columns = names(INSTRUMENTS)[0], spec(FAMILIES).columns
    bodies: dict[str, Any] = {
        "latest": {"instrument": symbol},
        "row": {"instrument": symbol, "features": dict.fromkeys(columns, 0.5)},
    }
    for kind, body in bodies.items():
        (folder / f"{kind}.json").write_text(json.dumps(body))
    source, path = open_source([recording]), folder / "events.parquet"
    events = next(iter(source))[:EVENTS]
    table = tuple(one._replace(venue=VENUE) for one in source.instruments)
    write_events(path, table, [events])
    return {kind: folder / f"{kind}.json" for kind in bodies} | {"events": path}


@asynccontextmanager
async def crowd(*words: str) -> AsyncIterator[Process]:
    """Who listens or asks; its connections stand."""
    call = (executable, "-m", "flowsense.bench.crowd", *words)
    it = await asyncio.create_subprocess_exec(*call, stdout=PIPE)
    try:
        await said(it, "(here)")
        yield it
    finally:
        with suppress(ProcessLookupError):
            it.terminate()
        await it.wait()


async def heard(port: int, told: Told, path: Path) -> dict[str, float]:
    """By all listeners."""
    before = resident()
    async with crowd("listen", str(port), str(LISTENERS), str(LISTEN_S), str(path)) as it:
        first = max(told.at) + 1
        told.quantiles()
        await pause(LISTEN_S / 2)
        held = resident() - before
        await said(it, "(done)")
        p50, p99 = told.quantiles()
    return delivered(np.load(path), told.at, first, LISTENERS) | {
        "listeners": LISTENERS,
        "kb_per_listener": held / LISTENERS / 1e3,
        "beside_listeners_p50_ms": p50,
        "beside_listeners_p99_ms": p99,
    }


def delivered(
    frames: NDArray[np.int64], told: dict[int, int], first: int, listeners: int
) -> dict[str, float]:
    """From the `first` to shortly before the last that anybody heard.

    Args:
        frames: (n, 2) sequence, and ns UTC when it was read, of all listeners.
        told: ns UTC when it was told, by sequence; what nobody heard is not kept either.
    """
    last = int(frames[:, 0].max()) - 5 * INSTRUMENTS
    frames = frames[(frames[:, 0] >= first) & (frames[:, 0] <= last)]
    took = (frames[:, 1] - np.array([told[n] for n in frames[:, 0].tolist()])) / 1e6
    d50, d99 = np.quantile(took, (0.5, 0.99)).tolist()
    return {
        "frames_per_second": len(frames) / LISTEN_S,
        "kept": len(frames) / (sum(first <= n <= last for n in told) * listeners),
        "delivery_p50_ms": d50,
        "delivery_p99_ms": d99,
    }


async def climb(kind: str, port: int, body: Path, told: Told) -> dict[str, Any]:
    """Rates until one does not hold; the last that held is reported."""
    steps = list[dict[str, float]]()
    for rate in RATES[kind]:
        told.quantiles() if told.ms else None
        async with crowd("ask", str(port), str(rate), str(ASK_S), str(body)) as it:
            step = {"rate": rate, **json.loads(await said(it, r"(\{.*\})"))}
        step["pipeline_p99_ms"] = told.quantiles()[1]
        steps.append(step)
        if not held(step):
            break
    best = max((s for s in steps if held(s)), key=lambda s: s["rate"], default={"rate": 0.0})
    return {
        f"{kind}_per_second": best["rate"],
        f"{kind}_p50_ms": best.get("p50_ms", 0.0),
        f"{kind}_p99_ms": best.get("p99_ms", 0.0),
        f"beside_{kind}_p99_ms": best.get("pipeline_p99_ms", 0.0),
        f"{kind}_steps": steps,
    }


def held(step: dict[str, float]) -> bool:
    return step["fine"] == step["asked"] and step["p99_ms"] < LIMIT_MS


def resident() -> int:
    """Bytes of this process in memory."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
