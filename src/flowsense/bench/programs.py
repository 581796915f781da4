"""Commands of ours as processes of their own; one of them is a venue with a simulated market."""

import asyncio
import os
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import numpy as np

from flowsense.replay.feed import feed
from flowsense.schema import EVENT
from flowsense.simulate.market import Market, simulate
from flowsense.sources.open import open_source
from flowsense.store.events import write_events

VENUE = "binance-usdm"  # whose protocol is spoken
MARKET_S = 60.0  # of the market, before it begins again


def names(count: int) -> tuple[str, ...]:
    return tuple(f"C{k:02}USDT" for k in range(count))


def market(folder: Path, count: int, seed: int = 0) -> tuple[Path, float]:
    """A simulated one by level, as a file, and its messages per second."""
    made = simulate(Market(instruments=count, leads=(), names=names(count)), MARKET_S, seed)
    write_events(folder / "orders.parquet", made.instruments, [made.events])
    levels = feed(open_source([folder / "orders.parquet"]), VENUE)
    moments = [np.asarray(moment.what) for moment in levels]
    path = folder / "market.parquet"
    write_events(path, levels.instruments, [np.concatenate(moments).view(EVENT)])
    return path, len(moments) / MARKET_S


@asynccontextmanager
async def program(*words: str) -> AsyncIterator[Process]:
    """A command of ours; afterwards it has ended."""
    call = (sys.executable, "-m", "flowsense", *words)
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    it = await asyncio.create_subprocess_exec(*call, stdout=PIPE, stderr=DEVNULL, env=environment)
    try:
        yield it
    finally:
        with suppress(ProcessLookupError):
            it.terminate()
        await it.wait()


async def said(it: Process, what: str) -> str:
    """What it says on a line of its own. Raises RuntimeError where it does not."""
    assert it.stdout is not None
    async for line in it.stdout:
        if found := re.search(what, line.decode()):
            return found[1]
    raise RuntimeError(f"a command of ours ended without saying {what}")
