"""What was traded while nobody listened: asked for by number, told late, and never as flow."""

import numpy as np
import pytest
from live.followed import Told, following, table

from flowsense.schema import LATE, TRADE
from flowsense.testing.loop import run
from flowsense.wall import pause

ONE = ["instrument", "sequence", "side", "price", "lots"]


async def heard(source, *faults, after=1.0):
    async with following(source, faults) as (found, replay, _):
        await replay.over()
        await pause(after)
        return found


def traded(found):
    events = found.stream()
    return events[events["action"] == TRADE]


def each(trades):
    return sorted(trades[ONE].tolist())


@pytest.mark.parametrize(
    "fault",
    [
        {"do": "reset"},
        {"do": "refuse", "seconds": 3.0},
        {"do": "drop", "count": 25},
        pytest.param({"do": "half-open", "seconds": 6.0}, marks=pytest.mark.slow),
    ],
    ids=["reset", "refused", "dropped", "half-open"],
)
def test_trades_of_an_outage_are_all_told_once_and_marked(fault):
    """R11: of Binance spot no trade is lost, none told twice; the late ones are told in order of
    hearing, with the time at which they happened, and are marked."""
    found = run(heard(Told(table("binance-spot", 3), 400, 0.025), fault | {"at": 2.05}))
    clean = run(heard(Told(table("binance-spot", 3), 400, 0.025)))
    told = traded(found)
    late = told[told["bits"] & LATE > 0]
    assert each(told) == each(traded(clean)) and len(late) > 1
    assert (np.diff(found.stream()["ts_recv"]) >= 0).all()
    assert (late["ts_event"] < late["ts_recv"]).all() and not (traded(clean)["bits"] & LATE).any()
    counts = found.feed.decoder.sink.counts
    assert counts["missed trade"] == counts["late trade"] == len(late)


@pytest.mark.slow
def test_an_outage_of_more_trades_than_a_page_is_asked_for_page_by_page():
    """R11: 2,500 trades of one symbol are missed."""
    source = Told(table("binance-spot", 1), 9_000, 0.001)
    found = run(heard(source, {"at": 0.5, "do": "silence", "seconds": 8.0}, after=3.0))
    counts = found.feed.decoder.sink.counts
    assert counts["late trade"] == counts["missed trade"] > 2_000
    assert not np.diff(np.sort(traded(found)["sequence"])).max() > 1


def test_a_hole_beyond_all_patience_is_counted_and_not_asked_for():
    source = Told(table("binance-spot", 1), 60, 0.05)

    async def main():
        async with following(source, [{"at": 1.0, "do": "reset"}]) as (found, replay, _):
            await pause(0.5)
            traded = found.feed.decoder.sink.traded
            traded["C00USDT"] = 1_000, traded.get("C00USDT", (0, 0))[1]
            await replay.over()
            await pause(1.0)
            return found.feed.decoder.sink.counts

    counts = run(main())
    assert counts["missed trade"] > 900_000 and counts["hole of too many trades"] == 1
    assert not counts["trade that is gone"]
