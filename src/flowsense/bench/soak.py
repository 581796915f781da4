"""The service for as long as one likes, under a venue that errs: what grows, and what is missing.

Commands of ours do all of it: `replay` tells a market at 10,000 messages per second, with faults
drawn by seed; `serve` hears it, a lake beside it; listeners hear that, one of which takes nothing;
others ask, and reload the model. $FLOWSENSE_SOAK says for how long; the first third warms up.

An instrument has a second in which it was told something ready and not stale. Seconds in which the
venue was not there do not count, nor does the time that coming back may take then.
"""

import asyncio
import json
import os
import re
from asyncio.subprocess import Process
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import httpx
import numpy as np
from numpy.typing import NDArray

from flowsense.bench import Result
from flowsense.bench.programs import VENUE, market, names, program, said
from flowsense.client import AsyncClient
from flowsense.errors import InputError
from flowsense.forecast import duration
from flowsense.replay.faults import listed, random
from flowsense.schema import SECOND
from flowsense.served import Prediction
from flowsense.testing.fitted import save
from flowsense.wall import elapsed, pause, within

INSTRUMENTS, RATE = 20, 10_000.0  # messages per second
LONG, WARM = "2m", 1 / 3  # unless said otherwise; of the time, that is not looked at
MINUTES = {  # faults a minute
    **dict.fromkeys(("drop", "duplicate", "delay", "swap"), 6.0),
    **dict.fromkeys(("eof", "reset", "close"), 0.2),
    **dict.fromkeys(("refuse", "status", "slow", "silence", "half-open"), 0.1),
}
AWAY = ("refuse", "status", "slow", "silence", "half-open")  # nothing can be heard meanwhile
CUT = (*AWAY, "eof", "reset", "close")
BACK_S, NOTICED_S = 2.0, 13.0  # until it is heard again; more where only silence tells of it
LIMIT_MB, SERIES = 10.0, 2_000  # an hour; and of the metrics
ASK_S, RELOAD_S = 0.1, 20.0  # between two questions; between two reloads
T_95 = 2.1  # of Student's t, two-sided, with 18 degrees of freedom or more


class Look(NamedTuple):
    """Once a second."""

    at: float  # s since the beginning
    resident: float  # MB
    files: int
    tasks: float
    threads: float
    series: float


@dataclass
class Seen:
    """All that was looked at."""

    began: float  # s on the loop's clock
    looks: list[Look] = field(default_factory=list)
    heard: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))  # seconds
    latencies: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    answers: Counter[str] = field(default_factory=Counter)  # by status
    faults: list[tuple[float, float, str]] = field(default_factory=list)  # from, until, what
    before: dict[str, float] = field(default_factory=dict)  # of /metrics, at the first look
    numbers: dict[str, float] = field(default_factory=dict)  # at the last

    def now(self) -> float:
        return elapsed() - self.began


def run() -> Result:
    """As long as $FLOWSENSE_SOAK says. Raises InputError where it says no time."""
    try:
        seconds = duration(os.environ.get("FLOWSENSE_SOAK", LONG)) / SECOND
    except InputError as error:
        raise InputError(f"FLOWSENSE_SOAK: {error}") from None
    return soak(seconds)


def soak(
    seconds: float, rate: float = RATE, seed: int = 0, faults: Mapping[str, float] = MINUTES
) -> Result:
    """What came of so many seconds.

    Args:
        rate: messages per second.
        faults: by name, how often a minute.
    """
    steps = listed(random(seed, faults, seconds))
    with TemporaryDirectory() as folder:
        return asyncio.run(soaked(Path(folder), seconds, rate, steps))


async def soaked(folder: Path, seconds: float, rate: float, steps: list[dict[str, Any]]) -> Result:
    path, each = market(folder, INSTRUMENTS)
    speed, script = rate / each, folder / "faults.json"
    script.write_text(json.dumps([step | {"at": step["at"] * speed} for step in steps]))
    model = save(folder / "models" / "model")
    async with AsyncExitStack() as stack:
        words = (str(path), "--as", VENUE, "--loop", "--speed", str(speed), "--faults", str(script))
        venue = await stack.enter_async_context(program("replay", *words))
        stream, rest = await said(venue, r"(ws://\S+)"), await said(venue, r"(http://\S+)")
        named = (str(model), *(f"{VENUE}:{symbol}" for symbol in names(INSTRUMENTS)), "--port", "0")
        more = ("--at", f"{VENUE}={stream},{rest}", "--models", str(folder / "models"))
        lake = ("--record", str(folder / "lake"))
        service = await stack.enter_async_context(program("serve", *named, *more, *lake))
        url = await said(service, r"at (http://\S+)")
        return judged(await watched(url, venue, service, seconds), seconds)


