"""Latency of one event at a time: the compiled call, the whole `Fold.push`, and plain Python."""

import gc
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flowsense._jit import records
from flowsense.bench import Result
from flowsense.bench.features import CLOCK, Stream, stream
from flowsense.features.catalogue import DEFAULT, spec
from flowsense.features.fold import Fold
from flowsense.schema import EVENT, Decimal, Instrument
from flowsense.wall import Stopwatch

EVENTS, WARM = 24_000, 4_000  # events of each way; the first, a snapshot among them, do not count
PLAIN = "import sys; from flowsense.bench.live import plain; plain(sys.argv[1])"


class Latencies:
    """Seconds of each call; the garbage collector waits meanwhile."""

    def __init__(self) -> None:
        self.seconds, self.watch = list[float](), Stopwatch()

    def __enter__(self) -> "Latencies":
        gc.disable()
        return self

    def __exit__(self, *error: object) -> None:
        gc.enable()

    def note(self) -> None:
        self.seconds.append(self.watch.seconds)
        self.watch.seconds = 0.0


def pushed(market: Stream) -> NDArray[np.float64]:
    """(n,) seconds of `Fold.push` for each event alone, rows every 100 ms among them."""
    fold, events = Fold(spec(DEFAULT, (CLOCK,)), (market.instrument,)), market.events
    with Latencies() as each:
        for i in range(len(events)):
            with each.watch:
                for _ in fold.push(events[i : i + 1]):
                    pass
            each.note()
    return np.array(each.seconds[WARM:])


def stepped(market: Stream) -> NDArray[np.float64]:
    """(n,) seconds of the compiled call alone."""
    fold, events = Fold(spec(DEFAULT, (CLOCK,)), (market.instrument,)), market.events
    with Latencies() as each:
        for i in range(len(events)):
            if fold.room <= 0:
                fold.make_room()
            fold.room -= 1
            one = records(events[i : i + 1])
            with each.watch:
                fold.step(*fold.tables, one, fold.out, fold.quotes)
            each.note()
    return np.array(each.seconds[WARM:])


def percentiles(seconds: NDArray[np.float64], name: str) -> dict[str, float]:
    """us: p50, p99."""
    p50, p99 = np.percentile(seconds * 1e6, [50, 99]).tolist()
    return {f"{name}_p50_us": p50, f"{name}_p99_us": p99}


def plain(folder: str) -> None:
    """What `uncompiled` runs in a process of its own."""
    symbol, venue, tick, lot, *rest = json.loads((Path(folder) / "instrument.json").read_text())
    instrument = Instrument(
        symbol, venue, Decimal(*tick), Decimal(*lot), Decimal(*rest[0]), *rest[1:]
    )
    events = np.load(Path(folder) / "events.npy").view(EVENT)
    np.save(Path(folder) / "seconds.npy", pushed(Stream("", instrument, events)))


def uncompiled(market: Stream) -> NDArray[np.float64]:
    """(n,) seconds of `Fold.push` where kernels run as plain Python."""
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "events.npy", market.events)
        (Path(folder) / "instrument.json").write_text(json.dumps(market.instrument))
        env = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run([sys.executable, "-c", PLAIN, folder], check=True, env=env)
        seconds: NDArray[np.float64] = np.load(Path(folder) / "seconds.npy")
    return seconds


def run() -> Result:
    """us per event, p50 and p99; the same source and the same events under plain Python."""
    market = stream(EVENTS)
    ours, step = pushed(market), stepped(market)
    theirs = percentiles(uncompiled(market), "push")
    metrics = {
        "data": market.name,
        "columns": len(spec(DEFAULT).columns),
        "events": len(ours),
        **percentiles(ours, "push"),
        **percentiles(step, "step"),
    }
    ratio = theirs["push_p50_us"] / float(np.percentile(ours * 1e6, 50))
    return Result("live", metrics, {"name": "plain Python", **theirs}, ratio)
