"""A minute of all that a script can do to a feed, drawn by seed."""

import asyncio

import pytest
from live.followed import Told, following, table

from flowsense.replay.faults import listed, random
from flowsense.testing.loop import run
from flowsense.wall import pause

RATES = {
    **dict.fromkeys(("drop", "duplicate", "delay", "swap"), 6.0),
    **dict.fromkeys(("eof", "reset", "close", "refuse", "status", "slow", "silence"), 1.0),
    "half-open": 0.5,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["binance-spot", "okx"])
def test_a_minute_of_random_faults_leaves_no_wrong_book_and_nothing_behind(name):
    """R39, short: 60 s of virtual time by each of ten seeds: every book that is whole is one that
    the venue had, and its own in the end; counts are those of what was told; no task is left."""

    async def main(seed):
        source = Told(table(name, 2), 320, 0.25, seed)
        async with following(source, listed(random(seed, RATES, 60.0)), seed=seed) as (
            found,
            venue,
            _,
        ):
            await venue.over()
            await pause(1.0)
            assert found.truth() and found.feed.state == "live"
            sink, heard = found.feed.decoder.sink, sum(map(len, found.events))
            assert found.feed.events == heard - len(found.stale) and not sink.n
            assert sink.counts["gap"] == len(found.gaps) and not sink.counts["malformed message"]
            assert found.feed.connections > 1 or found.gaps
        return len(asyncio.all_tasks())

    assert [run(main(seed)) for seed in range(10)] == [1] * 10