async def watched(url: str, venue: Process, service: Process, seconds: float) -> Seen:
    """From when each instrument has a prediction on."""
    there = set[str]()
    async with AsyncClient(url) as client:
        async for message in client.stream():
            there |= {message.prediction.symbol} if message.prediction is not None else set()
            if len(there) == INSTRUMENTS:
                break
    seen = Seen(elapsed())
    work = (
        troubled(venue, seen),
        listened(url, seen),
        stalled(url),
        asked(url, seen),
        reloaded(url, seen),
        looked(url, service.pid, seen),
    )
    tasks = [asyncio.create_task(one) for one in work]
    try:
        async with within(seconds):
            await asyncio.gather(*tasks)
    except TimeoutError:
        return seen
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    raise RuntimeError("the service ended")


async def troubled(venue: Process, seen: Seen) -> None:
    """When the venue says that it errs, and for how long."""
    assert venue.stdout is not None
    async for line in venue.stdout:
        if found := re.search(r"fault (\S+)(?: for (\S+) s)?", line.decode()):
            what, now = found[1], seen.now()
            if what in CUT:
                back = NOTICED_S if what == "half-open" else BACK_S
                seen.faults.append((now, now + float(found[2] or 0.0) + back, what))


async def listened(url: str, seen: Seen) -> None:
    async with AsyncClient(url) as client:
        async for message in client.stream():
            if message.prediction is not None:
                note(message.prediction, seen)


def note(said: Prediction, seen: Seen) -> None:
    now = seen.now()
    seen.latencies[int(now / 60)].append(said.latency_us["total"] / 1e3)
    if not said.stale and all(f.ready for f in said.forecasts):
        seen.heard[said.symbol].add(int(now))


async def stalled(url: str) -> None:
    """Listens and takes nothing, until it is cut off; then again."""
    host, port = url.removeprefix("http://").split(":")
    hand = (
        f"GET /api/v1/predict/stream HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    while True:
        _, writer = await asyncio.open_connection(host, int(port), limit=1)
        try:
            writer.write(hand.encode())
            await pause(10.0)
        finally:
            writer.transport.abort()


async def asked(url: str, seen: Seen) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=10.0) as http:
        k = 0
        while True:
            await pause(ASK_S)
            k += 1
            body = {"instrument": names(INSTRUMENTS)[k % INSTRUMENTS]}
            await answered(seen, http.post("/api/v1/predict", json=body))


async def reloaded(url: str, seen: Seen) -> None:
    """Every other one is refused: there is no such model."""
    async with httpx.AsyncClient(base_url=url, timeout=30.0) as http:
        while True:
            await pause(RELOAD_S)
            await answered(seen, http.post("/api/v1/models/reload"))
            found = await http.post("/api/v1/models/reload", json={"path": "none"})
            seen.answers["a model that is not there was not refused"] += found.status_code != 404


async def answered(seen: Seen, request: Any) -> None:
    try:
        seen.answers[str((await request).status_code)] += 1
    except httpx.TransportError as error:
        seen.answers[type(error).__name__] += 1


async def looked(url: str, pid: int, seen: Seen) -> None:
    """At the process, once a second."""
    page = os.sysconf("SC_PAGE_SIZE")
    async with httpx.AsyncClient(base_url=url, timeout=10.0) as http:
        while True:
            text = (await http.get("/metrics")).text
            seen.numbers = numbers(text)
            seen.before = seen.before or seen.numbers
            resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page / 1e6
            tasks, threads = (seen.numbers[f"flowsense_{what}"] for what in ("tasks", "threads"))
            series = sum(not line.startswith("#") for line in text.splitlines())
            files = len(os.listdir(f"/proc/{pid}/fd"))
            seen.looks.append(Look(seen.now(), resident, files, tasks, threads, series))
            await pause(1.0)


