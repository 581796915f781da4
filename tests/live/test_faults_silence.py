"""Silence while pings are answered: told, ended, and measured on no clock that can be set."""

import asyncio

import numpy as np
import pytest
from live.followed import Told, following, table

from flowsense.testing.loop import run
from flowsense.wall import elapsed, pause

AT = 5.0  # s


async def silent(faults, seconds, n=3, every=0.5):
    source = Told(table("okx", n), int(2 * seconds / every), every)
    async with following(source, faults) as (found, _, _):
        found.opened, listen = [], found.feed._listen

        def listening(*of):
            found.opened.append(elapsed())
            listen(*of)

        found.feed._listen = listening
        await pause(seconds)
        return found


@pytest.mark.parametrize("symbol", ["", "C01-USDT"])
def test_silence_is_told_in_time_and_a_second_later_there_is_a_new_connection(symbol):
    """R10: all symbols, or one of three, are silent while pings are answered: STALE <= max(10 s,
    5 x median gap) after the last message, a new connection <= 1 s later, until which the others
    are stale too, and its end is told."""
    fault = {"at": AT, "do": "silence", "seconds": 14.0} | ({"symbol": symbol} if symbol else {})
    found = run(silent([fault], 22.0))
    begun = {k: at for at, k, stale in found.stale if stale}
    last = {k: max(t for t, i in found.source.told if i == k and t < AT) for k in begun}
    first = min(begun, key=begun.__getitem__)
    assert {*begun} == {0, 1, 2} and (first == 1 or not symbol)
    assert 9.5 < begun[first] - last[first] <= 10.0
    assert symbol or all(begun[k] - last[k] <= 10.0 for k in begun)
    assert found.opened[1] - min(begun.values()) <= 1.0 and len(found.opened) == 2
    assert {k for _, k, stale in found.stale if not stale} == {*begun} and found.state == "live"


@pytest.mark.parametrize("step", [-3_600.0, -5.0, -2.0, 5.0, 3_600.0])
def test_a_clock_that_is_set_is_no_silence_and_hides_none(step):
    """R15: the clock on the wall is set back or forward: time of what is heard never falls, nothing
    is taken to be stale, and silence is told as early as ever."""

    async def main():
        source = Told(table("okx", 2), 60, 0.1)
        async with following(source) as (found, _, _):
            await pause(3.0)
            asyncio.get_running_loop().step(step)
            await pause(3.0)
            lively = list(found.stale)
            await pause(10.0)
            return found, lively

    found, lively = run(main())
    assert not lively and {k for _, k, stale in found.stale if stale}
    assert (np.diff(found.stream()["ts_recv"]) >= 0).all() and found.feed.connections == 1
    assert found.stale[0][0] <= max(at for at, _ in found.source.told) + 10.0


@pytest.mark.parametrize("name", ["_ping", "_watch", "_send", "hear"])
def test_a_task_that_fails_ends_the_feed_and_is_named(name):
    """R41: what goes on beside the reading raises: the feed has ended <= 1 s later, and says why,
    and nothing of it is left."""

    async def main():
        source, when = Told(table("okx", 1), 20, 0.1), []

        async def broken(*_):
            await pause(1.0)
            when.append(elapsed())
            raise ZeroDivisionError(f"in {name}")

        def deaf(*_):
            when.append(elapsed())
            raise ZeroDivisionError(f"in {name}")

        async with following(source) as (found, _, task):
            setattr(found.feed, name, deaf if name == "hear" else broken)
            with pytest.raises(ZeroDivisionError, match=name):
                await task
            return found.feed.state, elapsed() - when[0]

    state, seconds = run(main())
    assert state == "stopped" and seconds <= 1.0