def numbers(text: str) -> dict[str, float]:
    """Of /metrics, summed over labels."""
    found = Counter[str]()
    for line in text.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            found[name.partition("{")[0]] += float(value)  # type: ignore[assignment]
    return dict(found)


def judged(seen: Seen, seconds: float) -> Result:
    """Of the time after warming up."""
    begin = seconds * WARM
    looks = [look for look in seen.looks if look.at >= begin]
    slope, upper = risen(np.array([(look.at, look.resident) for look in looks]))
    p99 = {m: float(np.quantile(ms, 0.99)) for m, ms in sorted(seen.latencies.items())}
    late = [value for m, value in p99.items() if begin <= 60 * m and 60 * (m + 1) <= seconds]
    there, counted = availability(seen, begin, seconds)
    wanted = {key: value for key, value in seen.answers.items() if value}
    span = seen.looks[-1].at - seen.looks[0].at
    counts = {name: n - seen.before.get(name, 0.0) for name, n in seen.numbers.items()}
    metrics: dict[str, Any] = {
        "seconds": seconds,
        "messages_per_second": counts["flowsense_feed_messages_total"] / span,
        "events": counts["flowsense_events_total"],
        "predictions": counts["flowsense_predictions_total"],
        "faults": len(seen.faults),
        "reconnects": counts["flowsense_feed_reconnects_total"],
        "gaps": counts["flowsense_feed_gaps_total"],
        "conflated": counts["flowsense_dropped_total"],
        "clients_cut": counts["flowsense_clients_cut_total"],
        "availability": there / counted if counted else 0.0,
        "instrument_seconds": counted,
        "rss_mb": looks[-1].resident,
        "rss_grown_mb": looks[-1].resident - looks[0].resident,
        "rss_mb_per_hour": slope,
        "rss_mb_per_hour_at_most": upper,
        "p99_ms": float(np.median([*p99.values()])),
        "p99_drift": drift(late),
        **{f"{what}_grown": grown(looks, what) for what in ("files", "tasks", "threads", "series")},
        "series": max(look.series for look in looks),
        "answers": wanted,
        "refused": sum(n for status, n in wanted.items() if status != "200"),
        "each": [look._asdict() for look in looks[:: max(1, len(looks) // 60)]],
        "p99_ms_by_minute": p99,
    }
    baseline = {"name": "limit", "rss_mb_per_hour_at_most": LIMIT_MB, "availability": 0.999}
    baseline |= {"series": SERIES, "p99_drift": 1.1, "messages_per_second": RATE}
    return Result("soak", metrics, baseline, LIMIT_MB / max(upper, 1e-9))


def risen(looks: NDArray[Any]) -> tuple[float, float]:
    """MB an hour of (s, MB), and the upper end of its interval: a line through 20 floors.

    A floor is what is held between two works, a tenth of the looks being lower: a reload, or a
    flush of the recording, holds some MB more for as long as it takes.
    """
    parts = [part for part in np.array_split(looks, 20) if len(part)]
    hours = np.array([np.median(part[:, 0]) for part in parts]) / 3600.0
    held = np.array([np.quantile(part[:, 1], 0.1) for part in parts])
    hours = hours - hours.mean()
    scale = float(hours @ hours)
    slope = float(hours @ held) / scale
    rest = held - held.mean() - slope * hours
    error = float(np.sqrt(rest @ rest / max(len(parts) - 2, 1) / scale))
    return slope, slope + T_95 * error


def grown(looks: list[Look], what: str) -> float:
    """From the first half of the looks to the second: of their medians."""
    held, half = [getattr(look, what) for look in looks], len(looks) // 2
    return float(np.median(held[half:]) - np.median(held[:half]))


def drift(p99: list[float]) -> float:
    """The second half of the minutes beside the first; 1: none."""
    half = len(p99) // 2
    return float(np.median(p99[half:]) / np.median(p99[:half])) if half else 1.0


def availability(seen: Seen, begin: float, end: float) -> tuple[int, int]:
    """Seconds of instruments that there was something in, and that count."""
    away = {s for a, b, _ in seen.faults for s in range(int(a), int(b) + 1)}
    counted = [s for s in range(int(np.ceil(begin)), int(end) - 1) if s not in away]
    there = sum(s in seen.heard[name] for name in names(INSTRUMENTS) for s in counted)
    return there, len(counted) * INSTRUMENTS
